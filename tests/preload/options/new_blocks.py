"""What new blocks cost, by instructions: realloc() of nothing little more than malloc, and of pages that are used for the
first time a block hardly more than it takes to put it on a list."""
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from preload import check, environment, need, need_library, scratch

SOURCE = """
#include <stdlib.h>
#include <string.h>
int main(int argc, char **argv)
{
    int by_realloc = strcmp(argv[1], "realloc") == 0, keep = strcmp(argv[1], "keep") == 0;
    for (long left = strtol(argv[2], NULL, 10); left > 0; left--) {
        void *volatile block = by_realloc ? realloc(NULL, 64) : malloc(64);
        if (!keep)
            free(block);
    }
    return argc != 3;
}
"""


def count(program, what, blocks):
    """The instructions of a program, which valgrind leaves its malloc."""
    done = subprocess.run([need("valgrind", "valgrind"), "--tool=callgrind", "--callgrind-out-file=/dev/null", program, what, str(blocks)],
                          env=environment(ARCA_BACKGROUND="off"), capture_output=True, text=True)
    collected = re.search(r"Collected : (\d+)", done.stderr)
    check(done.returncode == 0 and collected, f"callgrind: {done.stderr[-300:]}")
    return int(collected[1])


def each(program, what):
    return (count(program, what, 200000) - count(program, what, 100000)) / 100000


def main():
    need_library()
    compiler = need("cc", "gcc")
    with scratch() as directory:
        source, program = directory / "new.c", directory / "new"
        source.write_text(SOURCE)
        subprocess.run([compiler, "-O2", "-fno-builtin", "-o", program, source], check=True)
        by_malloc, by_realloc, kept = each(program, "malloc"), each(program, "realloc"), each(program, "keep")
        print(f"malloc and free {by_malloc:.1f}, realloc and free {by_realloc:.1f}, malloc of new memory {kept:.1f}")
        check(by_realloc - by_malloc <= 12, f"realloc(NULL, 64) takes {by_realloc - by_malloc:.1f} instructions more than malloc(64)")
        check(kept <= 98, f"a malloc of 64 bytes out of new pages takes {kept:.1f} instructions")


main()
