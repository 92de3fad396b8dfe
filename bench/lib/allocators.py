"""Where the allocators under comparison are, how to preload one, and how to install a missing one."""

import glob
import os
from dataclasses import dataclass, field

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ARCA_DEFAULT = os.path.join(ROOT, "build", "release", "libarca.so")

# name: (file names below the library directories, Debian package)
PEERS = {
    "jemalloc": ("libjemalloc.so.2", "libjemalloc2"),
    "mimalloc": ("libmimalloc.so.2*", "libmimalloc2.0"),
    "tcmalloc": ("libtcmalloc_minimal.so.4", "libtcmalloc-minimal4"),
}
NAMES = ["arca", *PEERS, "glibc"]
TUNING_PREFIXES = ("ARCA_", "MALLOC_", "MIMALLOC_", "TCMALLOC_", "GLIBC_TUNABLES")


@dataclass
class Allocator:
    name: str
    library: str | None  # None: what the program gets without a preload
    settings: dict = field(default_factory=dict)

    def environment(self):
        env = dict(os.environ, **self.settings)
        env.pop("LD_PRELOAD", None)
        if self.library:
            env["LD_PRELOAD"] = self.library
        return env


class Missing(Exception):
    """An allocator that is not installed; the text says how to get it."""


def find(name, arca=ARCA_DEFAULT):
    if name == "glibc":
        return Allocator(name, None)
    if name == "arca":
        if not os.path.exists(arca):
            raise Missing(f"{arca} does not exist: cmake --preset release && cmake --build --preset release")
        return Allocator(name, os.path.abspath(arca))
    if name not in PEERS:
        raise Missing(f"no allocator is called '{name}' (known: {', '.join(NAMES)})")
    pattern, package = PEERS[name]
    found = sorted(path for folder in ("/usr/lib/*-linux-gnu", "/usr/lib64", "/usr/lib")
                   for path in glob.glob(os.path.join(folder, pattern)))
    if not found:
        raise Missing(f"{name} is not installed: apt-get install {package}")
    return Allocator(name, found[0])


def tuned_environment():
    """Variables in our own environment that change an allocator's defaults; a report must name them."""
    return sorted(f"{key}={value}" for key, value in os.environ.items() if key.startswith(TUNING_PREFIXES))
