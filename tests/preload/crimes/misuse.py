"""29 kinds of misuse: how many are noticed, and that none makes malloc hand out what it must not.

`misuse.py --compare` prints what becomes of each kind under every allocator that is installed.
"""
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from preload import check, environment, need, need_library, scratch

HARMFUL = 3
ARCA_LINE = re.compile(r"arca: \w+\(\): .+")
# Settings, and how many kinds have to be detected at least.
ARCA = {"arca": ({}, 25), "hardened": ({"ARCA_CONF": "hardened=on"}, 27)}


def shows_a_secret(line):
    """Marks and links have the sign; addresses do not."""
    return any(int(number, 16) >> 47 for number in re.findall(r"0x([0-9a-f]+)", line))


def classify(done, line):
    """detected: a line, and the end; trapped: the processor stopped the deed itself; crashed: the allocator fell over it."""
    lines = done.stderr.splitlines()
    if done.returncode == -signal.SIGABRT and len(lines) == 1 and line.fullmatch(lines[0]):
        return "crashed" if shows_a_secret(lines[0]) else "detected"
    if done.returncode in (-signal.SIGSEGV, -signal.SIGBUS):
        return "trapped" if "deed" in done.stdout and "past" not in done.stdout else "crashed"
    if done.returncode == HARMFUL:
        return "harmful"
    return "unnoticed" if done.returncode == 0 else "crashed"


def outcome(program, kind, env, line):
    try:
        return classify(subprocess.run([program, kind], env=env, capture_output=True, text=True, timeout=60), line)
    except subprocess.TimeoutExpired:
        return "harmful"


def outcomes(program, kinds, env, line):
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(kinds, pool.map(lambda kind: outcome(program, kind, env, line), kinds)))


def noticed(found):
    return [kind for kind, became in found.items() if became in ("detected", "trapped")]


def judge(name, found, least):
    harmful = [kind for kind, became in found.items() if became == "harmful"]
    check(not harmful, f"{name}: {', '.join(harmful)} makes malloc hand out what it must not")
    check(len(noticed(found)) >= least,
          f"{name}: {len(noticed(found))} kinds noticed, want {least}; not noticed: "
          f"{', '.join(f'{kind} ({became})' for kind, became in found.items() if kind not in noticed(found))}")


def compare(program, kinds, table):
    sys.path.insert(0, str(HERE.parents[2] / "bench" / "lib"))
    import allocators
    any_line = re.compile(r".*")
    for name in ("glibc", *allocators.PEERS):
        try:
            table[name] = outcomes(program, kinds, allocators.find(name).environment(), any_line)
        except allocators.Missing as missing:
            print(f"SKIPPED {name}: {missing}")
    print(f"{'':26}", *(f"{name:>14}" for name in table))
    for kind in kinds:
        print(f"{kind:26}", *(f"{found[kind]:>14}" for found in table.values()))
    for verdict in ("detected", "trapped", "crashed", "unnoticed", "harmful"):
        print(f"{verdict:26}", *(f"{list(found.values()).count(verdict):>14}" for found in table.values()))


def main():
    need_library()
    compiler = need("cc", "gcc")
    with scratch() as directory:
        program = directory / "misuse"
        subprocess.run([compiler, "-O1", "-g", "-fno-builtin", "-D_GNU_SOURCE", "-pthread", "-Wall", "-Wextra", "-Werror",
                        f"-I{HERE.parent}", "-o", program, HERE / "misuse.c", "-ldl"], check=True)
        kinds = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()
        table = {name: outcomes(program, kinds, environment(**settings), ARCA_LINE)
                 for name, (settings, _) in ARCA.items()}
        if "--compare" in sys.argv[1:]:
            compare(program, kinds, table)
        for name, (_, least) in ARCA.items():
            judge(name, table[name], least)


main()
