#!/usr/bin/env python3
"""libarca.so exports the libc names, C++'s operators and arca_*, nothing else, and needs only libc.
libarcagc.so exports arca_* and needs only libarca, liburcu-bp and libc.

Usage: exports.py [BUILD_DIR]
"""
import re
import subprocess

from report import check, finish
from tree import ROOT, build_dir

LIBC = set("""malloc free calloc realloc reallocarray aligned_alloc posix_memalign memalign valloc pvalloc
    malloc_usable_size free_sized free_aligned_sized malloc_trim mallinfo mallinfo2 malloc_info malloc_stats
    mallopt""".split())
# Optional: names that other allocators or older libcs have and that programs look up.
OTHERS = set("""cfree dlopen prctl syscall mlockall munlockall setns unshare mallctl mallctlnametomib mallctlbymib malloc_stats_print
    mallocx rallocx xallocx sallocx dallocx sdallocx nallocx
    __libc_malloc __libc_free __libc_calloc __libc_realloc __libc_memalign __libc_valloc __libc_pvalloc
    __posix_memalign""".split())
# operator new, new[], delete, delete[] in the forms of C++17: plain, nothrow, sized, aligned.
OPERATORS = set("""_Znwm _Znam _ZdlPv _ZdaPv _ZdlPvm _ZdaPvm
    _ZnwmRKSt9nothrow_t _ZnamRKSt9nothrow_t _ZdlPvRKSt9nothrow_t _ZdaPvRKSt9nothrow_t
    _ZnwmSt11align_val_t _ZnamSt11align_val_t _ZdlPvSt11align_val_t _ZdaPvSt11align_val_t
    _ZdlPvmSt11align_val_t _ZdaPvmSt11align_val_t
    _ZnwmSt11align_val_tRKSt9nothrow_t _ZnamSt11align_val_tRKSt9nothrow_t
    _ZdlPvSt11align_val_tRKSt9nothrow_t _ZdaPvSt11align_val_tRKSt9nothrow_t""".split())


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def exported(library):
    return {line.split()[-1].split("@")[0] for line in run("nm", "-D", "--defined-only", library).splitlines()}


def check_dynamic(library, allowed):
    """What it needs, its name, that it stays, and how much of the static TLS surplus it takes."""
    dynamic = run("readelf", "--dynamic", "--wide", library)
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))
    check(needed <= allowed, f"{library.name} needs more than {sorted(allowed)}: {sorted(needed)}")
    check(f"[{library.name}.0]" in dynamic, f"{library.name} has no soname {library.name}.0")
    check("NODELETE" in dynamic, f"{library.name} can be unloaded, with its thread running in it")
    tls = re.search(r"^\s*TLS\s+\S+ \S+ \S+ \S+ (0x[0-9a-f]+)", run("readelf", "--program-headers", "--wide", library), re.M)
    check(tls is None or int(tls.group(1), 16) <= 256, f"{library.name} has more than 256 bytes of TLS: dlopen can fail")


library = build_dir() / "libarca.so"
names = exported(library)
for name in sorted(names):
    check(name in LIBC | OTHERS | OPERATORS or name.startswith("arca_"), f"libarca.so exports {name}")
for name in sorted(LIBC | OPERATORS):
    check(name in names, f"libarca.so does not export {name}: a block of libc's would reach our free")
check_dynamic(library, {"libc.so.6"})

library = build_dir() / "libarcagc.so"
if library.exists():
    declared = set()
    for header in ("object.h", "gc.h", "containers.h"):
        text = (ROOT / "include" / "arca" / header).read_text()
        declared |= set(re.findall(r"^ARCA_API [^;(]*?\b(arca_\w+)[(;]", text, re.M))
    names = exported(library)
    for name in sorted(names - declared):
        check(False, f"libarcagc.so exports {name}, which no header declares")
    for name in sorted(declared - names):
        check(False, f"libarcagc.so does not export {name}")
    check_dynamic(library, {"libc.so.6", "libarca.so.0", "liburcu-bp.so.8"})
finish()
