#!/usr/bin/python3
"""arca trim, arca gc and arca prof: the control socket, who may use it, what it survives; without the option there is none."""
import os
import re
import select
import socket
import stat
import subprocess
import time
from pathlib import Path

from tool import BUILD, check, complaint, compiled, dripping, environment, eventually, need, program, python, scratch, skip, tool

GARBAGE = "gone = [bytes(2000) for _ in range(20_000)]\ndel gone\n"


def listens(path):
    def asks():
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(str(path))
            return True
        except OSError:
            return False
    eventually(asks, f"nobody listens at {path}")


def row(text, name):
    match = re.search(rf"^{name} +(\d+) +(\d+) +([+-]\d+)$", text, re.M)
    check(match, f"no row {name} in {text}")
    before, after, difference = map(int, match.groups())
    check(after - before == difference, f"{name}: {text}")
    return before, after


def trims(directory):
    with python(GARBAGE, ARCA_CONF=f"control={directory}/%p,purge=never") as process:
        path = directory / str(process.pid)
        listens(path)
        check(stat.S_IMODE(path.stat().st_mode) == 0o600, f"its mode is {oct(path.stat().st_mode)}")
        text, _ = tool("trim", process.pid)
        before, after = row(text, "resident")
        check(before - after > 20 << 20, f"little was given back: {text}")
        check(row(text, "dirty")[1] < 1 << 20, f"something is left: {text}")
        os.kill(process.pid, 19)
        os.waitpid(process.pid, os.WUNTRACED)
        check(f"is stopped, and can not answer before it goes on (kill -CONT {process.pid})" in complaint("trim", process.pid), "a stopped process")
        os.kill(process.pid, 18)
        process.stdin.close()
        os.kill(process.pid, 15)
        process.wait()
        check(subprocess.run([BUILD / "arca", "trim", str(process.pid)], capture_output=True).returncode == 1, "trim of a process that has ended")


def speaks(path, request):
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(20)
        try:
            peer.connect(str(path))
            peer.sendall(request)
            return peer.makefile().read()
        except ConnectionError:  # it did not read all
            return ""


def requests(directory):
    with python("", ARCA_CONF=f"control={directory}/%p") as process:
        path = directory / str(process.pid)
        listens(path)
        check(re.fullmatch(r"ok \d+\n", speaks(path, b"trim\n")), "trim")
        check(speaks(path, b"frob x\n").startswith("error "), "an unknown request")
        check(speaks(path, b"gc\n") == "error libarcagc is not loaded\n", "gc without libarcagc")
        check("libarcagc is not loaded" in complaint("gc", process.pid), "arca gc without libarcagc")
        check(speaks(path, b"x" * 5000) == "", "a line without an end")
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(str(path))
            check(speaks(path, b"trim\n").startswith("ok"), "beside a peer that says nothing")
        with socket.socket(socket.AF_UNIX) as slow:
            slow.connect(str(path))
            with dripping(slow):
                check(speaks(path, b"trim\n").startswith("ok"), "beside a peer that speaks slowly")


def asks_as_nobody(directory, path, *requests):
    """What a process of another user is answered, though it may open the path."""
    path.chmod(0o666)
    directory.chmod(0o755)
    asks = f"""import socket
for request in {requests}:
    with socket.socket(socket.AF_UNIX) as s:
        s.connect('{path}'); s.sendall(request); print(s.recv(100))
"""
    return subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", "/usr/bin/python3", "-c", asks], capture_output=True, text=True)


def refuses_others(directory):
    with python("", ARCA_CONF=f"control={directory}/%p") as process:
        path = directory / str(process.pid)
        listens(path)
        done = asks_as_nobody(directory, path, b"trim\n")
        check("b'ok" not in done.stdout, f"another user was answered: {done}")


def follows_its_user(directory):
    """A server that gives root up: its new user is welcome, and nothing is written as root for him."""
    with python("import os\nos.setgroups([])\nos.setgid(65534)\nos.setuid(65534)", ARCA_CONF=f"control={directory}/%p,profile=64k") as process:
        path = directory / str(process.pid)
        listens(path)
        done = asks_as_nobody(directory, path, b"trim\n", f"prof live {directory}/mine\n".encode())
        check("b'ok" in done.stdout, f"its own user is not answered: {done}")
        check("changed its user" in done.stdout and not (directory / "mine").exists(), f"a file was written as root: {done}")


def stays(directory):
    """Through a fork, and through a program that closes what it does not know."""
    body = "import os\nos.closerange(3, 5000)\n"
    with python(body, ARCA_CONF=f"control={directory}/%p") as process:
        path = directory / str(process.pid)
        listens(path)
        eventually(lambda: path.exists() and speaks(path, b"trim\n").startswith("ok"), "after all descriptors were closed")
    body = "import os\nchild = os.fork()\nif child == 0:\n    kept = [bytes(2000) for _ in range(20_000)]\n    time.sleep(600)\nopen('%s/child', 'w').write(str(child))" % directory
    for more in ("", ",purge=never"):
        with python(body, ARCA_CONF=f"control={directory}/%p{more}") as process:
            child = int((directory / "child").read_text())
            listens(directory / str(child))
            eventually(lambda: row(tool("trim", child)[0], "live")[1] > 20 << 20, "the child")
            check(row(tool("trim", process.pid)[0], "live")[1] < 20 << 20, "the parent")


