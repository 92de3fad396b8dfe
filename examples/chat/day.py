"""A day of the server: users who stay and talk, a trickle of visitors, and a crowd that comes and vanishes.

Starts and ends the programs, watches from outside, and returns what was seen.
"""

import contextlib
import os
import queue
import socket
import subprocess
import threading
import time
from dataclasses import dataclass, field

ANSWER_SECONDS = 30
PAGE = os.sysconf("SC_PAGE_SIZE")
LEFT_PERCENT = 10  # of the burst's memory two seconds after it: room for what the steady users' own day has scattered
STEP_FACTOR, STEP_US = 3, 5000  # noise of a machine that others use; a stopped world is ten times as much


class Failed(Exception):
    """The day could not go on; the text says why."""


@dataclass
class Plan:
    programs: str  # their folder
    server: str = "chat-server"
    arguments: tuple = ()
    collector: bool = True
    users: int = 200
    rate: int = 2000  # messages a second, each heard by ten
    crowd: int = 100_000
    connections: int = 16  # of the crowd: sessions are many to a connection
    visitors: int = 500  # they stay for 0.2 s, then others come
    quiet_seconds: float = 3.0
    stay_seconds: float = 0.7
    watched_seconds: float = 2.0  # after the drop
    count_seconds: float = 0.0  # more, for the objects to be gone


@dataclass
class Day:
    windows: dict = field(default_factory=dict)  # name -> what the steady users heard meanwhile
    resident: dict = field(default_factory=dict)  # name -> bytes at its end
    peak: int = 0
    crowd_seconds: float = 0.0
    sessions_left: int = 0  # more than the steady ones, when they were watched long enough
    objects: dict = field(default_factory=dict)  # sessions, users, rooms at last
    total: dict = field(default_factory=dict)  # said, expected, heard, wrong
    stopped: dict = field(default_factory=dict)  # the server's last words


def fields(line):
    """{name: number} of `… name=number name=number`."""
    pairs = (word.split("=") for word in line.split() if "=" in word)
    return {name: float(value) if "." in value else int(value) for name, value in pairs}


