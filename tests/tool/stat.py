#!/usr/bin/python3
"""arca stat: its forms say the same, and the same as the process itself; who can not be looked at costs one line."""
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from tool import BUILD, ROOT, check, complaint, compiled, environment, eventually, need, program, python, skip, tool




def forms_agree():
    try:
        from prometheus_client.openmetrics.parser import text_string_to_metric_families
    except ImportError:
        skip("prometheus_client is not installed: apt-get install python3-prometheus-client")
    with python("kept = [bytes(i % 3000) for i in range(50_000)]", ARCA_PURGE="never") as process:  # nothing leaves meanwhile
        text = tool("stat", process.pid)[0]
        figures = json.loads(tool("stat", process.pid, "--json")[0])
        families = list(text_string_to_metric_families(tool("stat", process.pid, "--prom")[0]))
    said = {match[1]: int(match[2].replace(",", "")) for match in re.finditer(r"^(\w+) +([\d,]+) \w+: ", text, re.M)}
    check(len(said) > 20 and set(said) <= set(figures), f"text and JSON have other rows: {set(said) ^ set(figures)}")
    for name, value in said.items():
        check(name in ("heaps_swept", "background_rounds", "last_busy_heaps") or value == figures[name], f"{name}: {value}, in JSON {figures[name]}")
    samples = {sample.name: sample for family in families for sample in family.samples if "block_size" not in sample.labels}
    for name in said:
        if name == "age_ms":
            check(samples["arca_age_seconds"].value == value == 0, f"a look at everything: {samples['arca_age_seconds']}")
            continue
        stem = f"arca_{name}" if name.endswith("_bytes") else next(
            (key for key in (f"arca_{name}_bytes", f"arca_{name}") if key in samples or key + "_total" in samples), f"arca_{name}")
        sample = samples.get(stem) or samples.get(stem + "_total")
        check(sample is not None, f"OpenMetrics has no {name}")
        check(sample.labels["pid"] == str(figures["pid"]) and sample.labels["command"].startswith("python3"), f"labels {sample.labels}")
        check(name in ("heaps_swept", "background_rounds", "last_busy_heaps") or sample.value == figures[name], f"{name}: {sample.value}")
    check(not any(name.startswith("arca_gc") for name in samples), "figures of a collector that is not loaded")
    check(figures["resident"] > 50 << 20 and {row["block_size"] for row in figures["classes"]} >= {16, 1024}, f"{figures}")


ONLY_READ = 64 << 10  # of Arca's records, at the most


def near(exact, other, share):
    """Who counts by mincore(), or by an entry a page, counts pages that were only read, too."""
    return -share * exact - 8192 <= other - exact <= share * exact + ONLY_READ


def inside_and_outside_agree():
    """The process counts itself by mincore(), the tool by its page map."""
    binary = compiled("inside.c", "inside", f"-L{BUILD}", "-larca", f"-Wl,-rpath,{BUILD}")
    with program([binary], preload=False) as process:
        inside = json.loads(process.stdout.readline())
        outside = json.loads(tool("stat", process.pid, "--json")[0])
        for name, value in inside.items():
            close = near(outside[name], value, 0.01) if name in ("resident", "meta", "slack") else value == outside[name]
            check(close, f"{name}: inside {value}, outside {outside[name]}")


def older_kernels_tell_the_same():
    """Linux 6.7 can tell runs of resident pages; before, there is an entry for each page.  What is freed leaves meanwhile:
    as soon as the process stands still the two agree."""
    launcher = compiled("old_kernel.c", "old-kernel")
    with python("kept = [bytes(i % 3000) for i in range(50_000)]\ngone = [bytes(70_000) for i in range(300)]\ndel gone[::2]") as process:
        told = {}

        def agree():
            new = json.loads(tool("stat", process.pid, "--json")[0])
            done = subprocess.run([launcher, BUILD / "arca", "stat", str(process.pid), "--json"], capture_output=True, text=True)
            if done.returncode == 77:
                skip("no seccomp filter can be set")
            old = json.loads(done.stdout)
            told.update({name: (new[name], old[name]) for name in ("resident", "live", "slack", "meta", "pinned", "mapped")})
            return all(near(*values, 0.001) for values in told.values())

        eventually(agree, lambda: f"by the scan, and by entries: {told}")


