#!/usr/bin/env python3
"""What can not be looked at, where a program is not installed, is told and counted as skipped, and nothing else goes wrong.

Usage: skips.py [BUILD_DIR]
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from report import check, finish
from tree import build_dir

HERE = Path(__file__).resolve().parent

with tempfile.TemporaryDirectory() as empty:
    for name in ("abi", "protections", "manual", "options"):
        done = subprocess.run([sys.executable, HERE / f"{name}.py", build_dir()], capture_output=True, text=True,
                              env={**os.environ, "PATH": empty})
        *_, last = done.stdout.splitlines() or [""]
        check(done.returncode == 0 and re.fullmatch(r"\d+ passed, 0 failed, [1-9]\d* skipped", last),
              f"{name}.py without programs: status {done.returncode}, {last!r} {done.stderr[-200:]}")
        check(re.search(r"^\[SKIP\] \w+ is not installed: apt-get install ", done.stdout, re.M), f"{name}.py does not say what it lacks")
finish()
