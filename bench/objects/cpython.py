"""CPython's objects, where a row is about objects and not about the interpreter's loop: a list of two items is an
object with two slots. The contract with the driver is in rows.h, for the row of maps in bench/retained/workload.h."""

import gc
import itertools
import random
import sys
import time

MAPS = 1_000_000
KEYS = ("id", "name", "size", "time", "owner")


class Node:
    __slots__ = ("first", "second")


def new(operations):
    for _ in itertools.repeat(None, operations):
        [None, None]


def chain_build(length):
    gc.disable()  # building is not measured; dropping does not ask the collector
    node = None
    for _ in itertools.repeat(None, length):
        node = [node, None]
    return [node]


def chain_drop(box):
    box.clear()


def header():
    """The collector's part in front of an object included, which getsizeof knows of."""
    return sys.getsizeof(Node()) - 8 * len(Node.__slots__)


ROWS = {"new": (int, new), "chain": (chain_build, chain_drop)}


def repeat(row, operations):
    prepare, run = ROWS[row]
    prepared = prepare(operations)
    wall, cpu = time.monotonic_ns(), time.process_time_ns()
    run(prepared)
    cpu = time.process_time_ns() - cpu
    print(time.monotonic_ns() - wall, cpu)


def maps():
    """Maps of 3 to 5 entries, each to an object of its own; a list of a random 1 % takes over."""
    dice = random.Random(1)
    print("baseline", flush=True)
    sys.stdin.read(1)
    cpu = time.process_time_ns()
    everything = [{key: 1000 + i for key in KEYS[:3 + i % 3]} for i in range(MAPS)]
    everything = [one for one in everything if dice.random() < 0.01]
    print("peak-live 0")  # nobody counted
    print("freed", time.monotonic_ns(), (time.process_time_ns() - cpu) // 1000, flush=True)
    time.sleep(3600)


def main(arguments):
    match arguments:
        case ["--list"]:
            print(*ROWS, "header", "maps", sep="\n")
        case ["header"]:
            print(header())
        case ["maps"]:
            maps()
        case [row, operations, repetitions]:
            for _ in range(int(repetitions)):
                repeat(row, int(operations))


main(sys.argv[1:])
