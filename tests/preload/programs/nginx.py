"""nginx: master and workers serve files, answer errors, reload their configuration (fork while running) and serve again."""
import getpass
import signal
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from preload import check, free_port, need, scratch, server, uses_library

CONFIGURATION = """
daemon off;
{user}
worker_processes 2;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    gzip on;
    gzip_types text/plain;
    server {{
        listen 127.0.0.1:{port};
        root {directory}/files;
        location /hello {{ return 200 "hello"; }}
    }}
}}
"""


def fetch(port, path, headers=None):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/{path}", headers=headers or {})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read()


def serve(port, contents):
    for _ in range(100):
        for name, content in contents.items():
            check(fetch(port, name) == content, f"{name} came back changed")
        check(fetch(port, "hello") == b"hello", "the constant answer")
    check(len(fetch(port, "large.txt", {"Accept-Encoding": "gzip"})) < len(contents["large.txt"]) / 2, "gzip")
    try:
        fetch(port, "missing")
        check(False, "a missing file is served")
    except urllib.error.HTTPError as error:
        check(error.code == 404, f"a missing file answers {error.code}")


def main():
    nginx = need("nginx", "nginx-light")
    port = free_port()
    contents = {"small.txt": b"small", "large.txt": b"large line of text\n" * 20000, "empty.txt": b""}
    with scratch() as directory:
        user = getpass.getuser()
        (directory / "files").mkdir()
        for name, content in contents.items():
            (directory / "files" / name).write_bytes(content)
        configuration = directory / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(directory=directory, port=port, user=f"user {user};" if user == "root" else ""))
        with server([nginx, "-p", directory, "-e", directory / "error.log", "-c", configuration], port, directory) as process:
            check(uses_library(process.pid), "nginx runs without the library")
            serve(port, contents)
            for _ in range(5):
                process.send_signal(signal.SIGHUP)
                time.sleep(0.2)
                serve(port, contents)
            errors = (directory / "error.log").read_text()
            check("exited on signal" not in errors and "[alert]" not in errors, errors.strip().splitlines()[-1:])


main()
