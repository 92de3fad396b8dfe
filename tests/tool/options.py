#!/usr/bin/python3
"""arca options: a row for each of src/base/options.def."""
import json
import re

from tool import ROOT, check, complaint, tool

names = re.findall(r"^OPTION\((\w+),", (ROOT / "src/base/options.def").read_text(), re.M)
rows = json.loads(tool("options", "--json")[0])
check([row["name"] for row in rows] == names, f"JSON has {[row['name'] for row in rows]}, the table {names}")
check(next(row for row in rows if row["name"] == "purge")["default"] == "700ms", "the default of purge")
text, _ = tool("options")
for name in names:
    check(re.search(rf"^{name}=", text, re.M), f"{name} is not in the text")
check(max(map(len, text.splitlines())) <= 120, "lines are too long")
check("'x' is no option" in complaint("options", "x", status=2), "options x")
