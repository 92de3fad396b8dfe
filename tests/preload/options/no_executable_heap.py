"""No mapping of a running program is both writable and executable, and no memory of the heap is executable."""
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from preload import check, environment, need_library

PROGRAM = "\n".join([
    "import threading",
    "blocks = [bytes(size) for size in range(1, 300000, 1000)]",
    "threads = [threading.Thread(target=lambda: blocks.append(bytes(10 ** 7))) for _ in range(4)]",
    "for thread in threads: thread.start()",
    "for thread in threads: thread.join()",
    "print(open('/proc/self/maps').read())",
])


def main():
    need_library()
    for settings in ({}, {"ARCA_CONF": "huge_pages=off"}):
        maps = subprocess.run([sys.executable, "-c", PROGRAM], env=environment(**settings), capture_output=True, text=True,
                              check=True).stdout
        rows = re.findall(r"^\S+ (\S{4}) \S+ \S+ \d+ *(.*)$", maps, re.M)
        check(any("libarca" in path for _, path in rows), "the library is not there")
        for flags, path in rows:
            check(not ("w" in flags and "x" in flags), f"{path or 'a mapping'} is {flags}")
            check("x" not in flags or path, f"memory without a name is {flags}")


main()
