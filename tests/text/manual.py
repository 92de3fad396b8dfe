#!/usr/bin/env python3
"""The manual pages are well-formed, name every function of the headers, and no option that there is not.

Usage: manual.py [BUILD_DIR]
"""
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from report import check, finish, have
from tree import ROOT

MANUAL = ROOT / "docs" / "man"
HEADERS = {"arca.3.scd": ["arca.h", "domains.h"], "arca-gc.3.scd": ["object.h", "gc.h", "containers.h"]}


def check_names():
    for page, headers in HEADERS.items():
        words = set(re.findall(r"\w+", (MANUAL / page).read_text()))
        for header in headers:
            text = (ROOT / "include" / "arca" / header).read_text()
            for name in re.findall(r"^(?:ARCA_API|static inline) [^;(]*?\b(arca_\w+)\(", text, re.M):
                check(name in words or name.startswith("arca_private_"), f"docs/man/{page} does not name {name}() of {header}")


def check_options():
    rows = (ROOT / "src" / "base" / "options.def").read_text()
    options = set(re.findall(r"^OPTION\((\w+),", rows, re.M))
    for page in (*MANUAL.glob("*.scd"), ROOT / "docs" / "recipes.md"):
        text = page.read_text()
        for conf in re.findall(r"ARCA_CONF=[\"']?([^\s\"'}]+)", text) + re.findall(r"^([a-z]\w*=[^\s(]+)$", text, re.M):
            for setting in conf.split(","):
                name = setting.split("=")[0].strip("_*\\")
                check(not name or name in options or "key" in name, f"docs/man/{page.name}: {setting!r} is no setting")


def check_form(scratch):
    for source in sorted(MANUAL.glob("*.scd")):
        page = scratch / source.stem
        with source.open() as text, page.open("w") as roff:
            made = subprocess.run(["scdoc"], stdin=text, stdout=roff, stderr=subprocess.PIPE, text=True)
        if check(made.returncode == 0, f"docs/man/{source.name}: {made.stderr.strip()}"):
            shown = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env={"MANWIDTH": "100", "PATH": "/usr/bin:/bin"})
            check(shown.returncode == 0 and not shown.stderr, f"docs/man/{source.name}: {shown.stderr.strip()}")
            check(len(shown.stdout) > 1000, f"docs/man/{source.name} shows nothing")


check_names()
check_options()
if have("scdoc", "scdoc") and have("man", "man-db"):
    with tempfile.TemporaryDirectory() as folder:
        check_form(Path(folder))
finish()
