"""haproxy passes requests on, unchanged; asked to give back its pools (SIGQUIT), it has the library give back the memory."""
import contextlib
import signal
import socket
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from preload import LIB, check, free_port, need, resident_mib, scratch, server, uses_library

CONNECTIONS = 300
BUFFER = 1 << 16
CONFIGURATION = """
global
    maxconn 1000
    tune.bufsize {buffer}
defaults
    mode http
    timeout client 60s
    timeout connect 5s
    timeout server 60s
frontend front
    bind 127.0.0.1:{port}
    default_backend back
backend back
    server origin 127.0.0.1:{origin}
"""


class Origin(BaseHTTPRequestHandler):
    def do_GET(self):
        body = f"{self.path} ".encode() * 20000
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def origin():
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield httpd.server_port
    httpd.shutdown()


def half_asked(port):
    """Connections whose requests do not end, so that each holds a buffer."""
    held = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(CONNECTIONS)]
    for connection in held:
        connection.sendall(b"GET / HTTP/1.1\r\nX-Filling: " + b"x" * (BUFFER // 2))
    return held


def wait_for(reached, process, asked_by=0):
    """The resident size, ten seconds later at the latest."""
    deadline = time.monotonic() + 10
    while not reached(resident_mib(process.pid)) and time.monotonic() < deadline:
        process.send_signal(asked_by)
        time.sleep(0.05)
    return resident_mib(process.pid)


def main():
    haproxy = need("haproxy", "haproxy")
    port = free_port()
    with scratch() as directory, origin() as origin_port:
        configuration = directory / "haproxy.cfg"
        configuration.write_text(CONFIGURATION.format(port=port, origin=origin_port, buffer=BUFFER))
        with server([haproxy, "-db", "-f", configuration], port, directory, ARCA_CONF="purge=never") as process:
            check(uses_library(process.pid), "haproxy runs without the library")
            for i in range(100):
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/{i}", timeout=20) as answer:
                    check(answer.read() == f"/{i} ".encode() * 20000, "an answer came back changed")
            base = resident_mib(process.pid)
            held, full = half_asked(port), base + CONNECTIONS * BUFFER / 2**21
            peak = wait_for(lambda mib: mib > full, process)
            check(peak > full, f"filled, it has only {peak:.0f} MiB of {base:.0f}")
            for connection in held:
                connection.close()
            bound = peak - (peak - base) / 2
            now = wait_for(lambda mib: mib < bound, process, signal.SIGQUIT)
            check(not LIB or now < bound, f"{base:.1f} MiB at first, {peak:.1f} full, {now:.1f} after SIGQUIT")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/again", timeout=20) as answer:
                check(len(answer.read()) == 140000, "usable afterwards")


main()
