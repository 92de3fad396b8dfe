"""A set-user-id program linked with the library ignores the library's environment (AT_SECURE); run plainly it does not."""
import os
import stat
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from preload import check, environment, linked, need_library, scratch, skip

NOBODY = 65534


def run_as_nobody(program):
    env = environment(ARCA_CONF="purge=abc,pruge=1s", ARCA_PURGE="xyz")
    env.pop("LD_PRELOAD", None)
    return subprocess.run([program], env=env, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True, timeout=30)


def main():
    need_library()
    if os.getuid() != 0:
        skip("needs root, to make a set-user-id program: run it with sudo")
    with scratch() as directory:
        program = linked(directory, HERE / "program.c")
        plain = run_as_nobody(program)
        check(plain.stdout == "ran secure=0\n", f"run plainly: {plain.stdout!r} {plain.stderr!r}")
        check(plain.stderr.count("arca: ") == 3, f"run plainly it should complain three times: {plain.stderr!r}")
        program.chmod(0o755 | stat.S_ISUID)
        secure = run_as_nobody(program)
        if secure.stdout == "ran secure=0\n":
            skip("/tmp is mounted nosuid: mount it without, or run on another machine")
        check(secure.stdout == "ran secure=1\n", f"set-user-id: {secure.stdout!r} {secure.stderr!r}")
        check(secure.stderr == "", f"set-user-id, it should be silent: {secure.stderr!r}")


main()
