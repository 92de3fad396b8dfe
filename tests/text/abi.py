#!/usr/bin/env python3
"""The binary interface of the shared libraries is the one recorded in tests/abi, but for what has been added.

Usage: abi.py [BUILD_DIR]            compares
       abi.py --write BUILD_DIR      records, after a change that is meant (and, where programs break, a new soname)
"""
import re
import subprocess
import sys
from pathlib import Path

from report import check, finish, have, skip
from tree import ROOT, build_dir

RECORDED = ROOT / "tests" / "abi"
RULES = ["--suppressions", RECORDED / "rules.ini"]
LIBRARIES = ("libarca", "libarcagc")


def write(build):
    for name in LIBRARIES:
        described = subprocess.run(
            ["abidw", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", *RULES, build / f"{name}.so"], check=True,
            capture_output=True, text=True).stdout
        (RECORDED / f"{name}.abi").write_text(re.sub(r" path='[^']*/", " path='", described))


def compare(build):
    for name in LIBRARIES:
        if not (build / f"{name}.so").exists():
            skip(f"{name} is not built: apt-get install liburcu-dev")
            continue
        done = subprocess.run(
            ["abidiff", "--no-added-syms", *RULES, RECORDED / f"{name}.abi", build / f"{name}.so"], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        check(done.returncode == 0, f"{name}.so has another binary interface (if it is meant: tests/text/abi.py --write "
                                    f"{build}):\n{done.stdout}")


if sys.argv[1:2] == ["--write"]:
    write(Path(sys.argv[2]))
    sys.exit()
if have("abidiff", "abigail-tools"):
    compare(build_dir())
finish()
