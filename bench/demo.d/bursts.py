"""The two bursts of the demo. Each runs one server under one allocator and returns what was seen from outside."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass

import build
import procmem
from session import Failed, Session

HERE = os.path.dirname(os.path.abspath(__file__))
READINGS = (0.1, 1.0, 5.0)  # seconds after the drop
KEYS = 1_800_000  # of 64 B: about 300 MB in Redis
CONNECT_SECONDS = 10


@dataclass
class Recording:
    allocator: str
    samples: list  # (seconds, resident bytes), 0 = the drop
    baseline: int
    peak: int
    at: dict  # seconds after the drop -> resident bytes
    throughput: float  # a second

    def retained_percent(self, seconds):
        return 100 * (self.at[seconds] - self.baseline) / (self.peak - self.baseline)


def _readings(pid, dropped, live):
    live.phase = "dropped, left alone"
    at = {}
    for seconds in READINGS:
        time.sleep(max(0.0, dropped + seconds - time.monotonic()))
        at[seconds] = procmem.rss(pid)
    time.sleep(0.2)  # so that the curve runs a little past the last reading
    return at


def _since(samples, zero):
    return [(at - zero, size) for at, size in samples]


def caches(allocator, live):
    """16 workers fill caches of 20 MB each, serve from them, drop them, and sleep for ever."""
    with Session([build.program(os.path.join(HERE, "cache_server.c"))], allocator) as server, live.watch(server.pid):
        live.phase = "serving"
        server.run_bursts()
        at = _readings(server.pid, server.freed, live)
        requests, nanoseconds = map(int, server.said["requests"])
        return Recording(allocator.name, _since(live.samples, server.freed), server.baseline, server.peak, at,
                         requests / nanoseconds * 1e9)


class Redis:
    """Debian's redis-server on a Unix socket in a directory of its own: no port, no persistence, gone afterwards."""

    def __init__(self, allocator):
        self.folder = tempfile.mkdtemp(prefix="arca-demo-")
        self.path = os.path.join(self.folder, "socket")
        self.process = subprocess.Popen(
            [os.environ.get("REDIS_SERVER", "redis-server"), "--port", "0", "--unixsocket", self.path, "--save", "",
             "--appendonly", "no", "--dir", self.folder, "--logfile", os.path.join(self.folder, "log"), "--daemonize", "no"],
            env=allocator.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        self.connection = None
        try:
            self._connect()
            if allocator.library and not procmem.preloaded(self.pid, allocator.library):
                raise Failed(f"redis-server under {allocator.name}: the loader did not take {allocator.library}")
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.connection:
            self.connection.close()
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _connect(self):
        deadline = time.monotonic() + CONNECT_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(self.path)
            except OSError:
                connection.close()
                time.sleep(0.02)
                continue
            connection.settimeout(60)
            self.connection = connection
            return
        raise Failed(f"redis-server does not answer: {self._last_words()}")

    def _last_words(self):
        self.process.kill()
        words = self.process.stderr.read().strip().splitlines()
        try:
            with open(os.path.join(self.folder, "log")) as log:
                words += log.read().strip().splitlines()
        except OSError:
            pass  # it died before it had a log
        return words[-1] if words else "no last words"

    def command(self, text):
        """The reply to an inline command, status or bulk."""
        self.connection.sendall(text.encode() + b"\r\n")
        reply = b""
        while not reply.endswith(b"\r\n") or (reply[:1] == b"$" and len(reply) < self._bulk_length(reply)):
            received = self.connection.recv(65536)
            if not received:
                raise Failed(f"redis-server ended during {text}: {self._last_words()}")
            reply += received
        if reply[:1] == b"-":
            raise Failed(f"redis-server refuses {text}: {reply[1:].decode().strip()}")
        return reply.decode()

    @staticmethod
    def _bulk_length(reply):
        head, _, _ = reply.partition(b"\r\n")
        return len(head) + 2 + int(head[1:]) + 2


def redis_linked_allocator(allocator):
    """The allocator that this redis-server was built with, as it says itself: 'jemalloc-5.3.0' or 'libc'."""
    with Redis(allocator) as server:
        for line in server.command("INFO memory").splitlines():
            if line.startswith("mem_allocator:"):
                return line.partition(":")[2].strip()
    raise Failed("redis-server does not say which allocator it was built with")


def redis(allocator, live):
    """Debian's redis-server filled with 300 MB of small keys by redis-benchmark, then FLUSHALL."""
    with Redis(allocator) as server, live.watch(server.pid):
        baseline = procmem.rss(server.pid)
        live.phase = "filling"
        filled = subprocess.run(
            ["redis-benchmark", "-s", server.path, "-t", "set", "-n", str(KEYS), "-r", "1000000000", "-d", "64", "-P", "64", "--csv"],
            capture_output=True, text=True, stdin=subprocess.DEVNULL)
        rows = [line.replace('"', "").split(",") for line in filled.stdout.splitlines() if line.startswith('"SET"')]
        if filled.returncode != 0 or not rows:
            raise Failed(f"redis-benchmark failed: {(filled.stderr or filled.stdout).strip() or filled.returncode}")
        live.phase = "flushing"
        server.command("FLUSHALL SYNC")
        dropped = time.monotonic()
        peak = procmem.rss_peak(server.pid)
        at = _readings(server.pid, dropped, live)
        return Recording(allocator.name, _since(live.samples, dropped), baseline, peak, at, float(rows[0][1]))
