#!/usr/bin/env python3
"""Every header compiles alone; the public ones in C and C++, pedantically, with both compilers."""
import subprocess
from concurrent.futures import ThreadPoolExecutor

from report import check, finish
from tree import ROOT, library_files

STRICT = ["-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
PUBLIC = STRICT + ["-pedantic", f"-I{ROOT}/include"]
INTERNAL = STRICT + ["-std=c11", "-D_GNU_SOURCE", "-Wno-unused-function",
                     f"-I{ROOT}/include", f"-I{ROOT}/src", f"-I{ROOT}"]
DIALECTS = {"c": ["c11"], "c++": ["c++11", "c++17"]}
# Twice, so that a missing include guard shows.
TWICE = '#include "{0}"\n#include "{0}"\n'


def compile_alone(job):
    compiler, language, flags, header = job
    # An empty C unit is a pedantic error of its own; this declaration keeps it a unit.
    text = TWICE.format(header) + "extern int not_empty;\n"
    run = subprocess.run([compiler, "-x", language, *flags, "-"], input=text, capture_output=True, text=True)
    return run.returncode == 0, f"{compiler} {language} {' '.join(flags[-1:])}: {header} does not stand alone:\n{run.stderr}"


def jobs():
    for header in sorted((ROOT / "include").rglob("*.h")):
        for language, dialects in DIALECTS.items():
            for compiler in ("gcc", "clang") if language == "c" else ("g++", "clang++"):
                for dialect in dialects:
                    yield compiler, language, PUBLIC + [f"-std={dialect}"], header
    for _, header in library_files(".h"):
        for compiler in ("gcc", "clang"):
            yield compiler, "c", INTERNAL, header


with ThreadPoolExecutor(2) as pool:
    for good, message in pool.map(compile_alone, jobs()):
        check(good, message)
finish()
