#!/usr/bin/env python3
"""The options in README.md and in the page arca-env(7), made from src/base/options.def.  `option_table.py --write` puts them
there."""
import re
import sys

from tree import ROOT

README = ROOT / "README.md"
PAGE = ROOT / "docs/man/arca-env.7.scd"
MADE = "options: made by tests/text/option_table.py --write"
MARKS = {README: (f"<!-- {MADE} -->", "<!-- /options -->"), PAGE: (f"; {MADE}", "; /options")}

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


def in_page(sentence):
    """A sentence of Markdown for scdoc: what is code becomes bold, and no other sign means anything."""
    parts = sentence.replace('\\"', '"').split("`")
    return "".join("*" + part + "*" if i % 2 else re.sub(r"([*_<>#\\])", r"\\\1", part) for i, part in enumerate(parts))


def page():
    entries = []
    for name, kind, default, low, high, sentence in rows():
        said = f"{shown(kind, default, name)}; {in_page(values(kind, low, high, name))}"
        entries.append(f"*{name}* ({said})\n\t{in_page(sentence[0].upper() + sentence[1:])}.")
    return "\n\n".join(entries)


TEXTS = {README: table, PAGE: page}


def split(path=README):
    """A file as (before, options, after)."""
    begin, end = MARKS[path]
    text = path.read_text()
    if text.count(begin) != 1 or text.count(end) != 1:
        sys.exit(f"{path.relative_to(ROOT)} must have one line {begin} and one {end}")
    before, rest = text.split(begin)
    inside, after = rest.split(end)
    return before, inside.strip(), after


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    for path, made in TEXTS.items():
        before, _, after = split(path)
        begin, end = MARKS[path]
        path.write_text(f"{before}{begin}\n{made()}\n{end}{after}")
