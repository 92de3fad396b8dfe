"""The demo after set-up: two servers burst under the system malloc and under Arca, and a chat server made of Arca's objects
loses a crowd; curves, tables, and a verdict.

Exit status: 0 Arca gave the memory back, 1 it did not, 2 the demo could not run.
"""

import contextlib
import os
import shutil
import signal
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
CHAT = os.path.join(HERE, "..", "..", "examples", "chat")
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "retained"), CHAT]

import allocators
import bursts
import day as chat
import plot
import procmem
from session import Failed

SVG = os.path.join(allocators.ROOT, "build", "bench-demo.svg")
GIVEN_BACK_PERCENT = 3  # of the burst may stay 5 s after it, where nothing of it is alive
CLEARLY_LESS = 0.5  # of what the system malloc keeps, where the server keeps buffers of its own


class Live(threading.Thread):
    """The line that shows the work: title, phase, and the resident memory of the watched process."""

    FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

    def __init__(self):
        super().__init__(daemon=True)
        self.title = self.phase = ""
        self.sampler = None
        self.size = 0  # of a process that is watched by others
        self.over = threading.Event()
        self.terminal = sys.stdout.isatty()

    @property
    def samples(self):
        return list(self.sampler.samples)

    @contextlib.contextmanager
    def watch(self, pid):
        self.sampler = procmem.Sampler(pid)
        self.sampler.start()
        try:
            yield
        finally:
            self.sampler.stop()
            self.sampler = None

    def run(self):
        tick = 0
        while not self.over.wait(0.1 if self.terminal else 1.0):
            sampler = self.sampler
            bytes_now = self.size if sampler is None else sampler.samples[-1][1] if sampler.samples else 0
            if bytes_now == 0:
                continue
            size = f"{bytes_now / 1e6:5.0f} MB"
            if self.terminal:
                self._write(f"\r\x1b[K  {self.FRAMES[tick % 10]} {self.title}   {size}   {self.phase}")
            else:
                self._write(f"  {self.title}   {size}   {self.phase}\n")
            tick += 1

    @staticmethod
    def _write(text):
        sys.stdout.write(text)
        sys.stdout.flush()

    def done(self, text):
        self._write(("\r\x1b[K" if self.terminal else "") + text + "\n")


def system_library():
    """The C library's own file: preloaded, it goes before an allocator that a program is linked to."""
    with open("/proc/self/maps") as file:
        for line in file:
            path = line.split()[-1]
            if os.path.basename(path).startswith("libc.so.6") or os.path.basename(path).startswith("libc-"):
                return path
    raise Failed("the C library's file is not in /proc/self/maps")


def arca_library():
    # DEMO_LIBRARY puts another library in Arca's place, to try the demo itself.
    substitute = os.environ.get("DEMO_LIBRARY")
    if substitute:
        print(f"NOT ARCA: this run shows {substitute}")
    try:
        return allocators.find("arca", substitute or allocators.ARCA_DEFAULT).library
    except allocators.Missing as missing:
        raise Failed(str(missing))


def record(server, contenders, live, name):
    recordings = []
    for allocator in contenders:
        live.title = f"{name} under {allocator.name:<14}"
        recording = server(allocator, live)
        live.done(f"  {live.title}   peak {recording.peak / 1e6:4.0f} MB, {recording.at[5.0] / 1e6:4.0f} MB five seconds after the drop")
        recordings.append(recording)
    return recordings


def chat_day(live, title, collector):
    """A short day of examples/chat: 200 users stay, a crowd of 100,000 comes and vanishes."""
    plan = chat.Plan(os.path.join(allocators.ROOT, "build", "release", "examples"), collector=collector, quiet_seconds=1.5,
                     count_seconds=2)

    def show(phase, stats, rate, resident, _heard):
        live.title, live.size = f"chat server, {title:<14}", resident
        live.phase = f"{stats['users']:>7,} users {rate:>7,.0f} messages/s {stats['collected']:>9,} objects collected   {phase}"
    day = chat.live(plan, show)
    live.size = 0
    live.done(f"  {live.title}   peak {day.peak / 1e6:4.0f} MB, {day.resident['after'] / 1e6:4.0f} MB two seconds after "
              f"{plan.crowd:,} sessions vanished in cycles; {day.sessions_left:,} are left")
    return day