def linked_in_is_found():
    """Where the library is part of the program only the program's own symbol table tells."""
    binary = compiled("inside.c", "inside-static", BUILD / "libarca.a", "-pthread")
    with program([binary], preload=False) as process:
        check(json.loads(tool("stat", process.pid, "--json")[0])["live"] > 10 << 20, "a program with libarca.a in it")


def replaced_library_is_found():
    """A library that was replaced on disk is still in the memory of the process."""
    copy = ROOT / "build" / "tests-tool" / "libarca-replaced.so"
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(os.environ["PRELOAD_LIB"], copy)
    with program(["/usr/bin/python3", "-c", "import time; print('ready', flush=True); time.sleep(600)"], preload=copy) as process:
        copy.unlink()
        check(json.loads(tool("stat", process.pid, "--json")[0])["live"] > 0, "a process whose library is gone from the disk")


def refusals():
    usage = "arca: stat: .* (want: arca stat PID"
    for words in ([], ["x"], ["0"], ["-1"], ["1", "2"], ["1", "--xml"], ["99999999999999"]):
        check(re.match(re.escape(usage).replace(r"\.\*", ".*"), complaint("stat", *words, status=2)), f"usage {words}")
    check("no command 'frob'" in complaint("frob", status=2), "an unknown command")
    check("no command" in complaint(status=2), "no command")
    check("there is no process 4194303" in complaint("stat", 4194303), "no such process")
    dead = subprocess.Popen(["true"])
    os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
    check(f"process {dead.pid} has ended" in complaint("stat", dead.pid), "a process that nobody has waited for")
    dead.wait()
    if Path("/proc/2/comm").exists() and Path("/proc/2/comm").read_text() == "kthreadd\n":
        check("process 2 is the kernel's own" in complaint("stat", 2), "a thread of the kernel")
    with python("import threading\nthreading.Thread(target=time.sleep, args=(600,)).start()") as ours:
        thread = max(int(path.name) for path in Path(f"/proc/{ours.pid}/task").iterdir() if path.name != str(ours.pid))
        for command in ("stat", "doctor", "trim", "gc", "top"):
            check(f"{thread} is a thread of process {ours.pid}" in complaint(command, thread), f"{command} of a thread")
        check(f"{thread} is a thread of process {ours.pid}" in complaint("prof", thread, "/tmp/file"), "prof of a thread")
    with program(["/usr/bin/python3", "-c", "import time; print('ready', flush=True); time.sleep(600)"], preload=False) as plain:
        check("does not use Arca" in complaint("stat", plain.pid), "a process without Arca")
    if os.geteuid() == 0:
        with python("") as ours:
            done = subprocess.run([need("setpriv", "util-linux"), "--reuid", "65534", "--clear-groups", BUILD / "arca", "stat", str(ours.pid)], capture_output=True, text=True)
            if "Permission denied" not in done.stderr:  # the tool itself may lie where nobody may look
                check(done.returncode == 1 and done.stderr == f"arca: process {ours.pid} belongs to another user (user id 0)\n", f"of another user: {done}")


def lies():
    """Processes that mean ill: the tool ends in its time, with or without an answer, and never by a signal."""
    binary = compiled("hostile.c", "hostile", "-rdynamic")
    for kind in ("layout", "nowhere", "arena-ring", "heap-ring", "chunk-ring", "wide-arena", "huge-arena", "wild-spans", "noise"):
        with program([binary, kind], preload=False) as process:
            done = subprocess.run([BUILD / "arca", "stat", str(process.pid)], capture_output=True, text=True, timeout=30)
            check(done.returncode in (0, 1), f"{kind}: status {done.returncode}")
            check(done.returncode == 0 or (done.stdout == "" and len(done.stderr.splitlines()) == 1), f"{kind}: {done.stderr[:200]}")
            doctor = subprocess.run([BUILD / "arca", "doctor", str(process.pid)], capture_output=True, text=True, timeout=30)
            check(doctor.returncode in (0, 1), f"doctor of {kind}: status {doctor.returncode}")
            check(kind != "layout" or "uses another version of Arca" in done.stderr, f"{kind}: {done.stderr}")
            check(not kind.endswith("ring") or "have no end" in done.stderr, f"{kind}: {done.stderr}{done.stdout[:100]}")


forms_agree()
inside_and_outside_agree()
older_kernels_tell_the_same()
linked_in_is_found()
replaced_library_is_found()
refusals()
lies()
