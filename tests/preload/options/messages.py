"""ARCA_CONF and ARCA_<KEY>: good values are taken silently, a bad value or an unknown key prints one line, and later wins."""
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from preload import check, environment, fail, need, need_library, scratch

BAD_DURATION = r"arca: ARCA_CONF: purge=abc: not a duration \(want 500ms, 10s, never\); using \S+"
UNKNOWN_KEY = r"arca: ARCA_CONF: unknown key 'pruge' \(did you mean 'purge'\?\)"

# Settings, and the lines expected on stderr, in this order and no others.
CASES = [
    ({}, []),
    ({"ARCA_CONF": ""}, []),
    ({"ARCA_CONF": "purge=2s"}, []),
    ({"ARCA_CONF": "purge=500ms"}, []),
    ({"ARCA_CONF": "purge=never"}, []),
    ({"ARCA_PURGE": "2s"}, []),
    ({"ARCA_CONF": "purge=abc"}, [BAD_DURATION]),
    ({"ARCA_CONF": "pruge=1s"}, [UNKNOWN_KEY]),
    ({"ARCA_PURGE": "abc"}, [r"arca: ARCA_PURGE: purge=abc: not a duration \(want 500ms, 10s, never\); using \S+"]),
    ({"ARCA_CONF": "pruge=1s,purge=abc"}, [UNKNOWN_KEY, BAD_DURATION]),
    ({"ARCA_CONF": "purge=1s,purge=abc"}, [BAD_DURATION]),
    ({"ARCA_CONF": "purge=abc", "ARCA_PURGE": "2s"}, [BAD_DURATION]),
    ({"ARCA_CONF": "zzzzzzzzzz=1"}, [r"arca: ARCA_CONF: unknown key 'zzzzzzzzzz'.*"]),
    ({"ARCA_CONF": "purge"}, [r"arca: ARCA_CONF: .*purge.*"]),
]


def stderr_of(program, settings):
    done = subprocess.run([program], env=environment(**settings), capture_output=True, text=True, timeout=30)
    check(done.returncode == 0 and done.stdout == "ran secure=0\n", f"{settings}: status {done.returncode}, {done.stdout!r}")
    return done.stderr.splitlines()


def main():
    need_library()
    compiler = need("cc", "gcc")
    with scratch() as directory:
        program = directory / "program"
        subprocess.run([compiler, "-O1", "-fno-builtin", "-o", program, HERE / "program.c"], check=True)
        for settings, patterns in CASES:
            lines = stderr_of(program, settings)
            if len(lines) != len(patterns) or not all(map(re.fullmatch, patterns, lines)):
                fail(f"{settings}: want {patterns}, got {lines}")


main()