def table(panels):
    lines = [f"  {'':<30}{'peak':>10}" + "".join(f"{f'at {seconds:g} s':>16}" for seconds in bursts.READINGS) + f"{'throughput':>20}"]
    for title, unit, recordings in panels:
        lines.append(f"  {title}")
        for recording in recordings:
            lines.append(f"    {recording.allocator:<28}{recording.peak / 1e6:>7.0f} MB"
                         + "".join(f"{recording.at[s] / 1e6:>7.0f} MB {max(0, recording.retained_percent(s)):>3.0f} %" for s in bursts.READINGS)
                         + f"{recording.throughput / 1e6:>10.2f} M {unit}/s")
    return lines


def judge(caches, redis):
    """[(met, sentence)]"""
    ours, theirs = caches[1].retained_percent(5.0), caches[0].retained_percent(5.0)
    judged = [(ours <= GIVEN_BACK_PERCENT,
               f"caches: of the burst {ours:.1f} % is left after 5 s (at most {GIVEN_BACK_PERCENT} %); the system malloc keeps {theirs:.0f} %")]
    ours, theirs = redis[1].retained_percent(5.0), redis[0].retained_percent(5.0)
    bar = max(GIVEN_BACK_PERCENT, theirs * CLEARLY_LESS)
    judged.append((ours <= bar,
                   f"redis: of the burst {ours:.1f} % is left after 5 s (at most {bar:.0f} %); the system malloc keeps {theirs:.0f} %"))
    return judged


def run():
    shipped = allocators.Allocator("as shipped", None)
    arca = allocators.Allocator("Arca", arca_library())
    caches_contenders = [allocators.Allocator("system malloc", None), arca]
    redis_contenders = [allocators.Allocator("system malloc", system_library()), arca]
    linked = bursts.redis_linked_allocator(shipped)
    if linked != "libc":
        shipped.name = linked
        redis_contenders.append(shipped)
    if tuned := allocators.tuned_environment():
        print("NOT THE DEFAULT CONFIGURATION: " + " ".join(tuned))

    live = Live()
    live.start()
    print("Three servers, each left alone once its memory is free; what the kernel says they hold:\n", flush=True)
    caches = record(bursts.caches, caches_contenders, live, "16 caching workers")
    redis = record(bursts.redis, redis_contenders, live, "redis-server      ")
    days = []
    if not os.environ.get("DEMO_LIBRARY"):  # objects are Arca's or nobody's
        days = [chat_day(live, title, collector) for title, collector in (("collector on", True), ("collector off", False))]
    live.over.set()

    width = max(60, min(100, shutil.get_terminal_size((96, 40)).columns))
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    caches_title, redis_title = "16 workers fill and drop caches, then sleep", "redis-server: fill, FLUSHALL"
    for title, recordings in ((caches_title, caches), (redis_title, redis)):
        print("\n" + "\n".join(plot.terminal(title, recordings, width, colour=colour)))
    os.makedirs(os.path.dirname(SVG), exist_ok=True)
    with open(SVG, "w") as file:
        file.write(plot.svg([(caches_title, caches), (redis_title, redis)]))

    print("\n" + "\n".join(table([(caches_title, "requests", caches), (redis_title, "SET", redis)])))
    print("  (% is of the burst: (RSS - before) / (peak - before). Throughput is of one run each: other load on the machine shows in it.)")
    if len(redis) > 2:
        print(f"  ({redis[2].allocator}: the allocator Debian's redis-server is linked to. Redis itself tells it to purge after FLUSHALL.)")
    print(f"\n  curves: {SVG}\n")
    judged = judge(caches, redis) + [(met, f"chat: {sentence}") for met, sentence in (chat.judge(*days) if days else [])]
    for met, sentence in judged:
        print(f"  {'met   ' if met else 'MISSED'}  {sentence}")
    passed = all(met for met, _ in judged)
    print("VERDICT: " + ("Arca gives the memory back" if passed else "Arca does NOT give the memory back"))
    return 0 if passed else 1


def stop(number, _frame):
    raise SystemExit(128 + number)  # unwinds the contexts, which end the servers


def main():
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, stop)
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    try:
        return run()
    except (Failed, chat.Failed, OSError) as failure:
        print(f"\ndemo: {failure}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
