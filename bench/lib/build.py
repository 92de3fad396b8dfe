"""Compiles a one-file C program into build/bench when it or its headers are newer than the result."""

import glob
import os
import subprocess

from allocators import ROOT

FLAGS = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"]
RETAINED = os.path.join(ROOT, "bench", "retained")


def program(source):
    """The path of the program made from a C file; any header beside it or of the workloads counts as its input."""
    folder, name = os.path.split(os.path.abspath(source))
    target = os.path.join(ROOT, "build", "bench", os.path.basename(folder), os.path.splitext(name)[0])
    inputs = [source, *glob.glob(os.path.join(folder, "*.h")), *glob.glob(os.path.join(RETAINED, "*.h"))]
    if not os.path.exists(target) or os.path.getmtime(target) < max(map(os.path.getmtime, inputs)):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        fresh = f"{target}.{os.getpid()}"  # renamed when complete: two drivers may build at once
        subprocess.run([os.environ.get("CC", "cc"), *FLAGS, f"-I{RETAINED}", source, "-o", fresh], check=True)
        os.replace(fresh, target)
    return target
