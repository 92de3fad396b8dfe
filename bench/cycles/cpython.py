"""CPython's objects and its module gc. The rows and the contract with the driver are in graph.h; how operations are
timed in stalls.h. An object is of a class with two slots: 48 bytes with what the collector keeps in front of it."""

import gc
import math
import os
import random
import resource
import sys
import threading
import time

# Asking costs more than in C, and gives the interpreter's lock away: that wait is the next operation's.
ASK_NS = 50_000
MOST_UNCOLLECTED = 5_000_000
BATCH = 512
COLLECTIONS = 3

dice = random.Random(1).random
clock = time.perf_counter_ns


class Node:
    __slots__ = ("first", "second")

    def __init__(self, first=None, second=None):
        self.first, self.second = first, second


def collector_run(run):
    (gc.enable if run else gc.disable)()


def resident(field):
    with open("/proc/self/smaps_rollup" if field == "Rss:" else "/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(field))


class Stalls:
    def __init__(self):
        self.schedstat = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        self.usage = resource.getrusage(resource.RUSAGE_THREAD)
        self.delay = self.ask()
        self.operations = self.longest = self.blocked = self.raw = self.preempted = 0
        self.times = {}
        self.wall = self.delay - clock()

    def ask(self):
        return int(os.pread(self.schedstat, 96, 0).split()[1])

    def look_closer(self, ns):
        usage, delay = resource.getrusage(resource.RUSAGE_THREAD), self.ask()
        own = ns - (delay - self.delay)
        self.preempted += usage.ru_nivcsw != self.usage.ru_nivcsw
        self.raw, self.longest = max(self.raw, ns), max(self.longest, own)
        if usage.ru_nvcsw != self.usage.ru_nvcsw:
            self.blocked = max(self.blocked, own)
        self.usage, self.delay = usage, delay
        return own

    def add(self, start):
        now = clock()
        ns = now - start
        self.operations += 1
        if ns > ASK_NS:
            ns = self.look_closer(ns)
        ns = ns if ns < 64 else ns >> ns.bit_length() - 5 << ns.bit_length() - 5
        self.times[ns] = self.times.get(ns, 0) + 1
        return now

    def end(self):
        self.wall += clock() - self.ask()
        os.close(self.schedstat)

    def print(self, when):
        left = self.operations * 0.0001
        for p9999 in sorted(self.times, reverse=True):
            left -= self.times[p9999]
            if left < 0:
                break
        for name, value in (("longest", self.longest / 1e3), ("p9999", p9999 / 1e3), ("blocked", self.blocked / 1e3),
                            ("raw", self.raw / 1e3), ("preempted", self.preempted), ("operations", self.operations)):
            print(f"{when}.{name}", value)


def shuffle(nodes):
    for i in range(len(nodes) - 1, 0, -1):
        j = int(dice() * (i + 1))
        nodes[i], nodes[j] = nodes[j], nodes[i]


def fresh(count):
    return [Node() for _ in range(count)]


def used(count):
    nodes = fresh(count)
    for _ in range(2 * count):
        nodes[int(dice() * count)] = Node()
    shuffle(nodes)
    return nodes


def pair_new(second=None):
    one = Node(None, second)
    one.first = Node(one)
    return one


class Graph:
    def __init__(self, count, with_hub=False):
        nodes = used(count)
        self.hub = Node() if with_hub else None
        self.anchors, self.members = nodes[:count // 2], nodes[count // 2::2]
        for one, two in zip(self.members, nodes[count // 2 + 1::2]):
            one.first, two.first, one.second = two, one, self.hub or self.anchors[int(dice() * len(self.anchors))]
        for anchor in self.anchors:
            anchor.first, anchor.second = self.members[int(dice() * len(self.members))], self.hub

    def operate(self):
        lot = dice()
        anchor = self.anchors[int(dice() * len(self.anchors))]
        if lot < 0.5:
            anchor.first = self.members[int(dice() * len(self.members))]
        elif lot < 0.75:
            self.members[int(dice() * len(self.members))] = pair_new(self.hub or anchor)
        else:
            pair_new(self.hub or anchor)


def operate_timed(graph, when, seconds, most=math.inf):
    stalls, operate = Stalls(), graph.operate
    now = clock()
    end = now + seconds * 1e9
    while now < end and stalls.operations < most:
        operate()
        now = stalls.add(now)
    stalls.end()
    stalls.print(when)


def operate_fast(graph, seconds):
    stalls, operate = Stalls(), graph.operate
    end = clock() + seconds * 1e9
    while clock() < end:
        for _ in range(BATCH):
            operate()
        stalls.operations += BATCH
    stalls.end()
    print("speed", stalls.operations * 1e3 / stalls.wall)


def churn(count, seconds, with_hub=False):
    graph = Graph(count, with_hub)
    collector_run(True)
    operate_timed(graph, "on", seconds)
    operate_fast(graph, seconds)
    collector_run(False)
    operate_timed(graph, "off", seconds, MOST_UNCOLLECTED)


def hub(count, seconds):
    churn(count, seconds, True)


def other(count, seconds):
    graph, task, collections = Graph(count), "collect", 0

    def body():
        nonlocal collections
        while task:
            if task == "collect":
                gc.collect()
                collections += 1

    thread = threading.Thread(target=body)
    collector_run(True)
    thread.start()
    operate_timed(graph, "on", seconds)
    print("collections", collections)
    collector_run(False)
    task = "busy"
    operate_timed(graph, "off", seconds, MOST_UNCOLLECTED)
    task = None
    thread.join()


def collect_ns(count):
    before = time.process_time_ns()
    gc.collect()
    return (time.process_time_ns() - before) / count


def tie_pairs(nodes):
    for one, two in zip(nodes[::2], nodes[1::2]):
        one.first, two.first = two, one


def build_pairs(count):
    tie_pairs(fresh(count))


def build_used_pairs(count):
    tie_pairs(used(count))


def build_ring(count):
    nodes = fresh(count)
    for i, node in enumerate(nodes):
        node.first = nodes[(i + 1) % count]


def build_random(count):
    return tie_random(fresh(count), count)


def tie_random(nodes, count):
    for i, node in enumerate(nodes):
        node.first, node.second = nodes[(i + 1) % count], nodes[int(dice() * count)]
    return nodes[0]


def reclaim(count, build):
    least = []
    for _ in range(COLLECTIONS):
        collector_run(False)
        build(count)
        least.append(collect_ns(count))
    print("cpu", min(least))


def pairs(count, _):
    reclaim(count, build_pairs)


def pairs_used(count, _):
    reclaim(count, build_used_pairs)


def ring(count, _):
    reclaim(count, build_ring)


def random_graph(count, _):
    reclaim(count, build_random)


def shuffled(count, _):
    kept = tie_random(used(count), count)
    print("cpu", min(collect_ns(count) for _ in range(COLLECTIONS)))
    return kept


def memory(count, _):
    baseline, kept = resident("VmHWM:"), None
    for _ in range(count):
        kept = Node(kept)
    gc.collect()
    print("bytes", resident("VmHWM:") - baseline, flush=True)
    os._exit(0)


def give_back(count, _):
    baseline, members = resident("Rss:"), None
    for _ in range(count // 2):
        members = pair_new(members)
    full = resident("Rss:")
    del members
    gc.collect()
    time.sleep(2)
    print("percent", max(0, 100 * (resident("Rss:") - baseline) / (full - baseline)))


ROWS = {"churn": churn, "hub": hub, "other": other, "pairs": pairs, "pairs-used": pairs_used,
        "ring": ring, "random": random_graph, "shuffled": shuffled, "memory": memory, "return": give_back}


def main(arguments):
    if arguments == ["--list"]:
        print(*ROWS, sep="\n")
        return
    row, count, seconds = arguments
    collector_run(False)
    ROWS[row](int(count), float(seconds))
    sys.stdout.flush()
    os._exit(0)  # without taking the graph down


main(sys.argv[1:])
