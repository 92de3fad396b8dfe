#!/usr/bin/python3
"""live + slack + cached + dirty + meta = resident, within 2 % of what the kernel counts, on servers that are idle, at work, and
have been emptied."""
import contextlib
import json
import os
import threading
import time

from tool import check, environment, free_port, kernel_resident, need, program, python, scratch, server, tool

PARTS = ("live", "slack", "cached", "dirty", "meta")
ERROR = 0.02
BESIDE = 128 << 10  # of what the kernel counts behind the library's file, its variables: no memory for blocks nor records of it


def compare(pid, what, least):
    """Twice: a process that works changes between the two looks."""
    for attempt in range(5):
        before = kernel_resident(pid)
        figures = json.loads(tool("stat", pid, "--json")[0])
        after = kernel_resident(pid)
        check(sum(figures[part] for part in PARTS) == figures["resident"], f"{what}: the parts are not the whole: {figures}")
        low, high = min(before, after), max(before, after)
        if low * (1 - ERROR) - BESIDE <= figures["resident"] <= high * (1 + ERROR) and figures["resident"] >= least:
            print(f"{what}: {figures['resident']:,} of {after:,} ({100 * (figures['resident'] - after) / after:+.2f} %): "
                  + ", ".join(f"{part} {figures[part]:,}" for part in PARTS))
            return figures
    check(False, f"{what}: resident {figures['resident']}, the kernel counts {low} to {high}, at least {least} wanted")


@contextlib.contextmanager
def at_work(load):
    """Somebody keeps the process busy meanwhile."""
    over, begun = threading.Event(), threading.Event()

    def work():
        while not over.is_set():
            load()
            begun.set()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        check(begun.wait(60), "the load does not begin")
        yield
    finally:
        over.set()
        worker.join()


def redis(directory):
    from redis import Client
    port = free_port()
    command = [need("redis-server", "redis-server"), "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", directory]
    with server(command, port, directory) as process:
        client = Client(port)
        compare(process.pid, "redis, just started", 1 << 20)
        client.ask_many([("SET", f"key:{i}", "v" * (50 + i % 300)) for i in range(200_000)])
        full = compare(process.pid, "redis, filled", 40 << 20)
        check(full["live"] > 0.8 * full["resident"], f"redis, filled: little is live: {full}")
        with at_work(lambda: client.ask_many([("SET", f"key:{i}", "w" * (50 + i % 700)) for i in range(0, 20_000, 2)])):
            compare(process.pid, "redis, at work", 40 << 20)
        client.ask_many([("DEL", f"key:{i}") for i in range(200_000) if i % 8])
        compare(process.pid, "redis, an eighth left, at once", 8 << 20)
        sparse = compare_at_rest(process.pid, "redis, an eighth left, at rest")
        check(sparse["pinned"] > 0 and sparse["pinned"] <= sparse["slack"], f"redis, sparse: nothing is pinned: {sparse}")
        client.ask("FLUSHALL")
        compare(process.pid, "redis, flushed, at once", 1 << 20)
        compare_at_rest(process.pid, "redis, flushed, at rest", 1 << 20)


def compare_at_rest(pid, what, least=2 << 20):
    time.sleep(1.5)
    return compare(pid, what, least)


def memcached(directory):
    from memcached import Client
    port = free_port()
    command = [need("memcached", "memcached"), "-l", "127.0.0.1", "-p", port, "-U", 0, "-u", "root", "-t", 4, "-m", 512]
    with server(command, port, directory) as process:
        clients = [Client(port) for _ in range(8)]
        compare(process.pid, "memcached, just started", 1 << 19)
        for i in range(30_000):
            clients[i % 8].store("set", f"key{i}", b"v" * (i % 3000))
        compare(process.pid, "memcached, filled", 30 << 20)
        with at_work(lambda: [clients[i % 8].store("set", f"more{i}", b"w" * (i % 5000)) for i in range(1000)]):
            compare(process.pid, "memcached, at work", 30 << 20)
        clients[0].socket.sendall(b"flush_all\r\n")
        check(clients[0].input.readline() == b"OK\r\n", "flush_all")
        compare_at_rest(process.pid, "memcached, flushed, at rest", 30 << 20)


def python3():
    body = ("kept = [str(i) * 20 for i in range(200_000)]\n"
            "gone = [bytes(i % 5000) for i in range(100_000)]\n"
            "big = bytearray(20_000_000)\n"
            "del gone[::2]\n")
    with python("", PYTHONMALLOC="malloc") as process:
        compare(process.pid, "python3, just started", 1 << 20)
    works = "import threading\ndef work():\n while True:\n  some = [bytes(i % 3000) for i in range(20_000)]\nthreading.Thread(target=work, daemon=True).start()\n"
    with python(body + works, PYTHONMALLOC="malloc") as process:
        compare(process.pid, "python3, at work", 100 << 20)
    with python(body, PYTHONMALLOC="malloc") as process:
        compare(process.pid, "python3, half freed, at once", 100 << 20)
        figures = compare_at_rest(process.pid, "python3, at rest")
        check(figures["allocated"] >= figures["live"], f"python3: more is live than allocated: {figures}")
    with python(body + "del kept[:], gone[:], big\n", PYTHONMALLOC="malloc") as process:
        compare_at_rest(process.pid, "python3, all freed, at rest", 1 << 20)


def what_is_only_read():
    """Pages that were never written to are all one page of zeros, which the kernel does not count.  Before Linux 6.7 it can not
    be told from others."""
    if tuple(map(int, os.uname().release.split("-")[0].split(".")[:2])) < (6, 7):
        print("SKIPPED: pages that are only read can not be told from others before Linux 6.7")
        return
    body = ("import ctypes\ncalloc = ctypes.CDLL(None).calloc\ncalloc.restype = ctypes.c_void_p\n"
            "block = calloc(1, 40 << 20)\nfor at in range(0, 40 << 20, 4096): ctypes.string_at(block + at, 1)\n")
    with python(body, PYTHONMALLOC="malloc") as process:
        compare(process.pid, "python3, 40 MiB that are only read", 1 << 20)


def main():
    import sys
    from pathlib import Path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "preload" / "programs"))
    python3()
    what_is_only_read()
    with scratch() as directory:
        redis(directory)
        memcached(directory)


main()
