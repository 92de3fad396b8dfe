#!/usr/bin/env python3
"""What `cmake --install` leaves can be used: by find_package, by pkg-config, shared and static, from C and C++.

Usage: package.py [BUILD_DIR]
"""
import os
import subprocess
import tempfile
from pathlib import Path

from report import check, finish
from tree import build_dir

PROGRAM = r"""
#include <arca/arca.h>
#include <stdio.h>
#include <stdlib.h>

int options, stats; /* names that Arca uses inside: they are the program's own */

/* Succeeds if libc's names lead to Arca, too. */
int main(void)
{
    void *block = arca_malloc(100), *other = malloc(100);
    if (!block || !other || arca_malloc_usable_size(other) < 100)
        return 1;
    arca_free(other);
    free(block);
    puts("used");
    return 0;
}
"""

PROJECT = """
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES C CXX)
find_package(Arca 0.1 REQUIRED)
file(COPY_FILE program.c program.cpp)
foreach(library arca arca_static)
  foreach(language c cpp)
    add_executable(${library}_${language} program.${language})
    target_link_libraries(${library}_${language} PRIVATE Arca::${library})
  endforeach()
endforeach()
"""


def run(*command, **settings):
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **settings)
    return check(done.returncode == 0, f"{' '.join(map(str, command))}:\n{done.stdout}"), done.stdout


def check_uses(program, environment):
    good, output = run(program, env=environment)
    if good:
        check(output == "used\n", f"{program} prints {output!r}")


with tempfile.TemporaryDirectory() as scratch:
    scratch = Path(scratch)
    prefix = scratch / "prefix"
    run("cmake", "--install", build_dir(), "--prefix", prefix)
    libraries = next(prefix.rglob("libarca.so")).parent
    environment = {**os.environ, "PKG_CONFIG_PATH": str(libraries / "pkgconfig"),
                   "LD_LIBRARY_PATH": str(libraries)}

    project = scratch / "project"
    project.mkdir()
    (project / "program.c").write_text(PROGRAM)
    (project / "CMakeLists.txt").write_text(PROJECT)
    if run("cmake", "-S", project, "-B", project / "build", f"-DCMAKE_PREFIX_PATH={prefix}")[0] and \
            run("cmake", "--build", project / "build")[0]:
        for program in ("arca_c", "arca_cpp", "arca_static_c", "arca_static_cpp"):
            check_uses(project / "build" / program, environment)

    good, flags = run("pkg-config", "--cflags", "--libs", "arca", env=environment)
    if good and run("cc", project / "program.c", "-o", scratch / "by_pkg_config", *flags.split())[0]:
        check_uses(scratch / "by_pkg_config", environment)
finish()
