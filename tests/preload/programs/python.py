"""python3 with PYTHONMALLOC=malloc: a small mixed program prints what it prints without the preload; subinterpreter-free modules
of C (json, re, sqlite3, ctypes, multiprocessing) load and work."""
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from preload import check, environment, run, run_plain, skip

PYTHON = "/usr/bin/python3"
PROGRAM = r"""
import concurrent.futures, ctypes, decimal, hashlib, json, multiprocessing, random, re, threading, zlib
random.seed(1)
tree = {str(i): [random.random() for _ in range(i % 50)] for i in range(5000)}
text = json.dumps(tree)
assert json.loads(text) == tree
print(hashlib.sha256(text.encode()).hexdigest(), len(re.findall(r"0\.1\d+", text)))
print(zlib.crc32(zlib.decompress(zlib.compress(text.encode()))), decimal.Decimal(2) ** 80 % 1000003)
def work(n):
    words = [str(random.Random(n).getrandbits(200 + i % 900)) for i in range(3000)]
    return len("".join(sorted(words)))
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    print(list(pool.map(work, range(16))))
with multiprocessing.get_context("fork").Pool(2) as pool:
    print(pool.map(work, range(8)))
buffers = [ctypes.create_string_buffer(i * 1000) for i in range(500)]
print(sum(ctypes.sizeof(b) for b in buffers))
"""


def main():
    if not os.path.exists(PYTHON):
        skip(f"{PYTHON} is not installed: apt-get install python3")
    want = run_plain([PYTHON, "-c", PROGRAM])
    check(len(want.splitlines()) == 5, "the program does not work without the preload")
    check(run([PYTHON, "-c", PROGRAM], env=environment(PYTHONMALLOC="malloc")) == want, "python3 prints something else")
    check(run([PYTHON, "-c", PROGRAM]) == want, "python3 prints something else with its own small-object allocator")


main()
