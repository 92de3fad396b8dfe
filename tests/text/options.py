#!/usr/bin/env python3
"""README.md's option table and the page arca-env(7) say what src/base/options.def says, and scdoc takes the page."""
import subprocess

import option_table
from report import check, finish, have

expected = option_table.table().splitlines()
actual = option_table.split()[1].splitlines()
HOW = "run tests/text/option_table.py --write"

check(len(expected) > 2, "src/base/options.def has no option")
for row in expected:
    check(row in actual, f"README.md lacks this row of the option table ({HOW}): {row}")
for row in actual:
    check(row in expected, f"README.md has an option row that src/base/options.def does not ({HOW}): {row}")
check(expected == actual, f"the rows are not in the order of src/base/options.def ({HOW})")
check(option_table.split(option_table.PAGE)[1] == option_table.page(), f"docs/man/arca-env.7.scd has other options ({HOW})")
if have("scdoc", "scdoc"):
    with option_table.PAGE.open() as source:
        made = subprocess.run(["scdoc"], stdin=source, capture_output=True, text=True)
    check(made.returncode == 0 and ".SH OPTIONS" in made.stdout, f"scdoc refuses docs/man/arca-env.7.scd: {made.stderr}")
finish()
