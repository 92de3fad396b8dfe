#!/usr/bin/env python3
"""Every header compiles alone; the public ones in C and C++, pedantically, with both compilers.  What a slot is for does
not compile by plain assignment."""
import subprocess
from concurrent.futures import ThreadPoolExecutor

from report import check, finish
from tree import ROOT, library_files

STRICT = ["-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
PUBLIC = STRICT + ["-pedantic", "-Wshadow", "-Wconversion", f"-I{ROOT}/include"]
INTERNAL = STRICT + ["-std=c11", "-D_GNU_SOURCE", "-Wno-unused-function",
                     f"-I{ROOT}/include", f"-I{ROOT}/src", f"-I{ROOT}"]
DIALECTS = {"c": ["c11"], "c++": ["c++11", "c++17", "c++20"]}
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


# Statements about two objects and a reference, and whether they compile.
STATEMENTS = {
    "arca_slot_store(&a->friend, b);": True,
    "object = arca_slot_load(&a->friend);": True,
    "object = arca_slot_borrow(&a->friend);": True,
    "a->friend = b;": False,
    "a->friend = object;": False,
    "object = a->friend;": False,
    "b = a->friend;": False,
    "if (a->friend == b) object = b;": False,
    "if (a->friend) object = b;": False,
    "arca_slot_store(a->friend, b);": False,
    "arca_slot_store(a, b);": False,
}
SLOT_USER = """#include <arca/object.h>
struct person {{ arca_object object; arca_slot friend; }};
void use(struct person *a, struct person *b, void *object);
void use(struct person *a, struct person *b, void *object) {{ {0} (void)a; (void)b; (void)object; }}
"""


def check_statements():
    for statement, wanted in STATEMENTS.items():
        for compiler in ("gcc", "clang"):
            run = subprocess.run([compiler, "-x", "c", *PUBLIC, "-std=c11", "-"], input=SLOT_USER.format(statement), capture_output=True, text=True)
            check((run.returncode == 0) == wanted, f"{compiler}: `{statement}` {'does not compile: ' + run.stderr if wanted else 'compiles'}")


check_statements()
with ThreadPoolExecutor(2) as pool:
    for good, message in pool.map(compile_alone, jobs()):
        check(good, message)
finish()
