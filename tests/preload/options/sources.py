"""/etc/arca.conf, arca_conf, ARCA_CONF, ARCA_<KEY>: the later wins and is named as the source; with more rights than its
user (AT_SECURE) a program takes its own only."""
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from preload import check, environment, linked, need_library, scratch, skip

INCLUDE = HERE.parents[2] / "include"
NOBODY = 65534
NAMES = ["purge", "cache", "sweep", "lazy", "stats_file"]
FILE = "# of the administrator\npurge = 1s\ncache=1k\nsweep=on\nlazy=on\n"
DEFAULTS = ["purge=700ms default", "cache=16k default", "sweep=on default", "lazy=off default", "stats_file= default"]
OF_FILE = ["purge=1s /etc/arca.conf:2", "cache=1k /etc/arca.conf:3", "sweep=on /etc/arca.conf:4", "lazy=on /etc/arca.conf:5",
           "stats_file= default"]
OF_PROGRAM = ["purge=2s arca_conf", "cache=2k arca_conf", "sweep=off arca_conf"]
ENVIRONMENT = {"ARCA_CONF": "purge=3s,cache=3k,stats_file=/tmp/%p", "ARCA_PURGE": "4s"}


def make_root(directory):
    """A file system with no more than the program needs; its root is entered, so that /etc is its own."""
    libraries = subprocess.run(["ldd", directory / "program"], capture_output=True, text=True, check=True).stdout
    for path in re.findall(r"(/\S*/(?:libc|ld-linux)\S*)", libraries):
        target = directory / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    (directory / "etc").mkdir()


def lines_of(root, user, settings):
    """What the program says of NAMES, and on fd 2."""
    def enter():
        os.chroot(root)
        os.chdir("/")
        os.setgid(user)
        os.setuid(user)
    env = environment(**settings)
    env.pop("LD_PRELOAD", None)
    done = subprocess.run(["/program", *NAMES], env=env, preexec_fn=enter, capture_output=True, text=True, timeout=30)
    check(done.returncode == 0, f"{settings}: status {done.returncode} {done.stderr!r}")
    return done.stdout.splitlines(), done.stderr


def check_order(root):
    conf = root / "etc" / "arca.conf"
    cases = [({}, DEFAULTS, OF_FILE), ({"ARCA_CONF": "purge=3s"}, ["purge=3s ARCA_CONF", *DEFAULTS[1:]], ["purge=3s ARCA_CONF", *OF_FILE[1:]]),
             (ENVIRONMENT, ["purge=4s ARCA_PURGE", "cache=3k ARCA_CONF", *DEFAULTS[2:4], "stats_file=/tmp/%p ARCA_CONF"],
              ["purge=4s ARCA_PURGE", "cache=3k ARCA_CONF", *OF_FILE[2:4], "stats_file=/tmp/%p ARCA_CONF"])]
    for settings, without, with_file in cases:
        conf.unlink(missing_ok=True)
        check(lines_of(root, NOBODY, settings) == (without, ""), f"{settings}: {lines_of(root, NOBODY, settings)}")
        conf.write_text(FILE)
        check(lines_of(root, NOBODY, settings) == (with_file, ""), f"{settings} and a file: {lines_of(root, NOBODY, settings)}")


def check_own(root):
    """The program's own settings beat the file and are beaten by the environment."""
    check(lines_of(root, NOBODY, {})[0] == OF_PROGRAM + OF_FILE[3:], f"arca_conf: {lines_of(root, NOBODY, {})}")
    said = lines_of(root, NOBODY, ENVIRONMENT)[0]
    check(said[:3] == ["purge=4s ARCA_PURGE", "cache=3k ARCA_CONF", OF_PROGRAM[2]], f"arca_conf and the environment: {said}")


def check_secure(root):
    program = root / "program"
    program.chmod(0o755 | stat.S_ISUID)
    if os.statvfs(root).f_flag & os.ST_NOSUID:
        skip("/tmp is mounted nosuid: mount it without, or run on another machine")
    said = lines_of(root, NOBODY, dict(ENVIRONMENT, ARCA_PRUGE="1", MALLOC_ARENA_MAX="2"))
    check(said == (OF_PROGRAM + DEFAULTS[3:], ""), f"set-user-id: {said}")
    said = lines_of(root, 0, ENVIRONMENT)[0]
    check(said[0] == "purge=4s ARCA_PURGE", f"run by its owner it has no more rights than he: {said}")


def check_others_file(root):
    conf = root / "etc" / "arca.conf"
    os.chown(conf, NOBODY, NOBODY)
    out, err = lines_of(root, NOBODY, {})
    check(out == DEFAULTS and err == "arca: /etc/arca.conf: not a regular file that root alone can write; ignored\n", f"{out} {err!r}")


def main():
    need_library()
    if os.getuid() != 0:
        skip("needs root, to have an /etc of its own: run it with sudo")
    with scratch() as root:
        linked(root, HERE / "who.c", f"-I{INCLUDE}")
        make_root(root)
        check_order(root)
        check_others_file(root)
    with scratch() as root:
        linked(root, HERE / "who.c", f"-I{INCLUDE}", "-DCONF")
        make_root(root)
        (root / "etc" / "arca.conf").write_text(FILE)
        check_own(root)
        check_secure(root)


main()
