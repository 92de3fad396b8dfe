"""Whose objects are compared, and how their programs are made. All but Arca's run on the system's malloc."""

import glob
import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass

import allocators
import build
import speed

HERE = os.path.dirname(os.path.abspath(__file__))
INCLUDE = os.path.join(allocators.ROOT, "include")
LIBRARIES = os.path.dirname(allocators.ARCA_DEFAULT)
ARCA = [f"-I{INCLUDE}", f"-L{LIBRARIES}", "-larcagc", "-larca", f"-Wl,-rpath,{LIBRARIES}"]

C = [build.compiler(), *speed.FLAGS, f"-I{build.RETAINED}"]
CXX = [os.environ.get("CXX", "g++"), "-std=c++20", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"]
RUST = ["rustc", "-O", "--edition", "2021", "-C", "panic=abort"]


@dataclass
class Peer:
    source: str
    compiler: list   # the beginning of the command
    packages: str    # Debian's, that have what it takes
    library: str = ""  # pkg-config's name of it


PEERS = {
    "arca": Peer("arca.c", C, "gcc libc6-dev"),
    "shared_ptr": Peer("shared_ptr.cc", CXX, "g++"),
    "Arc": Peer("arc.rs", RUST, "rustc"),
    "GObject": Peer("gobject.c", C, "pkg-config libglib2.0-dev", "gobject-2.0"),
    "CPython": Peer("cpython.py", [], "python3"),
    "Boehm": Peer("boehm.c", C, "pkg-config libgc-dev", "bdw-gc"),
    "malloc": Peer("malloc.c", C, "gcc libc6-dev"),
}
MAPS = "maps.c"  # Arca's program for the row of that name


class Missing(Exception):
    """What a peer needs is not here; the text says what."""


def tool(name):
    if not shutil.which(name):
        raise Missing(f"no {name}")
    return name


def flags(library):
    """How to compile with a library and to link it."""
    asked = subprocess.run([tool("pkg-config"), "--cflags", "--libs", library], capture_output=True, text=True)
    if asked.returncode != 0:
        raise Missing(f"no {library}")
    return shlex.split(asked.stdout)


def python():
    """Debian's CPython 3.11 if it is there: another build may be compiled otherwise."""
    return os.path.realpath(shutil.which("python3.11", path=f"/usr/bin:{os.environ['PATH']}") or tool("python3"))


def made(source, compiler, options):
    path = os.path.join(HERE, source)
    inputs = [path, *glob.glob(os.path.join(HERE, "*.h")), *glob.glob(os.path.join(build.RETAINED, "*.h")),
              *glob.glob(os.path.join(INCLUDE, "arca", "*.h"))]
    return build.made(os.path.join("objects", os.path.splitext(source)[0]), inputs,
                      [tool(compiler[0]), *compiler[1:], path, *options])


def command(name):
    """The command that runs a peer's program, which is compiled if need be."""
    peer = PEERS[name]
    if name == "CPython":
        return [python(), os.path.join(HERE, peer.source)]
    return [made(peer.source, peer.compiler, ARCA if name == "arca" else flags(peer.library) if peer.library else [])]


def maps_command(name):
    return [made(MAPS, C, ARCA)] if name == "arca" else [*command(name), "maps"]


def find(names):
    """{name: command} of the peers that are here; a loud line for each of the others. Arca must be here."""
    if not os.path.exists(os.path.join(LIBRARIES, "libarcagc.so")):
        raise SystemExit(f"no libarcagc.so in {LIBRARIES}: cmake --preset release && cmake --build --preset release")
    found = {}
    for name in names:
        try:
            found[name] = command(name)
        except Missing as missing:
            speed.say(f"SKIPPED {name}: {missing}; to get it: apt-get install {PEERS[name].packages}")
    return found
