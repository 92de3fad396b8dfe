#!/usr/bin/env python3
"""Builds and runs the stages of tests/run, a line each, and adds up what they report.

A stage that does not build, crashes, hangs or reports no result counts as failed.
"""
import os
import re
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / "build" / "logs"
LINES_SHOWN = 40

Counts = namedtuple("Counts", "passed failed skipped", defaults=(0, 0, 0))
Stage = namedtuple("Stage", "name what preset command count minutes by_hand", defaults=(False,))

CRITERION = re.compile(r"Synthesis: Tested: (\d+) \| Passing: (\d+) \| Failing: (\d+) \| Crashing: (\d+)")
PLAIN = re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")
HARNESS_SKIP = re.compile(r"^\S+:\d+: SKIPPED: ")
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
FAULT = re.compile(r"\[FAIL\]|^FAIL|check failed|error:|Error \d|ERROR|WARNING: ThreadSan|\*\*\*|"
                   r"must .*MISSED|Unexpected|CRASH|CMake Error|Assertion|runtime error|^Traceback|^\w+Error")
SEED = re.compile(r"TEST_SEED")
SKIP = re.compile(r"\[SKIP\]|^SKIP|SKIPPED")


def add(*counts):
    return Counts(*map(sum, zip(*counts)))


def summary(lines):
    """What one test program reports: the last summary line it prints, or None."""
    found = None
    skipped = sum(1 for line in lines if HARNESS_SKIP.match(line))
    for line in lines:
        if match := CRITERION.search(line):
            tested, passing, _, _ = map(int, match.groups())
            found = Counts(passing, tested - passing, skipped)
        elif match := PLAIN.match(line):
            found = Counts(*(int(n or 0) for n in match.groups()))
    return found


def judged(counts, succeeded):
    """The counts of a program whose exit status must agree with them."""
    if counts is None:
        return Counts(failed=1)
    if not succeeded and counts.failed == 0:
        return counts._replace(failed=1)
    return counts


def count_ctest(text, succeeded):
    """Adds up the programs of a verbose ctest run; they may be interleaved."""
    said, verdicts = {}, {}
    for line in text.splitlines():
        if match := re.match(r"^(\d+): (.*)$", line):
            said.setdefault(match[1], []).append(match[2])
        elif match := re.match(r"^\s*\d+/\d+ Test\s+#(\d+): \S+ \.*\s*(\S+)", line):
            verdicts[match[1]] = match[2] == "Passed"
    counts = [judged(summary(said.get(test, [])), passed) for test, passed in verdicts.items()]
    return judged(add(*counts) if counts else None, succeeded)


def count_plain(text, succeeded):
    return judged(summary(text.splitlines()), succeeded)


def count_bars(text, succeeded):
    """The verdicts of bench/retained/run on what the library must hold."""
    verdicts = re.findall(r"^ +must .* (met|MISSED)$", text, re.M)
    return judged(Counts(verdicts.count("met"), verdicts.count("MISSED")) if verdicts else None, succeeded)


def count_exit(_, succeeded):
    return Counts(1) if succeeded else Counts(failed=1)


def ctest(preset, labels, *wrapper):
    return [*wrapper, "ctest", "--test-dir", f"build/{preset}", "-V", "-j2", "-L", f"^({labels})$",
            "--no-tests=error"]


def without_aslr():
    """gcc 12's ThreadSanitizer can not place its shadow where the kernel spreads mappings over 32 bits."""
    wrapper = ["setarch", "-R"]
    works = subprocess.run([*wrapper, "true"], capture_output=True).returncode == 0
    return wrapper if works else []


STAGES = [
    Stage("unit", "unit and stress tests, asserts on; interleavings", "dev", ctest("dev", "unit|stress|objects|cycles|examples|schedule"), count_ctest, 8),
    Stage("text", "tower, headers, option table, pairs, exports, protections", "dev", ctest("dev", "text"), count_ctest, 3),
    Stage("check", "unit and stress tests, invariants walked", "check", ctest("check", "unit|stress|objects|cycles|examples"), count_ctest, 8),
    Stage("asan", "under AddressSanitizer and UBSan", "asan", ctest("asan", "unit|stress|objects|cycles|examples"), count_ctest, 8),
    Stage("tsan", "under ThreadSanitizer", "tsan", ctest("tsan", "unit|stress|objects|cycles|examples", *without_aslr()), count_ctest, 10),
    Stage("release", "the release build by gcc, its exports and package", "release",
          ctest("release", "unit|stress|objects|cycles|examples|text"), count_ctest, 6),
    Stage("clang", "the release build by clang", "release-clang", ["true"], count_exit, 3),
    Stage("preload", "real programs and libc's promises", "release", ["tests/preload/run"], count_plain, 10),
    Stage("tool", "the tool `arca`, on servers and on lies", "release", ["tests/tool/run"], count_plain, 5),
    Stage("retained", "memory after a burst, a tenth of the size", "release",
          ["bench/retained/run", "--allocators", "arca", "--assert", "--scale", "0.1", "--margin", "1"], count_bars, 8),
    Stage("packages", "Debian packages in a clean root; the container", "release", ["tests/package/run"], count_plain, 10, True),
    Stage("valgrind", "objects' lives, told to memcheck", "valgrind", ["tests/memcheck/run"], count_plain, 5, True),
    Stage("model", "the collector's protocol, searched by Spin", "dev", ["tests/model/run"], count_plain, 30, True),
    Stage("faults", "each system call fails at each of its uses", "dev", ["build/dev/tests/faults/faults", "1"], count_plain, 30, True),
    Stage("fuzz", "operations, settings, words of others: ten minutes", "fuzz", ["tests/fuzz/run", "600"], count_plain, 30, True),
    Stage("soak", "a mixed load with faults, ten minutes", "dev", ["tests/soak/run", "600"], count_plain, 30, True),
    Stage("mutants", "the collector without one step of its protocol", "dev", ["tests/cycles/mutants.py"], count_plain, 40, True),
]


