"""Counts facts, prints the false ones, and ends with the line that tests/run adds up."""
import sys

_passed = 0
_failed = 0


def check(fact, message):
    """Notes whether a fact holds; message says what is wrong when it does not."""
    global _passed, _failed
    if fact:
        _passed += 1
    else:
        _failed += 1
        print(f"[FAIL] {message}")
    return fact


def finish():
    check(_passed + _failed > 0, "nothing was examined")
    print(f"{_passed} passed, {_failed} failed")
    sys.exit(1 if _failed else 0)
