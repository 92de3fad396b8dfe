"""Shared by the tests of the tool: where it is, running it, programs on Arca, and a verdict."""
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("TOOL_BUILD", ROOT / "build" / "release"))
TOOL = BUILD / "arca"
LIB = BUILD / "libarca.so"
os.environ["PRELOAD_LIB"] = str(LIB.resolve())
sys.path.insert(0, str(ROOT / "tests" / "preload"))
from preload import check, environment, fail, free_port, need, scratch, server, skip  # noqa: E402,F401

TIMEOUT_S = 60


def tool(*words, status=0, **more):
    """Runs the tool; (standard output, standard error).  It must end with that status, and never by a signal."""
    done = subprocess.run([TOOL, *map(str, words)], capture_output=True, text=True, timeout=TIMEOUT_S, stdin=subprocess.DEVNULL, **more)
    what = " ".join(map(str, words))
    check(done.returncode == status, f"arca {what}: status {done.returncode}, want {status}: {done.stderr.strip()[:200]}")
    return done.stdout, done.stderr


def complaint(*words, status=1, **more):
    """The one line on stderr with which the tool refuses."""
    out, err = tool(*words, status=status, **more)
    lines = err.splitlines()
    check(out == "" and len(lines) == 1 and lines[0].startswith("arca: "), f"arca {words}: want one line, got {out[:80]!r} {lines[:3]}")
    return lines[0]


@contextlib.contextmanager
def program(command, preload=True, **settings):
    """A program that says `ready` on its standard output, and goes on until it is ended.  preload: or another library's path."""
    env = environment(**settings)
    if not preload:
        env.pop("LD_PRELOAD", None)
    elif preload is not True:
        env["LD_PRELOAD"] = str(preload)
    child = subprocess.Popen(list(map(str, command)), env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        line = child.stdout.readline()
        check(line.strip() == "ready", f"{command[0]}: it says {line!r}")
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, 9)
        child.wait()


def python(body, **settings):
    """A Python program on Arca whose body runs before it is ready."""
    return program(["/usr/bin/python3", "-c", f"import time\n{body}\nprint('ready', flush=True)\ntime.sleep(600)"], **settings)


def compiled(source, name, *flags):
    """A C file of this folder, built once a change."""
    out = ROOT / "build" / "tests-tool" / name
    source = ROOT / "tests" / "tool" / source
    out.parent.mkdir(parents=True, exist_ok=True)
    newest = max(path.stat().st_mtime for path in [source, LIB, *(ROOT / "src").rglob("*.[h]"), *(ROOT / "src").rglob("*.def")])
    if not out.exists() or out.stat().st_mtime < newest:
        done = subprocess.run([os.environ.get("CC", "cc"), "-std=gnu11", "-O1", "-g", "-D_GNU_SOURCE", f"-I{ROOT}/src", f"-I{ROOT}/include",
                               f"-I{ROOT}", "-o", str(out), str(source), *map(str, flags)], capture_output=True, text=True)
        check(done.returncode == 0, f"{source.name}: {done.stderr[:300]}")
    return out


def eventually(fact, message, seconds=20):
    """message: a text, or a function that makes it at the end."""
    end = time.monotonic() + seconds
    while not fact():
        if time.monotonic() >= end:
            fail(message() if callable(message) else message)
        time.sleep(0.05)


@contextlib.contextmanager
def dripping(peer, text=b"x"):
    """A connected peer that says something again and again, and never comes to an end."""
    over = threading.Event()

    def drip():
        with contextlib.suppress(OSError):
            while not over.wait(0.2):
                peer.sendall(text)

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def kernel_resident(pid):
    """What the kernel counts in Arca's mappings: it takes them out of the system's policy of huge pages, and nobody else here
    does; and the memory behind the library's file, which is the page map but for some pages."""
    total = rss = end_of_library = 0
    behind = False
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        if head := re.match(r"([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \S+ *(.*)", line):
            behind = int(head[1], 16) == end_of_library and head[3] == ""
            end_of_library = int(head[2], 16) if "libarca.so" in head[3] else 0
        elif line.startswith("Rss:"):
            rss = int(line.split()[1]) * 1024
        elif line.startswith("VmFlags:") and (behind or " nh" in line):
            total += rss
    return total
