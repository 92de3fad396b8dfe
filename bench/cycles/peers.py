"""Whose collectors are compared, and how their programs are made."""

import os

import allocators
import build
import peer
import speed
from peer import Peer

HERE = os.path.dirname(os.path.abspath(__file__))
C = [build.compiler(), *speed.FLAGS, f"-I{os.path.join(allocators.ROOT, 'bench', 'micro')}"]
NIM = ["nim", "compile", "--mm:orc", "-d:release", "--threads:off", "--hints:off", f"--passC:-D_GNU_SOURCE -I{HERE}",
       f"--out:{build.OUTPUT}", f"--nimcache:{os.path.join(allocators.ROOT, 'build', 'bench', 'cycles', 'nim')}"]

PEERS = {
    "arca": Peer("arca.c", C, "gcc libc6-dev", "arca"),
    "Boehm": Peer("boehm.c", C, "pkg-config libgc-dev", "bdw-gc"),
    "Nim": Peer("orc.nim", NIM, "nim"),
    "PHP": Peer("zend.php", ["php"], "php-cli"),
    "CPython": Peer("cpython.py", [], "python3"),
}


def find(names):
    return peer.find(HERE, PEERS, names, speed.say)
