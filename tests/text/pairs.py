#!/usr/bin/env python3
"""Release/acquire pairs: "P:<name> release:" and "P:<name> acquire:" stand at both ends; a widow fails."""
import re
from collections import defaultdict

from report import check, finish
from tree import ROOT, library_files

END = re.compile(r"P:([a-z][a-z0-9_ ]*?) (release|acquire):")

ends = defaultdict(lambda: defaultdict(list))
for _, path in library_files(".c", ".h"):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        for name, side in END.findall(line):
            ends[name][side].append(f"{path.relative_to(ROOT)}:{number}")

for name, sides in sorted(ends.items()):
    for side, other in (("release", "acquire"), ("acquire", "release")):
        if sides[other]:
            check(sides[side], f"P:{name} is a widow: {other} at {', '.join(sides[other])}, no {side} anywhere")
finish()
