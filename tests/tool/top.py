#!/usr/bin/python3
"""arca top's screens, in a terminal of tmux."""
import re
import subprocess
import time

from tool import BUILD, check, complaint, eventually, need, python

TMUX = [need("tmux", "tmux"), "-L", "arca-test", "-f", "/dev/null"]
BODY = "kept = [bytes(1000) for _ in range(40_000)]"


def tmux(*words):
    done = subprocess.run([*TMUX, *map(str, words)], capture_output=True, text=True)
    return done.stdout + done.stderr


class Screen:
    """A terminal in which the tool runs."""

    def __init__(self, *words, columns=100, rows=30):
        command = " ".join(map(str, [BUILD / "arca", *words]))
        tmux("new-session", "-d", "-x", columns, "-y", rows, "-s", "top", f"{command}; echo status $?; sleep 600")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        tmux("kill-server")
        eventually(lambda: "no server" in tmux("ls"), "the last terminal stays")

    def text(self):
        return tmux("capture-pane", "-p", "-t", "top")

    def shows(self, pattern, what):
        eventually(lambda: re.search(pattern, self.text(), re.M), lambda: f"{what}: {self.text()}")
        return self.text()

    def press(self, key):
        tmux("send-keys", "-t", "top", key)


def one(process):
    with Screen("top", process.pid) as screen:
        text = screen.shows(rf"on Arca \(q quits\)\n\n{process.pid} python3: resident +4\d\.\d MiB, of +64\.0 MiB mapped", "one process")
        check(re.search(r"^\[#{20,}[#=+.-]*\]", text, re.M), f"no bar: {text}")
        check(re.search(r"# live +\d+\.\d MiB +9\d\.\d %", text), f"live: {text}")
        check(re.search(r"^ +1152 +\d+ +40\d{3} ", text, re.M), f"no row of the size class: {text}")
        clock = re.search(r"\d\d:\d\d:\d\d", text)[0]
        eventually(lambda: clock not in screen.text(), "the clock stands still")
        process.kill()
        screen.shows(rf"^arca: process {process.pid} has ended\nstatus 1$", "after its end")


def tells_how_old_it_is():
    """Of a large process each look goes through a part."""
    with python("kept = [bytes(1000) for _ in range(700_000)]", PYTHONMALLOC="malloc") as process:
        with Screen("top", process.pid) as screen:
            text = screen.shows(r"^arca top - [\d:]{8} - 1 process on Arca, seen up to \d+\.\d s ago \(q quits\)$", "a large process")
            check(re.search(rf"^{process.pid} python3: resident", text, re.M), f"a large process: {text}")


def several(first, second):
    with Screen("top", first.pid, second.pid) as screen:
        text = screen.shows(rf"^ +{second.pid} python3", "two processes")
        rows = re.findall(r"^ +(\d+) python3 +(\d+\.\d) MiB", text, re.M)
        check([int(pid) for pid, _ in rows] == [second.pid, first.pid], f"the largest is not the first: {text}")
        screen.press("q")
        screen.shows("^status 0$", "q")


def small_terminals(first, second):
    """Nothing goes on in the next row, nor is a column lost in one of eighty columns."""
    with Screen("top", first.pid, second.pid, columns=80) as screen:
        text = screen.shows(rf"^ +{second.pid} python3", "eighty columns")
        check(re.search(r"COMMAND +RESIDENT +LIVE +SLACK +CACHED +DIRTY +RETURNED$", text, re.M), f"eighty columns: {text}")
        check(re.search(rf"^ *{second.pid} python3( +[\d.]+ [KMG]?i?B){{6}}$", text, re.M), f"eighty columns: {text}")
    for words in ((first.pid, second.pid), (first.pid,)):
        with Screen("top", *words, columns=20, rows=6) as screen:
            text = screen.shows(rf"^ *{first.pid} python3", "twenty columns")
            lines = text.split("\n")
            check(lines[0].startswith("arca top") and lines[1] == "" and "python3" in "".join(lines[2:4]), f"twenty columns: {text}")


def main():
    with python(BODY) as process:
        time.sleep(0.1)
        one(process)
    tells_how_old_it_is()
    with python(BODY) as first, python(BODY.replace("40_000", "80_000")) as second:
        small_terminals(first, second)
        several(first, second)
        check("this is no terminal" in complaint("top", first.pid), "top without a terminal")
    check("'x' is no process" in complaint("top", "x", status=2), "top x")


main()
