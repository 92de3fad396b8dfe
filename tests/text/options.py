#!/usr/bin/env python3
"""README.md's option table says what src/base/options.def says, row by row."""
import option_table
from report import check, finish

expected = option_table.table().splitlines()
actual = option_table.split()[1].splitlines()
HOW = "run tests/text/option_table.py --write"

check(len(expected) > 2, "src/base/options.def has no option")
for row in expected:
    check(row in actual, f"README.md lacks this row of the option table ({HOW}): {row}")
for row in actual:
    check(row in expected, f"README.md has an option row that src/base/options.def does not ({HOW}): {row}")
check(expected == actual, f"the rows are not in the order of src/base/options.def ({HOW})")
finish()
