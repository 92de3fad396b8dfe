"""A profile charges each block to the function of the program that asked for it, whatever it asked: not to one of Arca's own."""
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from preload import check, environment, need, need_library, run, scratch

EACH = 50 * (40 + 3000 + 300000)
ALIGNED = 1.001  # a size may be rounded up


def main():
    need_library()
    need("c++", "g++")
    source = HERE / "profile_callers.cc"
    names = re.findall(r"^PLACE\((\w+)", source.read_text(), re.M)
    with scratch() as directory:
        for flag in ("-fno-omit-frame-pointer", "-fomit-frame-pointer"):
            program = directory / flag.strip("-")
            subprocess.run(["c++", "-std=c++17", "-O2", "-g", "-fno-builtin", flag, "-o", program, source], check=True)
            run([program], env=environment(ARCA_PROFILE="1", ARCA_PROFILE_FILE=str(directory / "profile")))
            text = subprocess.run([need("google-pprof", "google-perftools"), "--text", "--show_bytes", program, directory / "profile"], check=True,
                                  capture_output=True, text=True).stdout
            own = {match[2]: int(match[1]) for match in re.finditer(r"^\s*(\d+)\s+\S+%\s+\S+%\s+\S+\s+\S+%\s+(\w+)", text, re.M)}
            wrong = {name: own.get(f"by_{name}", 0) for name in names if not EACH <= own.get(f"by_{name}", 0) <= EACH * ALIGNED}
            others = {name: size for name, size in own.items() if size >= EACH and name.removeprefix("by_") not in names}
            check(len(names) == 13 and not wrong and not others, f"{flag}: not {EACH} bytes: {wrong}; charged to others: {others}")


main()
