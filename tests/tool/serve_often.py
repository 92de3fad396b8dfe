#!/usr/bin/python3
"""arca serve, asked again and again about a process of many arenas: most of what it tells is from earlier looks, and the sum is
what the kernel counts all the same, whatever the process does in between."""
import re
from pathlib import Path

from serving import ask, families, serving, values
from tool import check, kernel_resident, python

ERROR = 0.02
PARTS = ("live", "slack", "cached", "dirty", "meta")

# Each line that it reads is done, and answered.
BODY = """
import ctypes, sys
libc = ctypes.CDLL(None)
libc.calloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
kept = [bytes(1000 + i % 3000) for i in range(300_000)]
print('ready', flush=True)
for line in sys.stdin:
    exec(line)
    print('done', flush=True)
"""


def ages(text):
    return {sample.labels["pid"]: sample.value for family in families(text) for sample in family.samples if sample.name == "arca_age_seconds"}


def anonymous(pid):
    resident, shared = map(int, Path(f"/proc/{pid}/statm").read_text().split()[1:3])
    return (resident - shared) * 4096


def compare(port, pid, what, beside=0):
    """beside: bytes of the process that are not Arca's."""
    for _ in range(5):
        before = anonymous(pid) - beside
        text = ask(port)[1]
        after = anonymous(pid) - beside
        told = {part: values(text, f"arca_{part}_bytes")[str(pid)] for part in (*PARTS, "resident")}
        check(sum(told[part] for part in PARTS) == told["resident"], f"{what}: the parts are not the whole: {told}")
        if min(before, after) * (1 - ERROR) <= told["resident"] <= max(before, after) * (1 + ERROR):
            return told
    check(False, f"{what}: resident {told['resident']:,.0f}, the kernel counts {before:,} to {after:,}")


def main():
    with serving() as port, python(BODY, PYTHONMALLOC="malloc") as process:
        def do(line):
            process.stdin.write(line + "\n")
            process.stdin.flush()
            check(process.stdout.readline() == "done\n", line)

        beside = anonymous(process.pid) - kernel_resident(process.pid)
        first = compare(port, process.pid, "at first", beside)
        check(first["live"] > 500 << 20, f"little is live: {first}")
        for _ in range(40):
            text = ask(port)[1]
        check(ages(text)[str(process.pid)] > 0, "asked forty times at once it went through everything forty times")
        compare(port, process.pid, "asked often", beside)
        do("block = libc.calloc(1, 400 << 20)")
        compare(port, process.pid, "a block that nobody has touched", beside)
        do("libc.memset(block, 1, 200 << 20)")
        compare(port, process.pid, "half of it", beside)
        do("libc.memset(block, 1, 400 << 20)")
        compare(port, process.pid, "all of it", beside)
        do("libc.free(block)")
        compare(port, process.pid, "none of it", beside)
        do("del kept[::2]")
        compare(port, process.pid, "half of the small ones", beside)
        do("del kept[:]")
        last = compare(port, process.pid, "none of the small ones", beside)
        check(re.search(r"# EOF\n$", ask(port)[1]) and last["live"] < 100 << 20, f"what has gone is live: {last}")


main()
