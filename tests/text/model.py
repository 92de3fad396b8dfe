#!/usr/bin/env python3
"""The model of the collector is kept in step: what it says that it models ("= function, function (file)") is there."""
import re

from report import check, finish
from tree import ROOT

MODEL = ROOT / "tests/model/certify.pml"
NAMED = re.compile(r"([a-z_]+(?:, [a-z_]+)*) \(([a-z_/]+\.[ch])\)")
DEFINED = r"^(?!#|\s|/\*).*\b{}\("  # at the left margin, as all functions are


def entries():
    for comment in re.findall(r"/\*(.*?)\*/", MODEL.read_text(), re.DOTALL):
        for part in " ".join(comment.split()).split("= ")[1:]:
            for names, file in NAMED.findall(part):
                yield from ((name, file) for name in names.split(", "))


named = sorted(set(entries()))
for name, file in named:
    path = ROOT / file
    check(path.exists(), f"{MODEL.name}: there is no {file}")
    check(path.exists() and re.search(DEFINED.format(name), path.read_text(), re.MULTILINE), f"{MODEL.name}: {file} has no {name}()")
check(len(named) > 30, f"{MODEL.name}: only {len(named)} functions are named")
finish()
