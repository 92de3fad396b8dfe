"""One run of redis-benchmark against a redis-server of its own, on the loopback."""

import socket
import subprocess
import time

REQUESTS, CLIENTS, KEYS, VALUE_BYTES = 100000, 20, 50000, 200  # requests of each test
PIPELINE = 16  # requests a packet: else the sockets' cost covers the allocator's
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



def load(port):
    """The seconds that the requests took, or None after a failure."""
    start = time.monotonic()
    done = subprocess.run(["redis-benchmark", "-h", "127.0.0.1", "-p", str(port), "-q", "-n", str(REQUESTS),
                           "-c", str(CLIENTS), "-r", str(KEYS), "-d", str(VALUE_BYTES), "-P", str(PIPELINE),
                           "-t", TESTS], stdout=subprocess.DEVNULL)
    return time.monotonic() - start if done.returncode == 0 else None


def run(measured):
    """measured(command) starts a server whose costs are written when it ends. Returns the seconds of the load,
    or None after a failure. The requests' keys are random anew each time, but equally distributed."""
    port = free_port()
    server = measured(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                       "--daemonize", "no", "--loglevel", "warning"])
    try:
        if not wait_until_answering(port, server):
            return None
        seconds = load(port)
        ask(port, b"SHUTDOWN NOSAVE")
        return seconds if server.wait(PATIENCE_S) == 0 else None
    except (OSError, subprocess.TimeoutExpired):
        return None
    finally:
        server.kill()  # nothing if it has ended; `measure` takes the server with it
        server.wait()
