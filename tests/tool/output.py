#!/usr/bin/python3
"""Where what the tool prints can not be written, it says so and does not end well; what it opens does not become its standard output."""
import subprocess

from tool import BUILD, check, need, python, scratch

need("sh", "dash")


def ends(redirection, words):
    done = subprocess.run(["sh", "-c", f'exec "$0" "$@" {redirection}', BUILD / "arca", *map(str, words)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    return done.returncode, done.stderr


with scratch() as directory, python("kept = [bytes(i % 3000) for i in range(5_000)]\ntime.sleep(0.5)", ARCA_CONF=f"control={directory}/%p,profile=64k") as process:
    for words in (["stat", process.pid], ["stat", process.pid, "--json"], ["stat", process.pid, "--prom"], ["stat", process.pid, "--ranges"],
                  ["doctor", process.pid], ["trim", process.pid], ["prof", process.pid, directory / "file"], ["options"], ["options", "--json"],
                  ["help"], ["--version"], ["help", "trim"], ["trim", "--help"]):
        for redirection, reason in ((">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")):
            status, said = ends(redirection, words)
            check(status == 1 and said == f"arca: the standard output can not be written to: {reason}\n", f"{words} {redirection}: {status}, {said!r}")
    check(ends("2>&-", ["frob"]) == (2, ""), "nowhere to complain")
    status, said = ends(">&-", ["run", "--", "sh", "-c", "echo x"])
    check(status != 0 and "arca" not in said, f"run has given its program a standard output: {said!r}")
