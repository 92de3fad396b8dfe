"""One run of a workload program under one allocator, up to and beyond its last free."""

import os
import subprocess
import threading
import time

import build
import procmem

HERE = os.path.dirname(os.path.abspath(__file__))
STUCK_SECONDS = 300


class Failed(Exception):
    """The program did not do its part; the text says which and how."""


def command(workload):
    """survivors_0.1 -> the program survivors with the argument 0.1."""
    name, _, argument = workload.partition("_") if workload.startswith("survivors_") else (workload, "", "")
    return [build.program(os.path.join(HERE, name + ".c")), *([argument] if argument else [])]


class Session:
    """A context: the process is killed on the way out, whatever happened. said: the last values of every line."""

    def __init__(self, command, allocator, *options):
        self.title = f"{os.path.basename(command[0])} under {allocator.name}"
        self.process = subprocess.Popen([*command, *map(str, options)], env=allocator.environment(),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        self.watchdog = threading.Timer(STUCK_SECONDS, self.process.kill)
        self.watchdog.start()
        self.said, self.idle_threads, self.bursts_us = {}, set(), []
        try:
            self._await("baseline")
            if allocator.library and not procmem.preloaded(self.pid, allocator.library):
                raise Failed(f"{self.title}: the loader did not take {allocator.library}")
            self.baseline = procmem.rss(self.pid)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.watchdog.cancel()
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def _await(self, word):
        for line in self.process.stdout:
            key, *values = line.split()
            self.said[key] = values
            if key == "idle":
                self.idle_threads.add(int(values[0]))
            elif key == "burst":
                self.bursts_us.append(int(values[2]) - int(values[1]))
            if key == word:
                return
        raise Failed(f"{self.title}: ended with status {self.process.wait()} before '{word}'")

    def run_bursts(self):
        """Lets the program work; returns when the last byte is freed."""
        self.process.stdin.write("g")
        self.process.stdin.flush()
        self._await("freed")
        self.peak = procmem.rss_peak(self.pid)
        freed_ns, cpu_us = map(int, self.said["freed"])
        self.freed, self.cpu_seconds = freed_ns / 1e9, cpu_us / 1e6
        self.live = int(self.said["peak-live"][0])

    def sleep_until(self, seconds):
        """Until so long after the last free."""
        time.sleep(max(0.0, self.freed + seconds - time.monotonic()))
        if self.process.poll() is not None:
            raise Failed(f"{self.title}: ended with status {self.process.returncode} while idle")

    def retained_percent(self):
        return 100.0 * (procmem.rss(self.pid) - self.baseline) / (self.peak - self.baseline)