class Program:
    """A child that talks by lines; it ends with the block."""

    def __init__(self, path, *arguments, environment=None):
        self.name = os.path.basename(path)
        try:
            self.process = subprocess.Popen([path, *map(str, arguments)], env=environment, text=True, bufsize=1,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except OSError as error:
            raise Failed(f"{path}: {error.strerror}; is it built?")
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            with contextlib.suppress(OSError):
                stream.close()

    def tell(self, line):
        with contextlib.suppress(BrokenPipeError):  # what follows will find out why
            self.process.stdin.write(line + "\n")

    def hear(self, start):
        """The next line that begins so."""
        for line in self.process.stdout:
            if line.startswith(start):
                return line.strip()
        self.process.kill()
        words = self.process.stderr.read().strip().splitlines()
        raise Failed(f"{self.name} ended: {words[-1] if words else 'no last words'}")

    def end(self):
        return self.process.wait(timeout=ANSWER_SECONDS)


class Server(Program):
    def __init__(self, plan):
        environment = dict(os.environ)
        if not plan.collector:
            environment["ARCA_CONF"] = "collector=off"
        super().__init__(os.path.join(plan.programs, plan.server), *plan.arguments, environment=environment)
        self.connection = None
        try:
            self.port = int(self.hear("listening").split()[1])
            self.connection = socket.create_connection(("127.0.0.1", self.port), timeout=ANSWER_SECONDS)
            self.answers = self.connection.makefile()
        except BaseException:
            super().__exit__()
            raise
        self.lock = threading.Lock()

    def __exit__(self, *_):
        self.connection.close()
        super().__exit__()

    def stats(self):
        with self.lock:
            try:
                self.connection.sendall(b"STATS\n")
                line = self.answers.readline()
            except OSError as error:
                raise Failed(f"{self.name} does not answer: {error}")
        if not line.startswith("STATS "):
            raise Failed(f"{self.name} does not answer")
        return fields(line)

    def resident(self):
        with open(f"/proc/{self.pid}/statm") as file:
            return int(file.read().split()[1]) * PAGE

    def stop(self):
        self.process.terminate()
        line = self.hear("stopped")
        if self.end() != 0:
            raise Failed(f"{self.name} ended with {self.process.returncode}")
        return fields(line)


class Steady(Program):
    """Its lines are read as they come: the live ones are kept, the others are answers."""

    def __init__(self, plan, port):
        super().__init__(os.path.join(plan.programs, "chat-steady"), "--port", port, "--users", plan.users, "--rate", plan.rate)
        self.live, self.answers = {}, queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()
        self.hear("ready")

    def _read(self):
        with contextlib.suppress(ValueError):  # closed
            for line in self.process.stdout:
                if line.startswith("live "):
                    self.live = fields(line)
                else:
                    self.answers.put(line.strip())
        self.answers.put(None)

    def hear(self, start):
        try:
            line = self.answers.get(timeout=ANSWER_SECONDS)
        except queue.Empty:
            line = ""
        if line is None:
            raise Failed(f"the steady users: {self.process.stderr.read().strip() or 'no last words'}")
        if not line.startswith(start):
            raise Failed(f"the steady users: {line or 'no answer'}")
        return line

    def mark(self, name):
        self.tell(f"mark {name}")
        return fields(self.hear(name + " "))


class Watch(threading.Thread):
    """Ten looks a second at the server, for the peak and for who shows them."""

    def __init__(self, server, steady, show):
        super().__init__(daemon=True)
        self.server, self.steady, self.show = server, steady, show
        self.phase, self.peak, self.over = "", 0, threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()

    def run(self):
        before, then = None, 0.0
        while not self.over.wait(0.1):
            try:
                stats, now, resident = self.server.stats(), time.monotonic(), self.server.resident()
            except (Failed, OSError):
                return  # whoever runs the day finds out, too
            self.peak = max(self.peak, resident)
            if before:
                self.show(self.phase, stats, (stats["delivered"] - before["delivered"]) / (now - then), resident, self.steady.live)
            before, then = stats, now

    def wait(self, phase, seconds):
        self.phase = phase
        time.sleep(seconds)


def crowd(plan, port, count, *more):
    return Program(os.path.join(plan.programs, "chat-burst"), "--port", port, "--sessions", count, *more)


def settled(plan, server):
    """The counts of objects once only the steady users' are left, or when patience has ended."""
    deadline = time.monotonic() + (plan.count_seconds if plan.collector else 0)
    while True:
        stats = server.stats()
        if stats["sessions"] == stats["users"] == plan.users or time.monotonic() > deadline:
            return {name: stats[name] for name in ("sessions", "users", "rooms")}
        time.sleep(0.05)


def visit(plan, server, steady, watch, day):
    """Visitors come and go; then the crowd comes, stays, and all are cut off."""
    with crowd(plan, server.port, plan.visitors, "--connections", 2, "--rounds", 1000, "--pause", 200, "--id", 1):
        watch.wait("visitors come and go", plan.quiet_seconds / 3)
        steady.mark("start")
        watch.wait("visitors come and go", plan.quiet_seconds)
        day.resident["before"] = server.resident()
        day.windows["before"] = steady.mark("before")
        watch.phase = "a crowd comes"
        with crowd(plan, server.port, plan.crowd, "--connections", plan.connections, "--follow", plan.users) as people:
            day.crowd_seconds = float(people.hear("up").split()[1])
            day.windows["coming"] = steady.mark("coming")
            watch.wait("the crowd is here", plan.stay_seconds)
            steady.mark("here")
            day.peak = server.resident()


def live(plan, show):
    """Runs a day; show(phase, stats, delivered a second, resident bytes, live latencies) is called ten times a second."""
    day = Day()
    with Server(plan) as server, Steady(plan, server.port) as steady, Watch(server, steady, show) as watch:
        visit(plan, server, steady, watch, day)
        watch.wait("all have vanished", plan.watched_seconds)
        day.resident["after"] = server.resident()
        day.windows["after"] = steady.mark("after")
        day.sessions_left = server.stats()["sessions"] - plan.users
        day.peak = max(day.peak, watch.peak)
        day.objects = settled(plan, server)
        steady.tell("stop")
        day.total = fields(steady.hear("total"))
        steady.end()
        watch.over.set()
        watch.join()
        day.stopped = server.stop()
    return day


def judge(day, control):
    """[(met, sentence)] of a day, and of one without collections beside which it is to be seen."""
    left = max(0.0, 100 * (day.resident["after"] - day.resident["before"]) / (day.peak - day.resident["before"]))
    before, after = day.windows["before"]["p99_us"], day.windows["after"]["p99_us"]
    bar = STEP_FACTOR * max(before, control.windows["after"]["p99_us"]) + STEP_US
    total = day.total
    return [
        (left <= LEFT_PERCENT, f"memory: {left:.1f} % of the burst is left after two seconds (at most {LEFT_PERCENT} %)"),
        (day.sessions_left == 0, f"collected: {day.sessions_left:,} of 100,000 sessions are left after two seconds"),
        (after <= bar, f"no step: p99 is {after / 1000:.1f} ms in these two seconds (at most {bar / 1000:.1f}: three times the worse of "
                       "before and of the same moment without a collector, and 5 ms)"),
        (total["heard"] == total["expected"] and total["wrong"] == 0,
         f"words: {total['heard']:,} of {total['expected']:,} were heard, {total['wrong']} out of order"),
        (day.objects["sessions"] == day.objects["users"] == 200 and day.stopped["users"] == 0,
         f"objects: {day.objects['users']} users when only the steady 200 are left, {day.stopped['users']} when the server has stopped"),
    ]
