"""What the benchmarks that compare languages and libraries share: who is here, and how their programs are made."""

import glob
import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass

import allocators
import build

INCLUDE = os.path.join(allocators.ROOT, "include")
LIBRARIES = os.path.dirname(allocators.ARCA_DEFAULT)
ARCA = [f"-I{INCLUDE}", f"-L{LIBRARIES}", "-larcagc", "-larca", f"-Wl,-rpath,{LIBRARIES}"]


@dataclass
class Peer:
    source: str
    compiler: list   # the beginning of the command; of a script, its interpreter
    packages: str    # Debian's, that have what it takes
    library: str = ""  # pkg-config's name of it, or arca


class Missing(Exception):
    """What a peer needs is not here; the text says what."""


def tool(name):
    if not shutil.which(name):
        raise Missing(f"no {name}")
    return name


def flags(library):
    """How to compile with a library and to link it."""
    if library in ("", "arca"):
        return ARCA if library else []
    asked = subprocess.run([tool("pkg-config"), "--cflags", "--libs", library], capture_output=True, text=True)
    if asked.returncode != 0:
        raise Missing(f"no {library}")
    return shlex.split(asked.stdout)


def python():
    """Debian's CPython 3.11 if it is there: another build may be compiled otherwise."""
    return os.path.realpath(shutil.which("python3.11", path=f"/usr/bin:{os.environ['PATH']}") or tool("python3"))


def made(path, compiler, options):
    """The program made from a source, in a folder of build/bench that is called as the source's is."""
    folder = os.path.dirname(path)
    inputs = [path, *(header for place in (folder, build.RETAINED, os.path.join(INCLUDE, "arca"))
                      for header in glob.glob(os.path.join(place, "*.h")))]
    target = os.path.join(os.path.basename(folder), os.path.splitext(os.path.basename(path))[0])
    return build.made(target, inputs, [tool(compiler[0]), *compiler[1:], path, *options])


def command(folder, peer):
    """The command that runs a peer's program, which is compiled if need be."""
    path = os.path.join(folder, peer.source)
    if peer.source.endswith(".py"):
        return [python(), path]
    if peer.source.endswith(".php"):
        return [tool(peer.compiler[0]), path]
    return [made(path, peer.compiler, flags(peer.library))]


def find(folder, peers, names, say):
    """{name: command} of the peers that are here; a loud line for each of the others. Arca must be here."""
    if not os.path.exists(os.path.join(LIBRARIES, "libarcagc.so")):
        raise SystemExit(f"no libarcagc.so in {LIBRARIES}: cmake --preset release && cmake --build --preset release")
    found = {}
    for name in names:
        try:
            found[name] = command(folder, peers[name])
        except Missing as missing:
            say(f"SKIPPED {name}: {missing}; to get it: apt-get install {peers[name].packages}")
    return found