class Live:
    """One line a stage: on a terminal it counts the seconds while the stage runs."""

    def __init__(self, stage):
        self.head = f"{stage.name:9} {stage.what:50}"
        self.start = time.monotonic()
        self.moving = sys.stdout.isatty()
        if not self.moving:
            print(self.head, end=" ", flush=True)

    def seconds(self):
        return time.monotonic() - self.start

    def tick(self):
        if self.moving:
            print(f"\r{self.head} {self.seconds():4.0f} s", end="", flush=True)

    def end(self, counts):
        told = f"{counts.passed} passed, {counts.failed} failed, {counts.skipped} skipped"
        print(f"\r{self.head}" if self.moving else "", f"{self.seconds():4.0f} s  {told}", flush=True)


def run(command, log, live, deadline):
    """True if the command succeeded in time.  It is the leader of its group, which ends with it."""
    log.write(f"$ {' '.join(command)}\n")
    log.flush()
    try:
        child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                 start_new_session=True)
    except OSError as error:
        log.write(f"error: {error}\n")
        return False
    try:
        while True:
            try:
                return child.wait(timeout=1) == 0
            except subprocess.TimeoutExpired:
                live.tick()
            if time.monotonic() > deadline:
                log.write(f"error: {command[0]} was ended after its time\n")
                return False
    finally:
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.wait()


def show_why(path, text):
    """What failed first, with the seeds of the programs that did; then what was skipped."""
    lines = text.splitlines()
    failed = {match[1] for line in lines if (match := re.match(r"^\s*\d+/\d+ Test\s+#(\d+): \S+ \.*\s*\*\*\*", line))}
    bare = [(match[1], match[2]) if (match := re.match(r"^(\d+): (.*)$", line)) else (None, line) for line in lines]
    faults = [f"{test}: {said}" if test else said for test, said in bare
              if FAULT.search(said) or (test in failed and SEED.search(said))]
    skips = [f"{test}: {said}" if test else said for test, said in bare if SKIP.search(said)]
    for line in ((faults + skips) or lines[-LINES_SHOWN:])[:LINES_SHOWN]:
        print("   ", line)
    print(f"    (log: {path.relative_to(ROOT)})", flush=True)


def run_stage(stage):
    live = Live(stage)
    deadline = live.start + stage.minutes * 60
    path = LOGS / f"{stage.name}.log"
    with path.open("w") as log:
        built = run(["cmake", "--preset", stage.preset], log, live, deadline) and \
            run(["cmake", "--build", "--preset", stage.preset, "-j2"], log, live, deadline)
        log.flush()
        start = path.stat().st_size
        succeeded = built and run(stage.command, log, live, deadline)
    text = ANSI.sub("", path.read_bytes().decode(errors="replace"))
    counts = stage.count(ANSI.sub("", path.read_bytes()[start:].decode(errors="replace")), succeeded) \
        if built else Counts(failed=1)
    live.end(counts)
    if counts.failed or counts.skipped:
        show_why(path, text)
    return counts


def main(names):
    known = {stage.name: stage for stage in STAGES}
    if names == ["--list"]:
        for stage in STAGES:
            print(f"{stage.name:9} {stage.what}")
        return 0
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"tests/run: no stage {' '.join(unknown)}; there are: {' '.join(known)}", file=sys.stderr)
        return 2

    LOGS.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("CC", "gcc")
    start = time.monotonic()
    chosen = names or [name for name, stage in known.items() if not stage.by_hand]
    total = add(*[run_stage(known[name]) for name in chosen])
    print(f"in {(time.monotonic() - start) / 60:.1f} minutes")
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped")
    return 1 if total.failed or total.passed == 0 else 0


sys.exit(main(sys.argv[1:]))
