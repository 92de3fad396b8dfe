"""The option profile: google-pprof reads what is written, names the places, and estimates their bytes; programs without frame
pointers are profiled, too."""
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from preload import check, environment, need, need_library, run, scratch

RATE = 4096


def build(directory, *flags):
    program = directory / ("program" + "".join(flags))
    subprocess.run(["cc", "-O2", "-g", "-fno-builtin", *flags, "-o", program, HERE / "heap_profile.c"], check=True)
    return program


def profile(program, directory):
    """The paths of both views, of what lives at the end and of the peak."""
    live, peak = directory / "live", directory / "peak"
    run([program, live, peak], env=environment(ARCA_PROFILE=str(RATE)))
    return live, peak


def pprof(program, path, *flags):
    """Function → (bytes of its own, bytes of what it calls too)."""
    tool = need("google-pprof", "google-perftools")
    text = subprocess.run([tool, "--text", "--show_bytes", *flags, program, path], check=True, capture_output=True, text=True).stdout
    found = {}
    for line in text.splitlines():
        match = re.match(r"\s*(\S+)\s+\S+%\s+\S+%\s+(\S+)\s+\S+%\s+(\w+)", line)
        if match:
            found[match[3]] = tuple(float(n) for n in match.group(1, 2))
    check(found, f"google-pprof shows nothing of {path}:\n{text}")
    return found


def near(estimate, truth):
    """Ten deviations of the estimate: its variance is at most rate * bytes."""
    return abs(estimate - truth) < 10 * (RATE * truth) ** 0.5


def check_bytes(found, name, truth, view):
    own = next((value[0] for key, value in found.items() if key.startswith(name)), None)
    check(own is not None, f"{view}: {name} is not named: {sorted(found)}")
    check(near(own, truth), f"{view}: {name} has {own:.0f} bytes by the profile, {truth} in truth")


def main():
    need_library()
    need("cc", "gcc")
    with scratch() as directory:
        program = build(directory, "-fno-omit-frame-pointer")
        live, peak = profile(program, directory)
        found = pprof(program, live)
        check_bytes(found, "keep_small", 19900 / 2 * 500, "live")
        check_bytes(found, "keep_large", 100 / 2 * 100000, "live")
        check("main" in found and found["main"][1] >= found["keep_small"][0] + found["keep_large"][0] - 1,
              f"live: main is not the caller of all: {found}")
        check("allocate_one" not in found, f"live: a block that was freed is shown: {found}")
        found = pprof(program, peak)
        check_bytes(found, "keep_small", 19900 * 500, "peak")
        check_bytes(found, "keep_large", 100 * 100000, "peak")
        check_bytes(found, "allocate_one", 2000000, "peak")
        found = pprof(program, live, "--alloc_space", "--cum")
        passed = next((value[1] for key, value in found.items() if key.startswith("pass_through")), 0)
        check(near(passed, 20000 * 9000), f"pass_through has allocated {passed} bytes by the profile, {20000 * 9000} in truth")

        run([program, live, peak], env=environment(ARCA_PROFILE=str(RATE), ARCA_PROFILE_FILE=f"{directory}/%p"))
        names = sorted(path.name for path in directory.glob("[0-9]*"))
        check(len(names) == 2 and names[1] == names[0] + ".peak", f"profile_file=%p has left {names}")
        at_exit = pprof(program, directory / names[0])
        check_bytes(at_exit, "keep_small", 19900 / 2 * 500, "at exit")
        check("allocate_one" not in at_exit, f"at exit: a block that was freed is shown: {at_exit}")
        check_bytes(pprof(program, directory / names[1]), "allocate_one", 2000000, "peak at exit")

        program = build(directory, "-fomit-frame-pointer")
        live, _ = profile(program, directory)
        check_bytes(pprof(program, live), "keep_small", 19900 / 2 * 500, "without frame pointers")


main()
