"""Programs that are right run as before with each of the options that notice misuse, and have nothing to be told."""
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from preload import check, environment, need, need_library, scratch

SETTINGS = ["hardened=on", "hardened=on,junk=on", "guard=on", "zero=on", "junk=on", "quarantine=1m"]
# Of the suite's own programs, with the number of settings that they run under.
PROGRAMS = {"libc/random_aligned.c": 6, "libc/realloc.c": 2, "libc/calloc.c": 2, "libc/usable_size.c": 1, "libc/memalign.c": 1,
            "libc/new_delete.cc": 1, "libc/thread_exit.c": 1, "libc/free_errno.c": 1, "survive/stress.c": 2}
# Of threads that end what they kept back stays for the next ones: here so little that the bounds of the program hold.
ENDING = "hardened=on,quarantine=16k"


def build(source, directory):
    cxx = source.suffix == ".cc"
    compiler = need("c++", "g++") if cxx else need("cc", "gcc")
    program = directory / source.stem
    subprocess.run([compiler, "-std=gnu++17" if cxx else "-std=gnu11", *(["-fsized-deallocation"] if cxx else []), "-O1", "-g",
                    "-fno-builtin", "-D_GNU_SOURCE", "-pthread", f"-I{HERE.parent}", "-o", program, source, "-ldl"], check=True)
    return program


def main():
    need_library()
    built = os.environ.get("PRELOAD_BUILD", "")
    with scratch() as directory:
        for name, settings_of in [*((name, SETTINGS[:count]) for name, count in PROGRAMS.items()), ("survive/tls_destructors.c", [ENDING])]:
            ready = Path(built) / Path(name).with_suffix("")
            program = ready if built and ready.exists() else build(HERE.parent / name, directory)
            for settings in settings_of:
                done = subprocess.run([program], env=environment(ARCA_CONF=settings), capture_output=True, text=True, timeout=120)
                check(done.returncode == 0 and "arca:" not in done.stderr,
                      f"{name} with {settings}: status {done.returncode}: {done.stdout[-200:]} {done.stderr[-200:]}")


main()
