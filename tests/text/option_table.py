#!/usr/bin/env python3
"""README.md's option table, made from src/base/options.def.  `option_table.py --write` puts it there."""
import re
import sys

from tree import ROOT

README = ROOT / "README.md"
BEGIN = "<!-- options: made by tests/text/option_table.py --write -->"
END = "<!-- /options -->"

ROW = re.compile(r'^OPTION\((\w+),\s*([A-Z]+),\s*(\w+),\s*(\w+),\s*(\w+),\s*"((?:[^"\\]|\\.)*)"\)\s*$')


def rows():
    """(name, type, default, min, max, sentence) of every option; a line that looks like none is an error."""
    found = []
    for number, line in enumerate((ROOT / "src/base/options.def").read_text().splitlines(), 1):
        if line.startswith("OPTION("):
            match = ROW.match(line)
            if not match:
                sys.exit(f"src/base/options.def:{number}: not a row: OPTION(name, type, default, min, max, sentence)")
            found.append(match.groups())
    return found


def number(text):
    return 2**64 - 1 if text in ("UINT64_MAX", "OPTION_NEVER") else int(text.rstrip("uUlL"), 0)


def words(name):
    """Those of a WORD option, by value."""
    source = (ROOT / "src/base/option_value.c").read_text()
    return re.findall(r'"(\w+)"', re.search(rf"\[OPTION_KEY_{name}\] = \{{(.*)\}},", source)[1])


def in_units(value, units):
    """The value in the largest unit that divides it."""
    for unit, factor in units:
        if value and value % factor == 0:
            return f"{value // factor}{unit}"
    return str(value)


def shown(kind, text, name=None):
    value = number(text)
    if kind == "WORD":
        return words(name)[value]
    if kind == "FLAG":
        return "on" if value else "off"
    if kind == "DURATION":
        if value == 2**64 - 1:
            return "never"
        return in_units(value, [("m", 60000), ("s", 1000), ("ms", 1)]) if value else "0ms"
    if kind == "TEXT":
        return "none"
    if kind == "NUMBER":
        return str(value)
    return in_units(value, [("g", 1 << 30), ("m", 1 << 20), ("k", 1 << 10)])


def values(kind, low, high, name):
    if kind == "WORD":
        return ", ".join(words(name))
    if kind == "FLAG":
        return "on, off"
    if kind == "TEXT":
        return f"up to {high} bytes; `%p` is the process' number"
    if number(high) == 0:
        return f"{shown(kind, low)} and more" if number(low) else "any"
    upto = f"{shown(kind, low)} to {shown(kind, high)}"
    return upto + ", never" if kind == "DURATION" else upto


def table():
    lines = ["| option | default | values | |", "|---|---|---|---|"]
    for name, kind, default, low, high, sentence in rows():
        sentence = sentence.replace('\\"', '"').replace("|", "\\|")
        lines.append(f"| `{name}` | {shown(kind, default, name)} | {values(kind, low, high, name)} | {sentence} |")
    return "\n".join(lines)


def split():
    """README.md as (before, table, after)."""
    text = README.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        sys.exit(f"README.md must have one line {BEGIN} and one {END}")
    before, rest = text.split(BEGIN)
    inside, after = rest.split(END)
    return before, inside.strip(), after


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    before, _, after = split()
    README.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}")
