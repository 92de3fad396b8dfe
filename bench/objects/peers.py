"""Whose objects are compared, and how their programs are made. All but Arca's run on the system's malloc."""

import os

import build
import peer
import speed
from peer import Peer

HERE = os.path.dirname(os.path.abspath(__file__))
C = [build.compiler(), *speed.FLAGS, f"-I{build.RETAINED}"]
CXX = [os.environ.get("CXX", "g++"), "-std=c++20", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"]
RUST = ["rustc", "-O", "--edition", "2021", "-C", "panic=abort"]

PEERS = {
    "arca": Peer("arca.c", C, "gcc libc6-dev", "arca"),
    "shared_ptr": Peer("shared_ptr.cc", CXX, "g++"),
    "Arc": Peer("arc.rs", RUST, "rustc"),
    "GObject": Peer("gobject.c", C, "pkg-config libglib2.0-dev", "gobject-2.0"),
    "CPython": Peer("cpython.py", [], "python3"),
    "Boehm": Peer("boehm.c", C, "pkg-config libgc-dev", "bdw-gc"),
    "malloc": Peer("malloc.c", C, "gcc libc6-dev"),
}
MAPS = "maps.c"  # Arca's program for the row of that name


def maps_command(name):
    if name == "arca":
        return [peer.made(os.path.join(HERE, MAPS), C, peer.ARCA)]
    return [*peer.command(HERE, PEERS[name]), "maps"]


def find(names):
    return peer.find(HERE, PEERS, names, speed.say)
