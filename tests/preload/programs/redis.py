"""redis-server: filled with small keys, read back, changed by many commands, flushed: then it shrinks while it idles.
Its INFO, MEMORY MALLOC-STATS and MEMORY PURGE ask jemalloc and are answered by the library."""
import re
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from preload import LIB, check, free_port, need, resident_mib, run, scratch, server, uses_library

KEYS = 400_000
VALUE = "v" * 100
SETTLE_S = 20
SHARE_LEFT = 0.10


class Client:
    """As much of the protocol as the test needs."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.input = self.socket.makefile("rb")

    @staticmethod
    def encode(*words):
        parts = [f"*{len(words)}\r\n"] + [f"${len(str(word).encode())}\r\n{word}\r\n" for word in words]
        return "".join(parts)

    def reply(self):
        line = self.input.readline().decode().rstrip("\r\n")
        kind, rest = line[0], line[1:]
        check(kind != "-", f"redis answers {line}")
        if kind == "$":
            return None if rest == "-1" else self.input.read(int(rest) + 2)[:-2].decode()
        if kind == "*":
            return [self.reply() for _ in range(int(rest))]
        return int(rest) if kind == ":" else rest

    def ask(self, *words):
        self.socket.sendall(self.encode(*words).encode())
        return self.reply()

    def ask_many(self, commands):
        """Pipelined, a thousand at a time."""
        for start in range(0, len(commands), 1000):
            batch = commands[start:start + 1000]
            self.socket.sendall("".join(self.encode(*words) for words in batch).encode())
            for _ in batch:
                self.reply()


def commands_work(client, cli, port):
    check(run([cli, "-p", port, "ping"]).strip() == "PONG", "redis-cli ping")
    client.ask_many([("RPUSH", "list", i) for i in range(5000)])
    client.ask_many([("HSET", "hash", f"field{i}", VALUE[: i % 100]) for i in range(5000)])
    client.ask_many([("ZADD", "sorted", i % 97, f"member{i}") for i in range(5000)])
    client.ask_many([("APPEND", "grown", VALUE) for _ in range(5000)])
    check(client.ask("LLEN", "list") == 5000 and client.ask("LRANGE", "list", 10, 12) == ["10", "11", "12"], "lists")
    check(client.ask("HGET", "hash", "field77") == VALUE[:77], "hashes")
    check(client.ask("ZCARD", "sorted") == 5000, "sorted sets")
    check(client.ask("STRLEN", "grown") == 5000 * len(VALUE), "APPEND")
    check(client.ask("EVAL", "local t={} for i=1,20000 do t[i]='x'..i end return #table.concat(t)", 0) == 108894, "Lua")


def memory_info(client):
    """What INFO says once its clock has ticked: it repeats figures until the server has come to its regular work."""
    def clock():
        return re.search(r"^lru_clock:\d+", client.ask("INFO", "server"), re.M)[0]

    before = clock()
    while clock() == before:
        time.sleep(0.05)
    return {key: int(value) for key, value in re.findall(r"^(\w+):(\d+)\r?$", client.ask("INFO", "memory"), re.M)}


def figures_are_true(client, process):
    info = memory_info(client)
    used, allocated, active, resident = (info[key] for key in ("used_memory", "allocator_allocated", "allocator_active",
                                                               "allocator_resident"))
    check(used <= allocated * 1.02 and allocated <= used * 1.1, f"allocator_allocated {allocated}, redis itself counts {used}")
    # Not all that is active must have been used, and nothing beside it need be resident by then.
    check(allocated <= active <= resident * 1.01, f"allocated {allocated}, active {active}, resident {resident}")
    kernel = resident_mib(process.pid) * 2**20
    check(0.8 * kernel < resident < kernel, f"allocator_resident {resident}, the kernel says {kernel:.0f}")
    stats = client.ask("MEMORY", "MALLOC-STATS")
    told = {name: int(value.replace(",", "")) for name, value in re.findall(r"^(\w+) +([\d,]+) bytes", stats, re.M)}
    for name, value in (("allocated", allocated), ("resident", resident)):
        check(abs(told[name] - value) < 0.005 * value, f"INFO says {name} {value}, MEMORY MALLOC-STATS {told[name]}")


def purge_purges(redis, directory):
    """Where nothing goes back by itself."""
    port = free_port()
    command = [redis, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", directory]
    with server(command, port, directory, ARCA_CONF="purge=never") as process:
        client = Client(port)
        client.ask_many([("SET", f"key:{i}", f"{i}{VALUE}") for i in range(KEYS // 4)])
        peak = memory_info(client)["allocator_resident"]
        client.ask_many([("DEL", f"key:{i}") for i in range(KEYS // 4)])  # FLUSHALL would purge by itself
        full, resident = memory_info(client)["allocator_resident"], resident_mib(process.pid)
        check(full > peak * 0.9, f"{full} left of {peak} without a purge")
        check(client.ask("MEMORY", "PURGE") == "OK", "MEMORY PURGE")
        check(resident_mib(process.pid) < resident - 0.5 * full / 2**20, "MEMORY PURGE gives nothing back")
        purged = memory_info(client)["allocator_resident"]
        check(purged < full * 0.5, f"allocator_resident {full} before MEMORY PURGE, {purged} after it")


def main():
    redis, cli = need("redis-server", "redis-server"), need("redis-cli", "redis-tools")
    port = free_port()
    with scratch() as directory:
        command = [redis, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", directory]
        with server(command, port, directory) as process:
            check(uses_library(process.pid), "redis-server runs without the library")
            client = Client(port)
            base = resident_mib(process.pid)
            client.ask_many([("SET", f"key:{i}", f"{i}{VALUE}") for i in range(KEYS)])
            for i in range(0, KEYS, 4001):
                check(client.ask("GET", f"key:{i}") == f"{i}{VALUE}", f"key:{i} is not what was set")
            if LIB:
                figures_are_true(client, process)
            peak = resident_mib(process.pid)
            check(peak - base > 40, f"filled, it has only {peak:.0f} MiB")
            commands_work(client, cli, port)
            client.ask("BGSAVE")
            while client.ask("LASTSAVE") and "rdb_bgsave_in_progress:1" in client.ask("INFO", "persistence"):
                time.sleep(0.05)
            check("rdb_last_bgsave_status:ok" in client.ask("INFO", "persistence"), "BGSAVE failed")
            client.ask("FLUSHALL", "SYNC")
            bound = base + (peak - base) * SHARE_LEFT
            deadline = time.monotonic() + SETTLE_S
            while resident_mib(process.pid) > bound and time.monotonic() < deadline:
                time.sleep(0.1)
            now = resident_mib(process.pid)
            check(now <= bound, f"RSS {now:.0f} MiB {SETTLE_S} s after the flush (empty {base:.0f}, full {peak:.0f}, want <= {bound:.0f})")
            client.ask("SET", "again", "1")
            check(client.ask("GET", "again") == "1", "usable after the flush")
        if LIB:
            (directory / "purge").mkdir()
            purge_purges(redis, directory / "purge")


if __name__ == "__main__":
    main()
