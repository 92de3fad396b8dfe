#!/usr/bin/env python3
"""Every function of the headers of objects that takes a pointer is in tests/objects/test_null.c, which has what it does with
NULL, or that it is given none.
"""
import re

from report import check, finish
from tree import ROOT

asked = set(re.findall(r"\barca_\w+", (ROOT / "tests/objects/test_null.c").read_text()))
for header in ("object.h", "containers.h", "gc.h"):
    text = (ROOT / "include" / "arca" / header).read_text()
    taking = re.findall(r"^(?:ARCA_API|static inline) [^;(]*?\b(arca_\w+)\(([^)]*[*\[][^)]*)\)", text, re.M)
    check(len(taking) > 5, f"{header}: no functions were found")
    for name, _ in taking:
        check(name in asked or name.startswith("arca_private_"), f"test_null.c has nothing of {name}() of {header}")
finish()
