"""One run of redis-benchmark against a redis-server of its own, on the loopback."""

import socket
import subprocess
import time

REQUESTS, CLIENTS, KEYS, VALUE_BYTES = 40000, 20, 50000, 200
TESTS = "set,get,incr,lpush,lpop,sadd,hset,zadd,mset"
PATIENCE_S = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(port, command):
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        connection.sendall(command + b"\r\n")
        return connection.recv(1000)


def wait_until_answering(port, server):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if ask(port, b"PING").startswith(b"+PONG"):
                return True
        except OSError:
            time.sleep(0.02)
    return False



def run(measured):
    """measured(command) starts a server whose costs are written when it ends. Returns the seconds of the load,
    or None after a failure. The requests' keys are random anew each time, but equally distributed."""
    port = free_port()
    server = measured(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                       "--daemonize", "no", "--loglevel", "warning"])
    if not wait_until_answering(port, server):
        server.kill()
        return None
    start = time.monotonic()
    load = subprocess.run(["redis-benchmark", "-h", "127.0.0.1", "-p", str(port), "-q", "-n", str(REQUESTS), "-c",
                           str(CLIENTS), "-r", str(KEYS), "-d", str(VALUE_BYTES), "-t", TESTS], stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - start
    ask(port, b"SHUTDOWN NOSAVE")
    return seconds if server.wait(PATIENCE_S) == 0 and load.returncode == 0 else None
