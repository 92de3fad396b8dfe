"""Compiles programs into build/bench when an input is newer than the result."""

import glob
import os
import subprocess

from allocators import ROOT

FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"]
OUTPUT = "{output}"
RETAINED = os.path.join(ROOT, "bench", "retained")


def made(target, inputs, command):
    """The path build/bench/TARGET; command makes it, with -o FILE behind it or where it says OUTPUT."""
    target = os.path.join(ROOT, "build", "bench", target)
    if not os.path.exists(target) or os.path.getmtime(target) < max(map(os.path.getmtime, inputs)):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        fresh = f"{target}.{os.getpid()}"  # renamed when complete: two drivers may build at once
        if not any(OUTPUT in argument for argument in command):
            command = [*command, "-o", fresh]
        subprocess.run([argument.replace(OUTPUT, fresh) for argument in command], check=True)
        os.replace(fresh, target)
    return target


def compiler():
    return os.environ.get("CC", "cc")


def program(source):
    """The path of the program made from a C file; any header beside it or of the workloads counts as its input."""
    folder, name = os.path.split(os.path.abspath(source))
    inputs = [source, *glob.glob(os.path.join(folder, "*.h")), *glob.glob(os.path.join(RETAINED, "*.h"))]
    return made(os.path.join(os.path.basename(folder), os.path.splitext(name)[0]), inputs,
                [compiler(), *FLAGS, f"-I{RETAINED}", source])
