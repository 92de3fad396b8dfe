"""The option profile at 512k by instructions: two a request, at most 2 % of a program that works with its memory, 5 % of one that
does nothing but make texts grow, and less than half as much again of one that asks for a sample each time."""
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from preload import check, environment, need, need_library, scratch

PAIRS = """
#include <stdlib.h>
int main(int argc, char **argv)
{
    for (long left = strtol(argv[1], NULL, 10); left > 0; left--) {
        void *volatile block = malloc(strtoul(argv[2], NULL, 10));
        free(block);
    }
    return argc != 3;
}
"""

TEXTS = """
#include <stdlib.h>
int main(int argc, char **argv)
{
    for (long left = strtol(argv[1], NULL, 10); left > 0; left--) {
        char *text = NULL;
        for (size_t size = 48; size <= 2000; size += 48)
            text = realloc(text, size);
        free(text);
    }
    return argc != 2;
}
"""

JSON = """
import json
users = [{"id": i, "name": f"user{i}", "tags": ["a", "b", str(i)], "score": i * 1.5} for i in range(3000)]
for _ in range(3):
    users = json.loads(json.dumps(users))
"""


def count(profile, *command):
    """The instructions of a program, which valgrind leaves its malloc."""
    env = environment(ARCA_PROFILE=profile, PYTHONHASHSEED="0", PYTHONMALLOC="malloc")
    done = subprocess.run([need("valgrind", "valgrind"), "--tool=callgrind", "--callgrind-out-file=/dev/null", *map(str, command)],
                          env=env, capture_output=True, text=True)
    collected = re.search(r"Collected : (\d+)", done.stderr)
    check(done.returncode == 0 and collected, f"callgrind: {done.stderr[-300:]}")
    return int(collected[1])


def count_pair(profile, program, size, times=100000):
    return (count(profile, program, 2 * times, size) - count(profile, program, times, size)) / times


def main():
    need_library()
    compiler = need("cc", "gcc")
    python = need("/usr/bin/python3", "python3")
    with scratch() as directory:
        def made(name, text):
            source, program = directory / f"{name}.c", directory / name
            source.write_text(text)
            subprocess.run([compiler, "-O2", "-fno-builtin", "-o", program, source], check=True)
            return program

        program, texts = made("pairs", PAIRS), made("texts", TEXTS)
        more = count_pair("512k", program, 64) - count_pair("0", program, 64)
        check(0 < more <= 3, f"a malloc of 64 bytes takes {more:.2f} instructions more with profile=512k")
        large, without = count_pair("512k", program, 1 << 20, 10000), count_pair("0", program, 1 << 20, 10000)
        check(large <= 1.5 * without, f"a malloc of 1 MiB takes {large:.0f} instructions with profile=512k, {without:.0f} without")
        without, with_profile = count("0", texts, 20000), count("512k", texts, 20000)
        check(with_profile <= 1.05 * without, f"texts that grow take {with_profile} instructions with profile=512k, {without} without")
        script = directory / "script.py"
        script.write_text(JSON)
        without, with_profile = count("0", python, script), count("512k", python, script)
        check(with_profile <= 1.02 * without, f"JSON takes {with_profile} instructions with profile=512k, {without} without")


main()
