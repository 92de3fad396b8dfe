"""What the speed benchmarks share: which allocators run, how programs are compiled, tables of ratios."""

import argparse
import glob
import math
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import allocators
import build

LIMIT = 1.3  # no row may be dearer than this times the best of the others

# The compiler must not drop an allocation whose block it sees being freed again.
FLAGS = build.FLAGS + [f"-fno-builtin-{name}" for name in
                       ("malloc", "calloc", "realloc", "free", "posix_memalign", "aligned_alloc")]


def say(text):
    """A line that the reader must see and that is no part of a table."""
    print(text, file=sys.stderr, flush=True)


def progress(text):
    """Replaces the line of progress, where a person is looking; an empty text clears it."""
    if sys.stderr.isatty():
        print(f"\r{text:<70}" + ("" if text else "\r"), end="", file=sys.stderr, flush=True)


def add_allocator_options(parser):
    parser.add_argument("--allocators", default=",".join(allocators.NAMES), help="default: %(default)s")
    parser.add_argument("--arca", default=allocators.ARCA_DEFAULT, metavar="FILE",
                        help="the library; default: build/release/libarca.so")


def integer_from_one(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value


def names_of(text, known, what, matches=str.__eq__):
    """The known names that a comma-separated option asks for, in their own order; exits if there is none."""
    wanted = text.split(",")
    for want in wanted:
        if not any(matches(name, want) for name in known):
            sys.exit(f"no {what} '{want}' (there are: {', '.join(known)})")
    return [name for name in known if any(matches(name, want) for want in wanted)]


def loads(library):
    """Whether the loader takes it as a preload: if not, it only warns, and runs the program without."""
    probe = subprocess.run(["true"], env={**os.environ, "LD_PRELOAD": library}, capture_output=True, text=True)
    return probe.returncode == 0 and "cannot be preloaded" not in probe.stderr


def find_allocators(options):
    """{name: Allocator} of those asked for that are here; a loud line for each of the others."""
    found = {}
    for name in names_of(options.allocators, allocators.NAMES, "allocator"):
        try:
            allocator = allocators.find(name, options.arca)
        except allocators.Missing as missing:
            say(f"SKIPPED {name}: {missing}")
            continue
        if name == "glibc":
            # Preloaded like the others: a program that is linked with an allocator of its own
            # (Debian's redis-server is, with jemalloc) would not run on glibc's otherwise.
            allocator.library = "libc.so.6"
        if loads(allocator.library):
            found[name] = allocator
        else:
            say(f"SKIPPED {name}: the loader can not preload {allocator.library}; build or install it again")
    if not found:
        sys.exit("no allocator to measure")
    note_tuning()
    return found


def note_tuning():
    for setting in allocators.tuned_environment():
        say(f"NOTE the environment changes an allocator's defaults: {setting}")


def compile_c(folder, sources):
    """The program made from sources in bench/FOLDER, in build/bench/FOLDER; made again when its inputs are newer."""
    directory = os.path.join(allocators.ROOT, "bench", folder)
    inputs = glob.glob(os.path.join(directory, "*.c")) + glob.glob(os.path.join(allocators.ROOT, "bench", "micro", "*.h"))
    command = [build.compiler(), *FLAGS, *(os.path.join(directory, name) for name in sources)]
    try:
        return build.made(os.path.join(folder, os.path.splitext(sources[0])[0]), inputs, command)
    except FileNotFoundError:
        sys.exit(f"no C compiler '{build.compiler()}'; to get one: apt-get install gcc libc6-dev")


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def number(value):
    """Four significant digits; from 1000 on, whole."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.{4 - len(str(int(value)))}f}"


def ratio_to_others(values, name):
    """Value of `name` / best of the others, of {allocator: value}; None if either is missing."""
    others = [value for other, value in values.items() if other != name and value]
    return values[name] / min(others) if values.get(name) and others else None


def print_table(title, rows, names):
    """rows: {row: {allocator: value}}, less is better. Prints the values; what the first allocator costs against
    the best of the others; and each allocator's geometric mean of that ratio."""
    rows = {row: values for row, values in rows.items() if any(values.values())}
    if not rows:
        return
    subject = names[0]
    width = max(map(len, [*rows, "geometric mean"]))
    print(f"\n{title}\n{'':<{width}}" + "".join(f"{name:>12}" for name in names) + f"{subject + '/best':>16}")
    for row, values in rows.items():
        ratio = ratio_to_others(values, subject)
        cells = "".join(f"{number(values.get(name)):>12}" for name in names)
        verdict = "" if ratio is None else f"{ratio:16.2f}" + (f"  > {LIMIT}" if ratio > LIMIT else "")
        print(f"{row:<{width}}{cells}{verdict}")
    means = []
    for name in names:
        ratios = [ratio for ratio in (ratio_to_others(values, name) for values in rows.values()) if ratio]
        means.append(f"{geometric_mean(ratios):12.3f}" if ratios else f"{'-':>12}")
    print(f"{'geometric mean':<{width}}{''.join(means)}  of each one's value / best of the others")
