#!/usr/bin/env python3
"""Release/acquire pairs: "P:<name> release:" and "P:<name> acquire:" stand at both ends; a widow fails, and so does an
acquire "with" a function that does not release.  Both stand at accesses by base/atomic.h: nobody passes by that door,
but for the public headers' inline functions.
"""
import re
from collections import defaultdict

from report import check, finish
from tree import ROOT, library_files

END = re.compile(r"P:([a-z][a-z0-9_ ]*?) (release|acquire):(?: with ([a-z0-9]+_\w+))?")
FUNCTION = re.compile(r"^[A-Za-z_].*?(\w+)\(.*[^;]$")
BARE = re.compile(r"\batomic_(?:load|store|exchange|compare_exchange|fetch|thread_fence|signal_fence)|\b__atomic_")

ends = defaultdict(lambda: defaultdict(list))
public = sorted((ROOT / "include" / "arca").glob("*.h"))
for path in [path for _, path in library_files(".c", ".h")] + public:
    place, function, bare = path.relative_to(ROOT), None, []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if match := FUNCTION.match(line):
            function = match[1]
        for name, side, partner in END.findall(line):
            ends[name][side].append((f"{place}:{number}", function, partner))
        if BARE.search(line):
            bare.append(str(number))
    check(not bare or path.name == "atomic.h" or path in public, f"{place}: atomic accesses that are not by base/atomic.h in line {', '.join(bare)}")

for name, sides in sorted(ends.items()):
    for side, other in (("release", "acquire"), ("acquire", "release")):
        if sides[other]:
            others = ", ".join(place for place, _, _ in sides[other])
            check(sides[side], f"P:{name} is a widow: {other} at {others}, no {side} anywhere")
    releasing = {function for _, function, _ in sides["release"]}
    for place, _, partner in sides["acquire"]:
        if partner:
            check(partner in releasing, f"{place}: P:{name} is released by {', '.join(sorted(releasing))}, not by {partner}")
finish()
