"""Counts facts, prints the false ones and what could not be looked at, and ends with the line that tests/run adds up."""
import shutil
import sys

_passed = 0
_failed = 0
_skipped = 0


def check(fact, message):
    """Notes whether a fact holds; message says what is wrong when it does not."""
    global _passed, _failed
    if fact:
        _passed += 1
    else:
        _failed += 1
        print(f"[FAIL] {message}")
    return fact


def skip(message):
    """Notes that something could not be looked at; message says why, and how it can be."""
    global _skipped
    _skipped += 1
    print(f"[SKIP] {message}")


def have(program, package):
    """Whether a program is installed; else that is noted as skipped."""
    if shutil.which(program) is None:
        skip(f"{program} is not installed: apt-get install {package}")
    return shutil.which(program) is not None


def finish():
    check(_passed + _failed + _skipped > 0, "nothing was examined")
    print(f"{_passed} passed, {_failed} failed, {_skipped} skipped")
    sys.exit(1 if _failed else 0)
