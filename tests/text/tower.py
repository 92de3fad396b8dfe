#!/usr/bin/env python3
"""The tower: a lower floor never calls a higher one, and inside a floor only leftwards.

Reads the object files of a build that has one object a source (any preset but release), the #include lines, and
the picture in README.md.
Usage: tower.py [BUILD_DIR]
"""
import json
import re
import subprocess
from collections import defaultdict
from pathlib import Path

from report import check, finish
from tree import FLOOR_FOLDERS, ROOT, build_dir, library_files

# Bottom up; inside a floor from left to right.  A module is a file's stem, or stands in MODULE_OF_FILE.
FLOORS = {
    "src/base": "compiler poison atomic bits os log lock memory spelling options stats probe unwind",
    "arenas": "span page_map bitmap meta source site sample huge_page arena large purge",
    "src/heap": "size_class block harden quarantine remote pool watch retired span_cache heap growth usage",
    "src/front": "door profile pressure background process thread supply objects explicit hardened pointer malloc realloc guard trace domains dump ledger census figures page report control interpose operators",
    "gc/objects": "header type reserve count epoch fiber limbo cell debug keeper death recall ref slot weak",
    "gc/cycles": "carry scope set audit finder certifier teardown events collection collector api",
    "gc/containers": "hash int box intern str table list map copy",
}
MODULE_OF_FILE = {
    "os_linux": "os", "os_memory_linux": "os", "os_clock_linux": "os", "os_confine_linux": "os", "os_thread_linux": "os", "os_socket_linux": "os",
    "option_value": "options", "option_sources": "options",
    "arena_huge": "arena", "arena_law": "arena", "arena_mapping": "arena",
    "heap_life": "heap", "heap_shared": "heap", "heap_sweep": "heap",
    "profile_file": "profile",
    "report_exit": "report",
    "interpose_dlopen": "interpose", "interpose_mallctl": "interpose", "interpose_mallocx": "interpose",
    "interpose_seccomp": "interpose", "interpose_mlockall": "interpose", "interpose_namespace": "interpose",
}

# What the face takes over, and passes on as it came: whoever calls them means libc's.
LIBC_ALL_THE_SAME = {"prctl", "syscall"}

RANK = {}
for floor, folder in enumerate(FLOOR_FOLDERS):
    for place, module in enumerate(FLOORS[folder].split()):
        RANK[(folder, module)] = (floor, place)


def rank(path):
    """(floor, place) of a file, or None for one that the table does not know."""
    path = path.relative_to(ROOT)
    return RANK.get((str(path.parent), MODULE_OF_FILE.get(path.stem, path.stem)))


def objects(build):
    """Source path → object path, as the last configuration compiled them for the library."""
    for row in json.loads((build / "compile_commands.json").read_text()):
        source = Path(row["file"])
        if "/schedule.dir/" not in row["command"] and str(source.parent) in {str(ROOT / folder) for folder in FLOOR_FOLDERS}:
            yield source, Path(row["directory"]) / re.search(r" -o (\S+\.o) ", row["command"])[1]


def symbols(obj):
    """(defined, undefined) global names of an object file."""
    defined, undefined = set(), set()
    for line in subprocess.run(["nm", "-g", obj], check=True, capture_output=True, text=True).stdout.splitlines():
        *_, kind, name = line.split()
        (undefined if kind in "Uwv" and len(line.split()) == 2 else defined).add(name)
    return defined, undefined


def check_calls(build):
    homes, needs = defaultdict(set), {}
    for source, obj in objects(build):
        if not check(obj.exists(), f"{obj} is not built: build it first"):
            continue
        defined, needs[source] = symbols(obj)
        for name in defined:
            homes[name].add(source)
    for source, names in sorted(needs.items()):
        for name in sorted(names - LIBC_ALL_THE_SAME):
            for home in homes.get(name, ()):
                if rank(source) and rank(home):
                    check(rank(home) <= rank(source),
                          f"{source.relative_to(ROOT)} calls upwards: {name} is defined in {home.relative_to(ROOT)}")


def include_target(name):
    """The library's header that "base/x.h" means, or None."""
    for root in (ROOT / "src", ROOT):
        path = root / name
        if path.exists() and str(path.parent.relative_to(ROOT)) in FLOOR_FOLDERS:
            return path
    return None


def check_includes():
    for _, path in library_files(".c", ".h"):
        check(rank(path) is not None,
              f"{path.relative_to(ROOT)} has no place in the tower: add it to FLOORS in tests/text/tower.py")
        for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', path.read_text(), re.M):
            target = include_target(name)
            if target and target.suffix == ".h" and rank(path) and rank(target):
                check(rank(target) <= rank(path), f"{path.relative_to(ROOT)} includes upwards: {name}")


def check_picture():
    readme = (ROOT / "README.md").read_text()
    for floor, folder in enumerate(FLOOR_FOLDERS):
        line = re.search(rf"^floor {floor}  {folder} +(\S.*?)(?:   |$)", readme, re.M)
        check(line and line[1].split() == FLOORS[folder].split(), f"README.md's floor {floor} is not {FLOORS[folder]}")


check_includes()
check_picture()
check_calls(build_dir())
finish()
