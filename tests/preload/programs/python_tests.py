"""python3 with PYTHONMALLOC=malloc: a selection of its own test modules, the ones that allocate, share, thread and fork."""
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from preload import check, environment, run, scratch, skip

PYTHON = "/usr/bin/python3"
MODULES = ["test_gc", "test_json", "test_list", "test_dict", "test_set", "test_bytes", "test_weakref", "test_threading",
           "test_thread", "test_fork1", "test_array", "test_deque", "test_memoryview", "test_queue", "test_zlib", "test_struct"]


def main():
    if not os.path.exists(PYTHON):
        skip(f"{PYTHON} is not installed: apt-get install python3")
    version = run([PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).strip()
    if not os.path.exists(f"/usr/lib/python{version}/test/test_gc.py"):
        skip(f"python3's test modules are not installed: apt-get install libpython{version}-testsuite")
    with scratch() as directory:
        # One of them interrupts itself, which a command in the background of a shell does not notice.
        output = run(["env", "--default-signal=INT", PYTHON, "-m", "test", "-W", "--timeout", 100, "--tempdir", directory, *MODULES], cwd=directory, timeout=170,
                     env=environment(PYTHONMALLOC="malloc"), ok=False)
        errors = [line for line in output.splitlines() if line.startswith(("FAIL:", "ERROR:", "Warning --", "Timeout", "test "))]
        check("Tests result: SUCCESS" in output, errors + output.strip().splitlines()[-8:])


main()
