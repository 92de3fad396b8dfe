"""PostgreSQL answers what it does without the preload, and a backend that has sorted and joined gives its memory back."""
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from preload import LIB, check, complain_of, environment, need, resident_mib, run, run_plain, scratch, tail

NOBODY = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}  # the server does not run as root
SETTINGS = {"listen_addresses": "", "shared_buffers": "16MB", "fsync": "off", "work_mem": "1GB", "hash_mem_multiplier": "8",
            "max_parallel_workers_per_gather": "0", "jit": "off"}
QUESTIONS = """
CREATE TABLE item AS SELECT g AS id, md5((g * 7919 % 60013)::text) AS name, g % 997 AS weight FROM generate_series(1, 60000) g;
CREATE INDEX ON item (name);
DELETE FROM item WHERE id % 3 = 0;
SELECT weight, count(*), max(name) FROM item GROUP BY weight ORDER BY weight;
SELECT a.name, b.name FROM item a JOIN item b USING (weight) WHERE a.id < b.id ORDER BY 1, 2 LIMIT 500;
SELECT json_agg(item ORDER BY id) FROM item WHERE weight < 5;
SELECT regexp_replace(string_agg(name, ',' ORDER BY name), '([0-9])([a-f])', '\\2\\1', 'g') FROM item WHERE weight = 7;
"""
BURST = "SELECT count(*) FROM (SELECT md5((g % 700000)::text) x, array_agg(g) FROM generate_series(1, 1500000) g GROUP BY 1) t;"
BURST_MIB = 100
LEFT = 0.1
PATIENCE_S = 20


def find(name):
    """Debian has most of its programs in a folder for each version."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((str(folder / name) for folder in folders if (folder / name).exists()), None) or need(name, "postgresql")


@contextmanager
def started(env, directory):
    """A server with a new cluster; yields how psql reaches it."""
    data, log = directory / "data", directory / "log"
    run([find("initdb"), "--auth=trust", "--username=test", "--locale=C", "--no-sync", "-D", data], env=env, **NOBODY)
    words = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]
    with open(log, "w") as output:
        server = subprocess.Popen([find("postgres"), "-D", data, "-k", directory, *words], env=env, stdout=output, stderr=output, **NOBODY)
    ask = [need("psql", "postgresql-client"), "-qAtX", "-v", "ON_ERROR_STOP=1", "-h", str(directory), "-U", "test", "postgres"]
    try:
        ready = [find("pg_isready"), "-q", "-h", str(directory)]
        while subprocess.run(ready, check=False).returncode != 0:  # the socket comes before the answers
            check(server.poll() is None, f"postgres did not start: {tail(log)}")
            time.sleep(0.05)
        yield ask
        check(server.poll() is None, f"postgres died: {tail(log)}")
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
        complain_of(log.read_text(errors="replace"), "postgres")


def answers(ask):
    return run_plain([*ask, "-c", QUESTIONS])


def backend_gives_back(ask):
    """One connection: a burst, and then it waits for its client."""
    with subprocess.Popen(ask, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        def answer(question):
            client.stdin.write(question + "\n")
            client.stdin.flush()
            return client.stdout.readline().strip()

        backend = int(answer("SELECT pg_backend_pid();"))
        check(not LIB or Path(LIB).name in Path(f"/proc/{backend}/maps").read_text(), "the backend does not have the library")
        answer("SELECT count(*) FROM item a JOIN item b USING (weight);")  # its code, tables and buffers are resident now
        before = resident_mib(backend)
        check(answer(BURST) == "700000", "the burst counts wrongly")
        peak = int(Path(f"/proc/{backend}/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
        check(peak - before >= BURST_MIB, f"the burst took {peak - before:.0f} MiB only")
        end = time.monotonic() + PATIENCE_S
        while LIB and resident_mib(backend) - before > LEFT * (peak - before):
            check(time.monotonic() < end, f"of {peak - before:.0f} MiB {resident_mib(backend) - before:.0f} did not come back")
            time.sleep(0.1)


def main():
    find("initdb")
    with scratch() as directory:
        directory.chmod(0o755)
        plain = environment()
        plain.pop("LD_PRELOAD", None)
        ours = environment()
        if LIB:  # where those who are not root can read it
            ours["LD_PRELOAD"] = str(shutil.copy(LIB, directory))
        got = {}
        for name, env in (("plain", plain), ("ours", ours)):
            (directory / name).mkdir()
            if NOBODY:
                os.chown(directory / name, NOBODY["user"], NOBODY["group"])
            with started(env, directory / name) as ask:
                got[name] = answers(ask)
                if name == "ours":
                    backend_gives_back(ask)
        check(got["plain"].count("\n") > 1490, "postgres does not work without the preload")
        check(got["ours"] == got["plain"], "postgres answers something else")


main()