def says_of(path):
    """What a program says of a path that it can not listen at."""
    with subprocess.Popen(["/usr/bin/python3", "-c", "input()"], env=environment(ARCA_CONF=f"control={path}"), text=True,
                          stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        said = process.stderr.readline() if select.select([process.stderr], [], [], 30)[0] else ""
        process.stdin.write("\n")
    return said


def follows_its_root(directory):
    """A server that locks itself into a folder: the socket is where it was when it was bound."""
    inside = directory / "inside"
    inside.mkdir()
    body = f"import os\nwhile not os.path.exists('{directory}/%d' % os.getpid()): time.sleep(0.01)\nos.chroot('{inside}')"
    with python(body, ARCA_CONF=f"control={directory}/%p") as process:
        listens(directory / str(process.pid))
        check(row(tool("trim", process.pid)[0], "resident")[0] > 0, "a process that has changed its root")


def stale_and_taken(directory):
    taken = directory / "one"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(taken))  # and nobody listens
    with python("", ARCA_CONF=f"control={taken}") as process:
        listens(taken)
        check(row(tool("trim", process.pid)[0], "resident")[0] > 0, "where a socket was left behind")
        check(f"can not listen at {taken}: another process does" in says_of(taken), "a path that is taken")
        with python("", ARCA_CONF=f"control={taken}") as second:
            check(f"{taken} is the socket of process {process.pid}, not of {second.pid}" in complaint("trim", second.pid), "a path that is taken")
    file = directory / "file"
    file.write_text("keep")
    check(f"can not listen at {file}: there is something else" in says_of(f"{directory}/file"), "a file")
    check(file.read_text() == "keep", "a file was replaced")
    check(re.search(r"^arca: control=/nowhere/%p: can not listen at /nowhere/\d+: No such file or directory$", says_of("/nowhere/%p"), re.M), "no folder")
    check("can not listen at here: this is no absolute path" in says_of("here"), "no absolute path")


def refusals():
    with python("") as process:
        check("has no control socket" in complaint("trim", process.pid), "without the option")
        check(not any("socket:" in os.readlink(link) for link in Path(f"/proc/{process.pid}/fd").iterdir()), "a socket without the option")
        check("no file (want: arca prof PID FILE" in complaint("prof", process.pid, status=2), "prof without a file")
        for words, said in ((["--peak"], "no file"), (["file", "more"], "'more' is one word too many"), (["--peek"], "'--peek' is no option"),
                            ([""], "'' is no path that can be sent")):
            check(said in complaint("prof", process.pid, *words, status=2), f"prof {words}")
        for command in ("trim", "gc", "doctor"):
            check("'more' is one word too many" in complaint(command, process.pid, "more", status=2), command)
    for command in ("trim", "gc", "prof", "doctor"):
        check("no process" in complaint(command, status=2), command)
        check("'x' is no process" in complaint(command, "x", status=2), command)


def profiles(directory):
    body = "kept = [bytes(2000) for _ in range(20_000)]\ngone = [bytes(2000) for _ in range(20_000)]\ndel gone"
    with python(body, ARCA_CONF=f"control={directory}/%p,profile=64k") as process:
        listens(directory / str(process.pid))
        said, _ = tool("prof", process.pid, "now", cwd=directory)
        check(str(directory / "now") in said, f"prof: {said}")
        tool("prof", "--peak", process.pid, directory / "most")
        live, peak = (int(re.match(r"heap profile: +\d+: +(\d+) \[.*\] @ heap_v2/65536\n", (directory / name).read_text())[1])
                      for name in ("now", "most"))
        check(live > 1 << 19 and peak > live * 5 // 4, f"{live} bytes now, {peak} at the peak")
        check("can not write the file: No such file or directory" in complaint("prof", process.pid, directory / "no" / "where"), "a file that can not be made")
        check("can not write the file: Is a directory" in complaint("prof", process.pid, directory), "a folder")
        check(speaks(directory / str(process.pid), b"prof all /tmp/x\n").startswith("error want"), "an unknown view")
    with python("", ARCA_CONF=f"control={directory}/%p") as process:
        listens(directory / str(process.pid))
        check("no profile is taken" in complaint("prof", process.pid, directory / "none"), "without the option profile")


def collects(directory):
    binary = compiled("cycles.c", "cycles", f"-L{BUILD}", "-larcagc", "-larca", f"-Wl,-rpath,{BUILD}")
    with program([binary], preload=False, ARCA_CONF=f"control={directory}/%p,collector=off") as process:
        listens(directory / str(process.pid))
        text, _ = tool("gc", process.pid)
        check(re.search(r"^20000 objects freed in \d+ ms$", text, re.M), f"gc: {text}")
        check("arca_gc_collected_total" in tool("stat", process.pid, "--prom")[0], "figures of the collector")


def main():
    refusals()
    with scratch() as directory:
        trims(directory)
        requests(directory)
        stays(directory)
        stale_and_taken(directory)
        profiles(directory)
        if (BUILD / "libarcagc.so").exists():
            collects(directory)
        if os.geteuid() != 0:
            skip("who may ask is tested as root")
        need("setpriv", "util-linux")
        refuses_others(directory)
        follows_its_user(directory)
        follows_its_root(directory)


main()
