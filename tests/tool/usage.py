#!/usr/bin/python3
"""Each command tells how it is used, by either way of asking, and does nothing; a setting that is refused is not said to be replaced."""
import re

from tool import check, complaint, tool

commands = re.findall(r"^  arca (\w+)", tool("--help")[0], re.M)
check({"run", "stat", "serve"} <= set(commands), f"the commands: {commands}")
for command in commands:
    told = [tool(*words)[0] for words in ((command, "--help"), (command, "-h"), ("help", command))]
    check(len(set(told)) == 1 and told[0].startswith(f"arca {command} ") and told[0].count("\n") == 1, f"{command}: {told}")
check("'more' is one word too many" in complaint("options", "--json", "more", status=2), "a word behind an option")
check("'more' is no option" in complaint("options", "more", status=2), "a word that is no option")
check(tool("help", "nonsense")[0] == tool("help")[0], "help of what is no command")
line = complaint("run", "-o", "purge=5x", "--", "true", status=2)
check("want 500ms" in line and "using" not in line, line)
