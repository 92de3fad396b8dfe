#!/usr/bin/env python3
"""The probes that docs/probes.md lists, with their arguments, are those in the libraries' notes.

Usage: probes.py [BUILD_DIR]
"""
import re
import subprocess

from report import check, finish
from tree import ROOT, build_dir

ROW = re.compile(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", re.M)
NOTE = re.compile(r"Provider: arca\s+Name: (\w+)\s+Location:.*?Arguments: ([^\n]*)", re.S)


def listed():
    """{(library, probe): number of arguments}"""
    text = (ROOT / "docs" / "probes.md").read_text()
    return {(library, name): len(arguments.split(", ")) for name, library, arguments in ROW.findall(text)}


def found(library):
    path = build_dir() / f"{library}.so"
    if not path.exists():
        return {}
    notes = subprocess.run(["readelf", "--notes", "--wide", path], check=True, capture_output=True, text=True).stdout
    return {(library, name): len(arguments.split()) for name, arguments in NOTE.findall(notes)}


libraries = [name for name in ("libarca", "libarcagc") if (build_dir() / f"{name}.so").exists()]
want = {key: value for key, value in listed().items() if key[0] in libraries}
have = {key: value for library in libraries for key, value in found(library).items()}
check(want, "docs/probes.md lists no probe")
for key in sorted(want.keys() | have.keys()):
    library, name = key
    check(key in have, f"docs/probes.md lists {name} of {library}, which does not have it")
    check(key in want, f"{library} has the probe {name}, which docs/probes.md does not list")
    check(want.get(key) == have.get(key) or key not in want or key not in have,
          f"{name} of {library} has {have.get(key)} arguments, docs/probes.md lists {want.get(key)}")
finish()
