"""What the kernel says about another process: memory, mappings, wake-ups, CPU.

Everything is read from outside through /proc, so that nothing has to be believed of the allocator under test.
"""

import os
import threading
import time

PAGE = os.sysconf("SC_PAGE_SIZE")


def _field(path, name):
    with open(path) as file:
        for line in file:
            if line.startswith(name):
                return int(line.split()[1])
    raise ValueError(f"{path}: no line {name}")


def rss(pid):
    """Resident bytes, exact: the kernel walks the page tables. Slow (milliseconds a GiB)."""
    return _field(f"/proc/{pid}/smaps_rollup", "Rss:") * 1024


def rss_quick(pid):
    """Resident bytes from the kernel's counters: cheap, off by some pages a CPU."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * PAGE


def rss_peak(pid):
    """The kernel's own high-water mark of resident bytes: no sample can be missed between two looks."""
    return _field(f"/proc/{pid}/status", "VmHWM:") * 1024


def mappings(pid):
    with open(f"/proc/{pid}/maps") as file:
        return sum(1 for _ in file)


def preloaded(pid, library):
    """Whether the library is mapped: the loader only warns, and goes on, when a preload fails."""
    real = os.path.realpath(library)
    with open(f"/proc/{pid}/maps") as file:
        return any(line.rstrip().endswith(real) for line in file)


def switches(pid):
    """{thread: times it blocked}: a thread that is woken blocks once more."""
    counts = {}
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            counts[int(task)] = _field(f"/proc/{pid}/task/{task}/status", "voluntary_ctxt_switches:")
        except (FileNotFoundError, ProcessLookupError):
            pass  # the thread ended between the two looks
    return counts


def wakeups(before, after, threads=None):
    """Wake-ups between two results of switches(), of the given threads or of all."""
    return sum(count - before.get(thread, 0) for thread, count in after.items() if threads is None or thread in threads)


def cpu_seconds(pid):
    """User and system time of all threads, ended ones included, in nanosecond steps (as clock_getcpuclockid(3))."""
    return time.clock_gettime((~pid << 3) | 2)


class Sampler(threading.Thread):
    """Keeps (monotonic seconds, resident bytes) of a process until stopped or until the process is gone."""

    def __init__(self, pid, period=0.01):
        super().__init__(daemon=True)
        self.pid, self.period, self.samples = pid, period, []
        self._stop_event = threading.Event()

    def run(self):
        while not self._stop_event.is_set():
            try:
                self.samples.append((time.monotonic(), rss_quick(self.pid)))
            except (FileNotFoundError, ProcessLookupError, IndexError):
                return
            self._stop_event.wait(self.period)

    def stop(self):
        self._stop_event.set()
        self.join()
        return self.samples
