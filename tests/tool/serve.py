#!/usr/bin/python3
"""arca serve: what a scraper gets, by a real scraper's parser; who asks wrongly, or does not ask, harms nobody."""
import re
import socket
import subprocess

from serving import ask, serving, values
from tool import BUILD, LIB, check, complaint, dripping, environment, eventually, python


def becomes_one_on_arca(port):
    """A process that was looked at while it was another program."""
    script = "read line; LD_PRELOAD=$LIBRARY exec /usr/bin/python3 -c 'import time; time.sleep(600)'"
    env = environment(LIBRARY=str(LIB))
    del env["LD_PRELOAD"]
    child = subprocess.Popen(["sh", "-c", script], env=env, stdin=subprocess.PIPE, text=True)
    try:
        check(str(child.pid) not in values(ask(port)[1], "arca_live_bytes"), "a shell that is not on Arca")
        child.stdin.write("\n")
        child.stdin.flush()
        eventually(lambda: str(child.pid) in values(ask(port)[1], "arca_live_bytes"), "a process that has become one on Arca is not seen")
    finally:
        child.kill()
        child.wait()


def has_a_port_of_the_kernels_choice():
    child = subprocess.Popen([BUILD / "arca", "serve", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    try:
        said = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/metrics\n", child.stdout.readline())
        check(said and int(said[1]) != 0 and ask(int(said[1]))[0].status == 200, f"it does not say where it is: {said}")
    finally:
        child.kill()
        child.wait()


def main():
    has_a_port_of_the_kernels_choice()
    with serving() as port, python("kept = [bytes(1000) for _ in range(30_000)]") as first, python("") as second:
        answer, text = ask(port)
        check(answer.status == 200 and answer.getheader("Content-Type").startswith("application/openmetrics-text; version=1.0.0"), "its head")
        live = values(text, "arca_live_bytes")
        check(live.get(str(first.pid), 0) > 25 << 20 and str(second.pid) in live, f"live: {live}")
        check(all(value >= 0 for value in values(text, "arca_purged_bytes_total").values()), "counters")
        check(text.endswith("# EOF\n"), "its end")

        check(ask(port, path="/")[0].status == 404, "another path")
        check(ask(port, method="POST")[0].status == 405, "another method")
        with socket.create_connection(("127.0.0.1", port)) as silent, socket.create_connection(("127.0.0.1", port)) as noisy:
            noisy.sendall(b"\0\xff" * 5000)
            check(ask(port)[0].status == 200, "beside peers that say nothing, or nonsense")
            silent.close()
        with socket.create_connection(("127.0.0.1", port)) as slow, dripping(slow):
            check(ask(port)[0].status == 200, "beside a peer that speaks slowly")
        becomes_one_on_arca(port)
        second.kill()
        second.wait()
        check(str(second.pid) not in values(ask(port)[1], "arca_live_bytes"), "a process that has ended")
        check(re.match(r"arca: serve: 127\.0\.0\.1:\d+: Address already in use", complaint("serve", "--listen", f"127.0.0.1:{port}")), "a port in use")
    for words in (["--listen"], ["--listen", "nonsense"], ["--listen", ":9412"], ["-x"], ["--listen", "127.0.0.1:"], ["--listen", "127.0.0.1:65536"],
                  ["--listen", "127.0.0.1:+80"]):
        complaint("serve", *words, status=2)


main()
