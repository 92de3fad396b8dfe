#!/usr/bin/python3
"""arca doctor: what it finds, and what it advises."""
import os
import re
import shutil
import subprocess

from tool import BUILD, ROOT, check, complaint, compiled, eventually, free_port, need, program, python, scratch, server, skip, tool

PINNED = ("import ctypes\nmalloc = ctypes.CDLL(None).malloc\nfree = ctypes.CDLL(None).free\nmalloc.restype = ctypes.c_void_p\n"
          "free.argtypes = [ctypes.c_void_p]\n"
          "blocks = [malloc(1024) for _ in range(40_000)]\n"
          "for block in blocks: ctypes.memset(block, 1, 1024)\n"
          "for i, block in enumerate(blocks):\n    if i % 4: free(block)\n"
          "time.sleep(1.5)\n")


def has(text, pattern, what):
    check(re.search(pattern, text, re.M), f"{what}: {pattern} is not in\n{text}")


def healthy():
    with python("kept = [bytes(1000) for _ in range(20_000)]") as process:
        text, _ = tool("doctor", process.pid)
        has(text, rf"^process {process.pid} \(python3[^)]*\): [\d.]+ MiB of the [\d.]+ MiB that are resident are Arca's", "its head")
        has(text, r"^ ok +Arca is at work: \S*libarca\.so\S*$", "whose malloc")
        has(text, r"^ ok +no other malloc is loaded$", "one malloc")
        has(text, r"^ ok +no option is set$", "options")
        has(text, r"^ ok +.* come in huge pages \(option huge_pages is on\)$", "huge pages")
        has(text, r"^ ok +no memory is freed lazily$", "lazily freed")
        has(text, r"^ ok +\d+ of \d+ mappings are used", "mappings")
        has(text, r"^ (ok|look) +(no cgroup limits its memory|its cgroup uses)", "cgroup")
        check(" look " not in text.replace("its cgroup uses", ""), f"there is nothing to look at:\n{text}")


def pinned():
    with python(PINNED) as process:
        text, _ = tool("doctor", process.pid)
        has(text, r"^ look +[\d.]+ MiB \(\d+ % of what is resident\) lie beside blocks in use", "pinned")
        has(text, r"^ +[\d.]+ MiB by 1\d,?\d{3} blocks of 1024 bytes", "by whom")
        has(text, r"^ +-> .*arca_heap_create", "what to do")


def little_is_not_worth_a_look():
    """Most of what a small process has lies beside its blocks: there is nothing to do about it."""
    with program(["/bin/bash", "-c", "echo ready; read line"]) as process:
        text, _ = tool("doctor", process.pid)
        has(text, r"^ ok +[\d.]+ KiB \(\d+ % of what is resident\) lie beside blocks in use", "pinned")
        check(" look " not in text.replace("its cgroup uses", ""), f"there is nothing to look at:\n{text}")


def settings_that_keep():
    body = "gone = [bytes(100_000) for _ in range(500)]\ndel gone"
    with python(body, ARCA_CONF="purge=never") as process:
        text, _ = tool("doctor", process.pid)
        has(text, r"^ look +[\d.]+ MiB \(\d+ %\) are free and not given back yet$", "kept")
        has(text, r"^ +-> purge=never keeps it$", "why")
    with python(body, ARCA_CONF="lazy=on,purge=0ms,stats_file=/tmp/%p", ARCA_PURGE="1ms") as process:
        text, _ = tool("doctor", process.pid)
        for setting in (r"purge=1ms \(ARCA_PURGE\)", r"lazy=on \(ARCA_CONF\)", r"stats_file=/tmp/%p \(ARCA_CONF\)"):
            has(text, rf"^ ok +option {setting}$", "what was set, and by whom")
        said = r"^ look +[\d.]+ MiB are free and still counted as resident until memory is short$"
        eventually(lambda: re.search(said, tool("doctor", process.pid)[0], re.M), "what is freed lazily is not told")


def other_mallocs():
    binary = compiled("other_malloc.c", "other-malloc", "-rdynamic", "-ldl")
    with program([binary]) as process:
        text, _ = tool("doctor", process.pid)
        has(text, r"^ look +malloc is that of \S*other-malloc, which comes before Arca's$", "a program with its own malloc")
    with scratch() as directory:
        port = free_port()
        command = [need("redis-server", "redis-server"), "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", directory]
        with server(command, port, directory) as process:
            text, _ = tool("doctor", process.pid)
            has(text, r"^ ok +\S*libjemalloc\S* has a malloc too, which comes after Arca's$", "a library that redis is linked with")


