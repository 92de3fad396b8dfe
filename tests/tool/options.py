#!/usr/bin/python3
"""arca options: a row for each of src/base/options.def."""
import json
import re

import sys

from tool import ROOT, check, complaint, tool

sys.path.insert(0, str(ROOT / "tests" / "text"))
import option_table  # noqa: E402

names = re.findall(r"^OPTION\((\w+),", (ROOT / "src/base/options.def").read_text(), re.M)
rows = json.loads(tool("options", "--json")[0])
check([row["name"] for row in rows] == names, f"JSON has {[row['name'] for row in rows]}, the table {names}")
check(next(row for row in rows if row["name"] == "purge")["default"] == "700ms", "the default of purge")
check({row["name"]: row["default"] or "none" for row in rows} == {name: option_table.shown(kind, default, name) for name, kind, default, *_ in option_table.rows()}, "defaults")
ranges = {name: option_table.values(kind, low, high, name).replace("`", "") for name, kind, _, low, high, _ in option_table.rows()}
check({row["name"]: row["values"] for row in rows} == ranges, f"other ranges than in README: {rows}")
check({row["unit"] for row in rows if row["type"] in ("duration", "size", "memory", "number")} == {"ms", "bytes", ""}, "units")
text, _ = tool("options")
for name in names:
    check(re.search(rf"^{name}=", text, re.M), f"{name} is not in the text")
check(all(f"({values})" in re.sub(r"\s+", " ", text) for values in ranges.values()), f"a range is not in the text: {text}")
check(not re.search(" $", text, re.M), "blanks at the ends of lines")
check(max(map(len, text.splitlines())) <= 120, "lines are too long")
check("'x' is no option" in complaint("options", "x", status=2), "options x")
