#!/usr/bin/env python3
"""Programs of the tests under valgrind's memcheck: no error, and none by Arca's ways with threads and memory.

Usage: memcheck.py BUILD_DIR
"""
import shutil
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
SOAK_SECONDS = "3"
FAULT = 9


def programs(build):
    yield [build / "soak" / "soak", SOAK_SECONDS, "1"]
    for target in sorted((TESTS / "fuzz" / "corpus").iterdir()):
        yield [build / "fuzz" / target.name, target]


def main():
    commands = list(programs(Path(sys.argv[1]).resolve() / "tests"))
    if not shutil.which("valgrind"):
        print("SKIPPED: valgrind is not installed: apt-get install valgrind")
        print(f"0 passed, 0 failed, {len(commands)} skipped")
        return 0
    failed = 0
    for command in commands:
        done = subprocess.run(["valgrind", "-q", f"--error-exitcode={FAULT}", *command], capture_output=True, text=True,
                              errors="replace")
        if done.returncode != 0:
            failed += 1
            print(f"FAIL {command[0].name}: status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-3000:]}")
    print(f"{len(commands) - failed} passed, {failed} failed")
    return failed != 0


sys.exit(main())
