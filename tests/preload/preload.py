"""Shared by the Python tests: starting real programs under the preload, and ending with a verdict."""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LIB = os.environ.get("PRELOAD_LIB", "")
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def fail(message):
    print(message)
    sys.exit(1)


def skip(message):
    print(message)
    sys.exit(77)


def check(condition, message):
    if not condition:
        fail(message)


def need(program, package):
    """The path of an installed program."""
    path = shutil.which(program, path=PATH)
    if path is None:
        skip(f"{program} is not installed: apt-get install {package}")
    return path


def need_library():
    """For the tests of the library's own options and messages."""
    if not LIB:
        skip("no library given: cmake --preset release && cmake --build --preset release")


def environment(**more):
    """The environment without settings of the library, with the preload."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("ARCA_")}
    env.update({"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": os.environ.get("HOME", "/tmp"), **more})
    if LIB:
        env["LD_PRELOAD"] = LIB
    return env


def complain_of(stderr, what):
    lines = [line for line in stderr.splitlines() if line.startswith("arca:") or "ld.so" in line]
    check(not lines, f"{what}: {lines[:1]}")


def run(command, ok=True, timeout=150, **more):
    """Runs a program to its end under the preload; its standard output. The library must have nothing to say."""
    env = more.pop("env", None) or environment()
    done = subprocess.run([str(word) for word in command], env=env, stdin=more.pop("stdin", subprocess.DEVNULL),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", timeout=timeout, **more)
    complain_of(done.stderr, Path(command[0]).name)
    if ok and done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()
        fail(f"{' '.join(' '.join(map(str, command)).split())[:100]}: status {done.returncode}: {said[-1] if said else ''}")
    return done.stdout


def run_plain(command, **more):
    """The same without the preload: what the answer should be."""
    env = environment()
    env.pop("LD_PRELOAD", None)
    return run(command, env=env, **more)


def linked(directory, source, *flags):
    """A program with the library as its dependency, both in one directory that everybody can reach; it may become the root."""
    compiler, readelf = need("cc", "gcc"), need("readelf", "binutils")
    directory.chmod(0o755)
    dynamic = subprocess.run([readelf, "-d", LIB], capture_output=True, text=True, check=True).stdout
    soname = re.search(r"SONAME.*\[(.*)\]", dynamic)
    copy = directory / (soname.group(1) if soname else Path(LIB).name)
    shutil.copy(LIB, copy)
    copy.chmod(0o755)
    program = directory / "program"
    subprocess.run([compiler, "-O1", "-fno-builtin", *flags, "-o", program, source, "-Wl,--no-as-needed", copy,
                    f"-Wl,-rpath,{directory}:/"], check=True)
    return program


@contextlib.contextmanager
def scratch():
    """A directory of its own; short, since it holds sockets."""
    with tempfile.TemporaryDirectory(prefix="preload-", dir="/tmp") as name:
        yield Path(name)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def server(command, port, directory, **settings):
    """A server in the foreground, waited for until it accepts connections, and killed with its children whatever happens."""
    log = directory / "server.log"
    with open(log, "w") as output:
        process = subprocess.Popen([str(word) for word in command], env=environment(**settings), cwd=directory, stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=output, start_new_session=True)
        try:
            wait_for_port(port, process, log)
            yield process
            check(process.poll() is None, f"the server died: {tail(log)}")
            complain_of(log.read_text(errors="replace"), Path(command[0]).name)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def tail(log):
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "(it said nothing)"


def wait_for_port(port, process, log):
    for _ in range(300):
        check(process.poll() is None, f"the server did not start: {tail(log)}")
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
    fail("the server accepts no connection")


def resident_mib(pid):
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Rss:\s+(\d+)", text, re.M).group(1)) / 1024


def uses_library(pid):
    """Whether the process really has the library (a set-user-id or static program would not)."""
    return not LIB or LIB in Path(f"/proc/{pid}/maps").read_text()
