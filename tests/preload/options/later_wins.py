"""Of two settings of one option the later wins, and ARCA_<KEY> over ARCA_CONF: seen in whether an idle process shrinks."""
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from preload import check, environment, need, need_library, scratch

# Prints the share of a burst which is still resident after freeing it and so many tenths of a second, unless it has shrunk before.
BURST = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static long resident(void)
{
    long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    if (statm == NULL || fscanf(statm, "%*d %ld", &pages) != 1)
        exit(1);
    fclose(statm);
    return pages;
}
int main(int argc, char **argv)
{
    static char *blocks[100000];
    long base = resident();
    for (size_t i = 0; i < 100000; i++) {
        blocks[i] = malloc(1000);
        memset(blocks[i], 1, 1000);
    }
    long peak = resident();
    for (size_t i = 0; i < 100000; i++)
        free(blocks[i]);
    for (int i = atoi(argv[argc - 1]); i > 0 && resident() - base > (peak - base) / 2; i--)
        usleep(100000);
    printf("%ld\n", (resident() - base) * 100 / (peak - base));
}
"""

KEEPS = [{"ARCA_CONF": "purge=never"}, {"ARCA_CONF": "purge=100ms,purge=never"}, {"ARCA_CONF": "purge=100ms", "ARCA_PURGE": "never"}]
SHRINKS = [{"ARCA_CONF": "purge=100ms"}, {"ARCA_CONF": "purge=never,purge=100ms"}, {"ARCA_CONF": "purge=never", "ARCA_PURGE": "100ms"}]


def main():
    need_library()
    compiler = need("cc", "gcc")
    with scratch() as directory:
        (directory / "burst.c").write_text(BURST)
        subprocess.run([compiler, "-O1", "-fno-builtin", "-o", directory / "burst", directory / "burst.c"], check=True)
        started = [(settings, settings in KEEPS,
                    subprocess.Popen([directory / "burst", "40" if settings in KEEPS else "300"], env=environment(**settings), stdout=subprocess.PIPE, text=True))
                   for settings in KEEPS + SHRINKS]
        for settings, keeps, process in started:
            share = int(process.communicate(timeout=60)[0])
            check((share > 50) == keeps, f"{settings}: {share} % of the burst is still resident")


main()
