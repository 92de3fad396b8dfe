"""ARCA_CONF and ARCA_<KEY>: good values are taken silently, a bad value or an unknown key prints one line, and later wins."""
import json
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
    ({"MALLOC_ARENA_MAX": "2", "MALLOC_CONF": "narenas:1"}, [r"arca: ignored, as settings of another malloc: MALLOC_\w+, MALLOC_\w+ .*"]),
    ({"MALLOC_ARENA_MAX": "2", "ARCA_VERBOSE": "quiet"}, []),
    ({"GLIBC_TUNABLES": "glibc.rtld.nns=4"}, []),
]


def stderr_of(program, settings):
    done = subprocess.run([program], env=environment(**settings), capture_output=True, text=True, timeout=30)
    check(done.returncode == 0 and done.stdout == "ran secure=0\n", f"{settings}: status {done.returncode}, {done.stdout!r}")
    return done.stderr.splitlines()


def check_statistics(program, directory):
    """At exit, on fd 2 or in a file of the process' own."""
    check(any(line.startswith("arca: live ") for line in stderr_of(program, {"ARCA_STATS": "text"})), "stats=text prints nothing")
    check(json.loads(stderr_of(program, {"ARCA_STATS": "json"})[0])["live"] > 0, "stats=json is no JSON object with figures")
    check(stderr_of(program, {"ARCA_CONF": f"stats=json,stats_file={directory}/%p.json"}) == [], "stats_file leaves something on fd 2")
    files = list(directory.glob("*.json"))
    check(len(files) == 1 and json.loads(files[0].read_text())["pid"] == int(files[0].stem), f"stats_file made {files}")
    lines = stderr_of(program, {"ARCA_CONF": "stats=json,stats_file=/nowhere/x"})
    check(re.fullmatch(r"arca: stats_file=/nowhere/x: can not be written: No such file or directory; using fd 2", lines[0]), f"an impossible file: {lines[0]}")
    check(json.loads(lines[1]), "an impossible file, and nothing on fd 2")
    link = directory / "link"
    link.symlink_to(directory / "target")
    stderr_of(program, {"ARCA_CONF": f"stats=json,stats_file={link}"})
    check(not (directory / "target").exists(), "stats_file follows a link")


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
        check_statistics(program, directory)


main()
