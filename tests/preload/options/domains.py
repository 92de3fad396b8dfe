"""examples/domains: its top names the functions, google-pprof reads its trace by file:line, its overrun ends in one line."""
import re
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from preload import LIB, check, need, need_library, scratch

SOURCE = HERE.parents[2] / "examples" / "domains" / "parser.c"
LIBRARIES = Path(LIB).parent


def run(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60)


def function_at(program, text):
    """Of parser+0xOFFSET, the address behind a call."""
    offset = int(re.search(r"parser\+(0x[0-9a-f]+)", text)[1], 16) - 1
    return run(need("addr2line", "binutils"), "-f", "-e", program, hex(offset)).stdout.splitlines()[0]


def check_top(program):
    done = run(program, "top")
    lines = [line for line in done.stderr.splitlines() if "called from" not in line]
    check(done.returncode == 0 and len(lines) == 4, f"top: status {done.returncode}, {done.stderr!r}")
    for line, want in zip(lines, ("22000 bytes in 1000", "16000 bytes in 1000", "2200 bytes in 100", "1600 bytes in 100")):
        check(re.fullmatch(rf"arca: {want} blocks: parser\+0x[0-9a-f]+", line), f"top: want {want}, got {line!r}")
        check(function_at(program, line) == "parse_word", f"top: {line} is in {function_at(program, line)}")
    callers = [line for line in done.stderr.splitlines() if "called from parser" in line]
    check(callers and {function_at(program, line) for line in callers} >= {"parse", "top", "main"},
          f"top: callers {sorted({function_at(program, line) for line in callers})} in {done.stderr}")


def check_file(program, path):
    tool = need("google-pprof", "google-perftools")
    done = run(program, "file", path)
    check(done.returncode == 0, f"file: {done.stderr}")
    text = run(tool, "--text", "--lines", "--show_bytes", program, path).stdout
    source = SOURCE.read_text().splitlines()
    for what, total in (("malloc(ARCA_DOMAIN_GENERAL", 22000), ("malloc(ARCA_DOMAIN_OBJECT", 16000)):
        number = next(i for i, line in enumerate(source, 1) if what in line)
        found = re.search(rf"^\s*{total} .* parse_word \S*parser.c:(\d+)$", text, re.M)
        check(found and 0 <= int(found[1]) - number <= 2, f"file: no {total} bytes near parser.c:{number} in:\n{text}")


def check_overrun(program):
    done = run(program, "overrun")
    want = r"arca: free\(\): 0x[0-9a-f]+: written past its end \(22 bytes of domain general, " \
           r"allocated at parser\+0x[0-9a-f]+\)\n"
    check(done.returncode == -signal.SIGABRT and re.fullmatch(want, done.stderr),
          f"overrun: status {done.returncode}, {done.stderr!r}")
    check(function_at(program, done.stderr) == "parse_word", f"overrun: {done.stderr!r}")


def main():
    need_library()
    need("cc", "gcc")
    with scratch() as directory:
        program = directory / "parser"
        done = run("cc", "-O1", "-g", "-Wall", "-Wextra", "-fno-omit-frame-pointer", "-fno-inline", "-fno-optimize-sibling-calls",
                   f"-I{HERE.parents[2] / 'include'}", SOURCE, f"-L{LIBRARIES}", "-larca", f"-Wl,-rpath,{LIBRARIES}",
                   "-o", program)
        check(done.returncode == 0, f"it does not build: {done.stderr}")
        check_top(program)
        check_file(program, directory / "trace")
        check_overrun(program)


main()
