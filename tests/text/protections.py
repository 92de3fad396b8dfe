#!/usr/bin/env python3
"""The libraries' own memory: what is relocated is read-only afterwards (full RELRO), nothing is both writable and
executable, the stack is not executable, and the code is not written to by the loader.

Usage: protections.py [BUILD_DIR]
"""
import re
import subprocess

from report import check, finish, have, skip
from tree import build_dir


def readelf(option, library):
    return subprocess.run(["readelf", option, "--wide", library], check=True, capture_output=True, text=True).stdout


def segments(library):
    """[(type, flags)] of the program headers; flags as readelf writes them."""
    return re.findall(r"^  (\w+) +0x\S+ 0x\S+ 0x\S+ 0x\S+ 0x\S+ ([RWE ]{3}) ", readelf("--program-headers", library), re.M)


def check_library(library):
    found = segments(library)
    name, kinds, dynamic = library.name, [kind for kind, _ in found], readelf("--dynamic", library)
    check("LOAD" in kinds, f"{name}: no segment was understood")
    check("GNU_RELRO" in kinds and re.search(r"\(FLAGS\).*BIND_NOW", dynamic), f"{name}: not full RELRO")
    check("TEXTREL" not in dynamic, f"{name}: the loader writes to its code")
    check(("GNU_STACK", "RW ") in found, f"{name}: asks for an executable stack")
    for kind, flags in found:
        check(not ("W" in flags and "E" in flags), f"{name}: a segment {kind} is writable and executable")


for library in ("libarca.so", "libarcagc.so") if have("readelf", "binutils") else ():
    if (build_dir() / library).exists():
        check_library(build_dir() / library)
    else:
        skip(f"{library} is not built: apt-get install liburcu-dev")
finish()