def not_at_work():
    """Why a process is not on Arca."""
    def started(command, **variables):
        return subprocess.Popen(command, env={**os.environ, **variables}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def says(process, pattern, what):
        with process:
            check(process.stdout.readline() == "ready\n", f"{what}: it does not start")
            said = complaint("doctor", process.pid)
            process.kill()
        check(re.fullmatch(rf"arca: process {process.pid} \(\S+\) does not use Arca: {pattern}", said), f"{what}: {said}")

    waits = ["/bin/sh", "-c", "echo ready; read line"]
    says(started(waits), r"it was started without \(arca run starts it with\)", "without")
    says(started(waits, LD_PRELOAD="libother.so"), r"it was started without \(arca run starts it with\)", "with another")
    says(started(waits, LD_PRELOAD="/nowhere/libarca.so.0"), r"the loader has left out LD_PRELOAD=/nowhere/libarca\.so\.0, .*", "with a path that there is not")
    static = compiled("waits.c", "waits", "-static")
    says(started([static], LD_PRELOAD=os.environ["PRELOAD_LIB"]), r"it is statically linked: link it with libarca\.a", "a static program")


V1 = {"memory/web/one/memory.limit_in_bytes": 9223372036854771712, "memory/web/memory.limit_in_bytes": 100 << 20,
      "memory/web/memory.usage_in_bytes": 95 << 20, "memory/web/one/memory.usage_in_bytes": 1 << 20}
V2 = {"web/memory.max": "max", "memory.max": 200 << 20, "memory.current": 20 << 20}


def in_groups(process, lines, files):
    """What doctor says of a process whose control groups are these: mounted over the true ones, for the tool alone."""
    with scratch() as directory:
        (directory / "cgroup").write_text("".join(f"{line}\n" for line in lines))
        script = [f"mount --bind {directory}/cgroup /proc/{process.pid}/cgroup", "mount -t tmpfs none /sys/fs/cgroup", "cd /sys/fs/cgroup"]
        script += [f"mkdir -p $(dirname {name}); echo {value} > {name}" for name, value in files.items()]
        mounted = subprocess.run([need("unshare", "util-linux"), "-m", "sh", "-ec", "; ".join(script)], capture_output=True, text=True)
        if mounted.returncode != 0:
            skip(f"control groups can not be mounted here: {mounted.stderr.strip()}")
        done = subprocess.run(["unshare", "-m", "sh", "-ec", "; ".join([*script, f"exec {BUILD}/arca doctor {process.pid}"])],
                              capture_output=True, text=True)
        check(done.returncode == 0, f"doctor: {done.stderr}")
        return done.stdout


def limits():
    """Of both versions; in the first, controllers may share a hierarchy."""
    with python("") as process:
        of_both = r"^ look +its cgroup uses 95\.0 MiB of 100\.0 MiB\n +-> limit=80%cgroup"
        has(in_groups(process, ["4:cpu,memory:/web/one", "1:name=systemd:/init"], V1), of_both, "cpu,memory")
        has(in_groups(process, ["5:cpuset:/other", "3:memory,pids:/web/one", "0::/"], V1), of_both, "memory,pids")
        has(in_groups(process, ["2:memory:/web/one"], V1), of_both, "memory")
        has(in_groups(process, ["2:cpu,memory2,xmemory:/web/one"], V1), r"^ ok +no cgroup limits its memory$", "names that are longer")
        named = {name.replace("web/", "web.slice:one:web/"): value for name, value in V2.items()}
        has(in_groups(process, ["0::/web.slice:one:web"], {**named, "web.slice:one:web/memory.max": 100 << 20, "web.slice:one:web/memory.current": 95 << 20}),
            of_both, "a group with colons in its name")
        has(in_groups(process, ["0::/web"], V2), r"^ ok +its cgroup uses 20\.0 MiB of 200\.0 MiB$", "version 2, a limit above")


def words_of_others():
    """What a process calls its files is not for the terminal to obey."""
    copy = ROOT / "build" / "tests-tool" / "lib\x1b[31marca.so"
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(os.environ["PRELOAD_LIB"], copy)
    with program(["/usr/bin/python3", "-c", "import time; print('ready', flush=True); time.sleep(600)"], preload=copy) as process:
        text = tool("doctor", process.pid)[0]
        has(text, r"^ ok +Arca is at work: \S*/lib\?\[31marca\.so$", "the library's name")
        check(text.replace("\n", "").isprintable(), f"not for a terminal: {text!r}")


healthy()
pinned()
little_is_not_worth_a_look()
settings_that_keep()
other_mallocs()
words_of_others()
not_at_work()
check("no process" in complaint("doctor", status=2), "doctor without a process")
limits()
