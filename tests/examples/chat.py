#!/usr/bin/env python3
"""The chat server of examples/chat: what it answers, that no word is lost, and that nothing of a crowd stays.

Usage: chat.py BUILD_DIR
"""
import os
import socket
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "examples" / "chat"), str(ROOT / "tests" / "text")]

import day
from report import check, finish

PROGRAMS = os.path.join(sys.argv[1], "examples")
LINE_MAX = 512
TINY = dict(programs=PROGRAMS, users=40, rate=500, crowd=2000, connections=4, visitors=50, quiet_seconds=0.6,
            stay_seconds=0.1, watched_seconds=0.2)


class Talk:
    """A connection that says lines and compares what comes back, line by line."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        self.lines = self.socket.makefile("r", encoding="latin-1")

    def say(self, line, *answers):
        self.socket.sendall(line.encode("latin-1") + b"\n")
        for answer in answers:
            self.expect(line, answer)

    def expect(self, after, answer):
        heard = self.lines.readline().rstrip("\n")
        check(heard == answer, f"after '{after[:60]}': '{heard}', not '{answer}'")

    def close(self):
        self.lines.close()
        self.socket.close()


def what_is_said_is_answered(server):
    talk = Talk(server)
    talk.say("0 HELLO alice", "0 OK")
    talk.say("1 HELLO bob", "1 OK")
    talk.say("0 JOIN lobby", "0 OK")
    talk.say("1 JOIN lobby", "1 OK")
    talk.say("0 SAY lobby good day", "0 OK")
    heard = {talk.lines.readline().strip() for _ in range(2)}
    check(heard == {"0 SAID lobby alice good day", "1 SAID lobby alice good day"}, f"who is in the room hears it: {heard}")
    talk.say("1 HISTORY lobby", "1 HAD lobby alice good day", "1 END")
    talk.say("1 LEAVE lobby", "1 OK")
    talk.say("1 SAY lobby hm", "1 ERR not in that room")
    talk.say("0 FOLLOW bob", "0 OK")
    talk.say("1 BYE", "1 OK", "0 SEEN bob offline")
    talk.say("1 HELLO bob", "1 OK", "0 SEEN bob online")
    talk.close()


def bad_input_is_refused_and_changes_nothing(server):
    talk = Talk(server)
    talk.say("0 HELLO carol", "0 OK")
    for line, answer in [
            ("", "ERR no session number below 8192"), ("HELLO", "ERR no session number below 8192"),
            ("-1 HELLO x", "ERR no session number below 8192"), ("8192 HELLO x", "ERR no session number below 8192"),
            ("99999999999999999999 HELLO x", "ERR no session number below 8192"), ("0x HELLO x", "ERR no session number below 8192"),
            ("\0\1\xff", "ERR no session number below 8192"), ("0", "0 ERR no such command"), ("0 hello x", "0 ERR no such command"),
            ("0 HELLO x", "0 ERR session is open"), ("1 HELLO", "1 ERR bad name"), ("1 HELLO a/b", "1 ERR bad name"),
            ("1 HELLO " + 32 * "x", "1 ERR bad name"), ("1 HELLO carol", "1 ERR name is in use"),
            ("1 JOIN lobby", "1 ERR no such session"), ("1 BYE", "1 ERR no such session"), ("0 JOIN", "0 ERR bad name"),
            ("0 LEAVE lobby", "0 ERR not in that room"), ("0 SAY", "0 ERR not in that room"), ("0 FOLLOW nobody", "0 ERR no such user"),
            ("0 JOIN a", "0 OK"), ("0 JOIN a", "0 ERR joined already"), ("0 SAY a " + 401 * "x", "0 ERR text too long"),
            ("0 JOIN b", "0 OK"), ("0 JOIN c", "0 OK"), ("0 JOIN d", "0 OK"), ("0 JOIN e", "0 ERR full")]:
        talk.say(line, answer)
    talk.socket.sendall(LINE_MAX * b"x")
    talk.expect("a line without end", "ERR line too long")
    check(talk.lines.readline() == "", "after a line that is too long the connection ends")
    talk.close()


def a_room_takes_256(server):
    talk = Talk(server)
    for number in range(257):
        talk.say(f"{number} HELLO full{number}", f"{number} OK")
        talk.say(f"{number} JOIN crowded", f"{number} {'OK' if number < 256 else 'ERR full'}")
    talk.close()


def who_never_reads_is_disconnected(server):
    talk = Talk(server)
    for number in range(100):
        talk.say(f"{number} HELLO deaf{number}", f"{number} OK")
        talk.say(f"{number} JOIN din", f"{number} OK")
    try:
        for _ in range(10_000):  # 400 MB to be told, if nobody stopped it
            talk.socket.sendall(b"0 SAY din " + 400 * b"x" + b"\n")
        check(False, "a client that never reads is disconnected")
    except (BrokenPipeError, ConnectionResetError):
        pass
    talk.close()


def protocol():
    with day.Server(day.Plan(PROGRAMS)) as server:
        what_is_said_is_answered(server)
        bad_input_is_refused_and_changes_nothing(server)
        a_room_takes_256(server)
        who_never_reads_is_disconnected(server)
        stopped = server.stop()
        check(stopped["users"] == stopped["sessions"] == stopped["rooms"] == 0, f"at the end no object is left: {stopped}")


def tiny_day(**more):
    lived = day.live(day.Plan(**TINY, **more), lambda *_: None)
    total = lived.total
    check(total["said"] > 0 and total["heard"] == total["expected"] and total["wrong"] == 0, f"no word is lost, or late: {total}")
    return lived


def nothing_of_a_crowd_stays():
    lived = tiny_day(count_seconds=60)
    check(lived.objects == {"sessions": 40, "users": 40, "rooms": 4}, f"the steady users only are left: {lived.objects}")
    check(lived.stopped["collected"] > 0, "the crowd has left cycles")
    check(lived.stopped["users"] == lived.stopped["sessions"] == lived.stopped["rooms"] == 0, f"at the end no object is left: {lived.stopped}")


def without_a_collector_it_stays():
    lived = tiny_day(collector=False)
    check(lived.stopped["users"] >= 2040, f"nobody but the collector frees what is in cycles: {lived.stopped}")


def or_is_cleaned_up_by_hand():
    lived = tiny_day(collector=False, arguments=("--clean-up",))
    check(lived.stopped["users"] == lived.stopped["sessions"] == lived.stopped["rooms"] == 0, f"by hand nothing is forgotten: {lived.stopped}")


protocol()
nothing_of_a_crowd_stays()
without_a_collector_it_stays()
or_is_cleaned_up_by_hand()
finish()
