"""valgrind: memcheck puts its own malloc before a preloaded one, and finds what it finds elsewhere; told not to, it runs Arca's."""
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from preload import LIB, check, environment, need, scratch

PROGRAM = """
#include <stdlib.h>
int main(void)
{
    char *volatile block = malloc(100);
    free(block);
    char *volatile lost = malloc(40);
    lost = NULL;
    return block[50];
}
"""


def run(program, *options):
    valgrind = need("valgrind", "valgrind")
    done = subprocess.run([valgrind, "-q", "--leak-check=full", *options, program], env=environment(), capture_output=True, text=True)
    return done.returncode, done.stderr


def main():
    compiler = need("cc", "gcc")
    with scratch() as directory:
        source, program = directory / "program.c", directory / "program"
        source.write_text(PROGRAM)
        subprocess.run([compiler, "-g", "-O0", "-w", "-fno-builtin", "-o", program, source], check=True)
        _, said = run(program)
        check("Invalid read of size 1" in said and "40 bytes in 1 blocks are definitely lost" in said, f"memcheck says {said}")
        if LIB:
            status, said = run(program, "--soname-synonyms=somalloc=nouserintercepts")
            check(status == 0 and "Invalid" not in said and "lost" not in said, f"with Arca's own malloc: {status}, {said}")


main()
