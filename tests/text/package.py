#!/usr/bin/env python3
"""What `cmake --install` leaves can be used: by find_package, by pkg-config, shared and static, from C and C++.
So can the Debian packages that `cpack` makes, unpacked into an empty folder.

Usage: package.py [BUILD_DIR]
"""
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from report import check, finish, have
from tree import build_dir

# Programs that use what is installed.
CONSUMER = Path(__file__).resolve().parent.parent / "package" / "consumer"

# A program with operators new and delete of its own links and works.
REPLACED = Path(__file__).resolve().parent.parent / "preload" / "libc" / "new_replaced.cc"


def run(*command, **settings):
    done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **settings)
    return check(done.returncode == 0, f"{' '.join(map(str, command))}:\n{done.stdout}"), done.stdout


def check_uses(program, environment):
    good, output = run(program, env=environment)
    if good:
        check(output == "used\n", f"{program} prints {output!r}")


def check_prefix(prefix, scratch):
    """Builds and runs programs with what is under prefix."""
    libraries = next(prefix.rglob("libarca.so")).parent
    has_gc = (libraries / "libarcagc.so").exists()
    environment = {**os.environ, "PKG_CONFIG_PATH": str(libraries / "pkgconfig"),
                   "LD_LIBRARY_PATH": str(libraries)}

    project = scratch / "project"
    shutil.copytree(CONSUMER, project)
    for source in (REPLACED, REPLACED.parent.parent / "check.h"):
        shutil.copy(source, project)
    if run("cmake", "-S", project, "-B", project / "build", f"-DCMAKE_PREFIX_PATH={prefix}")[0] and \
            run("cmake", "--build", project / "build", "-j2")[0]:
        for library in ("arca", "arca_static") + (("gc", "gc_static") if has_gc else ()):
            for language in ("c", "cpp"):
                check_uses(project / "build" / f"{library}_{language}", environment)
        for library in ("arca", "arca_static"):
            run(project / "build" / f"{library}_replaced", env=environment)

    for package, program in (("arca", "program"),) + ((("arca-gc", "gc_program"),) if has_gc else ()):
        good, flags = run("pkg-config", "--cflags", "--libs", package, env=environment)
        if good and run("cc", project / f"{program}.c", "-o", scratch / f"by_pkg_config_{program}", *flags.split())[0]:
            check_uses(scratch / f"by_pkg_config_{program}", environment)


def unpack_packages(root, scratch):
    """The packages' control fields by name, and their files under root."""
    fields = {}
    if run("cpack", "-G", "DEB", "--config", build_dir() / "CPackConfig.cmake", "-B", scratch)[0]:
        for package in sorted(scratch.glob("*.deb")):
            run("dpkg-deb", "-x", package, root)
            text = run("dpkg-deb", "-f", package)[1]
            fields[package.name.split("_")[0]] = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    return fields


def check_refusal(scratch):
    """Where there is no program that finds out on which packages they depend, none are made."""
    done = subprocess.run(["cpack", "-G", "DEB", "-D", "ARCA_HAS_dpkg-shlibdeps=", "--config", build_dir() / "CPackConfig.cmake", "-B", scratch],
                          capture_output=True, text=True)
    check(done.returncode != 0 and "apt-get install dpkg-dev file" in done.stderr and not list(scratch.glob("*.deb")),
          f"cpack without dpkg-shlibdeps: status {done.returncode}: {done.stdout}{done.stderr}")


def check_packages(scratch):
    root = scratch / "root"
    root.mkdir()
    fields = unpack_packages(root, scratch)
    version = fields.get("libarca0", {}).get("Version")
    if not check({"libarca0", "libarca-dev"} <= set(fields), f"cpack makes {sorted(fields)}"):
        return
    check("libc6" in fields["libarca0"]["Depends"], "libarca0 depends on no libc6")
    check(f"libarca0 (= {version})" in fields["libarca-dev"]["Depends"], "libarca-dev depends on no libarca0")
    check_prefix(root / "usr", scratch)
    preload = next(root.rglob("libarca.so.0"))
    run(scratch / "project" / "build" / "arca_static_c", env={**os.environ, "LD_PRELOAD": str(preload)})
    tool = root / "usr" / "bin" / "arca"
    if "arca-tools" in fields:
        run(tool, "--version", env={**os.environ, "LD_LIBRARY_PATH": str(preload.parent)})


with tempfile.TemporaryDirectory() as scratch:
    scratch = Path(scratch)
    run("cmake", "--install", build_dir(), "--prefix", scratch / "prefix")
    check_prefix(scratch / "prefix", scratch / "installed")
    if have("dpkg-shlibdeps", "dpkg-dev"):
        (scratch / "packages").mkdir()
        check_packages(scratch / "packages")
        check_refusal(scratch / "refused")
finish()
