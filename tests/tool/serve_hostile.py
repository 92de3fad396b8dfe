#!/usr/bin/python3
"""arca serve beside processes that mean ill and clients that do nothing: the others are answered, and who is left out is told."""
import contextlib
import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

from serving import ask, families, serving, values
from tool import check, compiled, eventually, program, python

SLOW = {"heap-ring", "chunk-ring", "trap"}
KINDS = [*sorted(SLOW), "arena-ring", "layout", "nowhere", "wide-arena", "huge-arena", "wild-spans", "noise", "mappings"]
CLIENTS = 100  # more than are kept


def left_out(text):
    return {int(sample.labels["pid"]): sample.labels["reason"] for family in families(text) for sample in family.samples
            if sample.name == "arca_left_out"}


def a_trap():
    """False where nobody may set one."""
    child = subprocess.Popen([compiled("hostile.c", "hostile", "-rdynamic"), "trap"], stdout=subprocess.PIPE, text=True)
    try:
        return child.stdout.readline().strip() == "ready"
    finally:
        child.kill()
        child.wait()


def beside_processes_that_mean_ill():
    binary = compiled("hostile.c", "hostile", "-rdynamic")
    trap = a_trap()
    if not trap:
        print("     SKIPPED a process with a trap: userfaultfd is not allowed here (vm.unprivileged_userfaultfd, or root)")
    kinds = [kind for kind in KINDS if kind != "trap" or trap]
    with serving() as port, python("") as honest, python("") as stopped, contextlib.ExitStack() as stack:
        os.kill(stopped.pid, signal.SIGSTOP)

        def scrape():
            text = ask(port)[1]
            seen = values(text, "arca_live_bytes")
            check(str(honest.pid) in seen and str(stopped.pid) in seen, f"an honest process, and one that is stopped, are not in {seen}")
            check(honest.pid not in left_out(text), "an honest process is left out")
            return left_out(text)

        scrape()
        pids = {kind: stack.enter_context(program([binary, kind], preload=False)).pid for kind in kinds}
        told = {}

        def all_are_told():
            told.update(scrape())
            return all(pids[kind] in told for kind in kinds if kind in SLOW | {"arena-ring", "layout", "nowhere"})

        eventually(all_are_told, lambda: f"left out: {told}, want {pids}", seconds=60)
        for kind in SLOW & set(kinds):
            check("takes too long" in told[pids[kind]], f"{kind}: {told[pids[kind]]}")
        check("twice" in told[pids["arena-ring"]], f"arena-ring: {told[pids['arena-ring']]}")
        check("another version" in told[pids["layout"]], f"layout: {told[pids['layout']]}")
        for _ in range(3):
            check(pids[sorted(SLOW)[0]] in scrape(), "a process that is left alone is told no more")


def beside_one_of_another_version():
    """Its mappings are gone through once, not at each look."""
    binary = compiled("hostile.c", "hostile", "-rdynamic")
    with serving() as port, program([binary, "layout"], preload=False) as process:
        eventually(lambda: process.pid in left_out(ask(port)[1]), "one of another version is not told")
        search = len(Path(f"/proc/{process.pid}/maps").read_bytes())
        looker = children(server_of(port))[0]
        before = bytes_read(looker)
        for _ in range(10):
            check("another version" in left_out(ask(port)[1]).get(process.pid, ""), "one of another version is told no more")
        check(bytes_read(looker) - before < search, f"ten looks read {bytes_read(looker) - before} bytes, the mappings are {search}")


def beside_processes_that_vanish():
    over, ours = threading.Event(), set()

    def come_and_go():
        while not over.is_set():
            with python("") as process:
                ours.add(process.pid)

    with serving() as port, python("") as honest:
        thread = threading.Thread(target=come_and_go)
        thread.start()
        try:
            for _ in range(100):
                text = ask(port)[1]
                check(str(honest.pid) in values(text, "arca_live_bytes"), "an honest process is not seen")
                told = {pid: reason for pid, reason in left_out(text).items() if pid in ours}
                check(not told, f"what has ended is not left out: {told}")
        finally:
            over.set()
            thread.join()


def when_the_looker_is_gone():
    with serving() as port, python("") as honest:
        ask(port)
        for child in children(server_of(port)):
            os.kill(child, signal.SIGKILL)
        eventually(lambda: str(honest.pid) in values(ask(port)[1], "arca_live_bytes"), "nobody looks at processes any more")


def server_of(port):
    return next(int(path.name) for path in Path("/proc").glob("[0-9]*") if f"127.0.0.1:{port}" in cmdline(path) and children(path.name))


def bytes_read(pid):
    return int(Path(f"/proc/{pid}/io").read_text().split()[1])


def cmdline(path):
    with contextlib.suppress(OSError):
        return (path / "cmdline").read_text()
    return ""


def children(pid):
    with contextlib.suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def beside_clients_that_do_nothing():
    """One after the other they would take minutes."""
    with serving() as port, contextlib.ExitStack() as stack:
        for i in range(CLIENTS):
            silent = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            if i % 2:
                silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
                silent.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")  # and does not read
            else:
                silent.sendall(b"GET ")
            if i % 10 == 0:
                check(ask(port, timeout=20)[0].status == 200, f"beside {i} clients that do nothing")


beside_processes_that_mean_ill()
beside_one_of_another_version()
beside_processes_that_vanish()
when_the_looker_is_gone()
beside_clients_that_do_nothing()
