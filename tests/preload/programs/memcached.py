"""memcached: set, get, append and delete from several connections at once, values up to its limit."""
import random
import socket
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from preload import check, free_port, need, scratch, server, uses_library

CLIENTS = 4
KEYS = 2000
wrong = []


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.input = self.socket.makefile("rb")

    def store(self, verb, key, value):
        self.socket.sendall(f"{verb} {key} 0 0 {len(value)}\r\n".encode() + value + b"\r\n")
        return self.input.readline().strip()

    def get(self, key):
        self.socket.sendall(f"get {key}\r\n".encode())
        head = self.input.readline().split()
        if head == [b"END"]:
            return None
        value = self.input.read(int(head[3]) + 2)[:-2]
        self.input.readline()
        return value

    def delete(self, key):
        self.socket.sendall(f"delete {key}\r\n".encode())
        return self.input.readline().strip()


def work(port, number):
    choose = random.Random(number)
    client = Client(port)
    for i in range(KEYS):
        key = f"k{number}-{i}"
        size = choose.randrange(200_000 if i % 100 == 0 else 3000)
        value = bytes([65 + i % 26]) * size
        if client.store("set", key, value) != b"STORED" or client.store("append", key, b"tail") != b"STORED":
            wrong.append(f"{key} was not stored")
        if client.get(key) != value + b"tail":
            wrong.append(f"{key} came back changed")
        if i % 3 == 0 and (client.delete(key) != b"DELETED" or client.get(key) is not None):
            wrong.append(f"{key} was not deleted")


def main():
    memcached = need("memcached", "memcached")
    port = free_port()
    with scratch() as directory:
        with server([memcached, "-l", "127.0.0.1", "-p", port, "-U", 0, "-u", "root", "-t", 4, "-m", 512], port, directory) as process:
            check(uses_library(process.pid), "memcached runs without the library")
            threads = [threading.Thread(target=work, args=(port, number)) for number in range(CLIENTS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            check(not wrong, wrong[:1])


if __name__ == "__main__":
    main()
