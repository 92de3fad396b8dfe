"""A burst in a control group with little memory survives; the same one is killed when nothing is given back, and under the
system's malloc."""
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from preload import check, environment, need, need_library, scratch, skip

LIMIT = 128 << 20
V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


@contextlib.contextmanager
def control_group():
    """A directory of either version whose processes have LIMIT, without swap."""
    version1 = (V1 / "memory.limit_in_bytes").exists()
    group = (V1 if version1 else V2) / f"arca-test-{os.getpid()}"
    try:
        if not version1:
            (V2 / "cgroup.subtree_control").write_text("+memory")
        group.mkdir()
        (group / ("memory.limit_in_bytes" if version1 else "memory.max")).write_text(str(LIMIT))
    except OSError as error:
        with contextlib.suppress(OSError):
            group.rmdir()
        skip(f"no control group for memory can be made ({error}): run it as root, on a machine that mounts {V1} or {V2}")
    with contextlib.suppress(OSError):
        (group / ("memory.swappiness" if version1 else "memory.swap.max")).write_text("0")
    try:
        yield group
    finally:
        group.rmdir()


def burst(program, group, preload=True, **settings):
    """(status, how far it came, statistics)."""
    env = environment(**settings)
    if not preload:
        env.pop("LD_PRELOAD", None)

    def enter():
        (group / "cgroup.procs").write_text(str(os.getpid()))
    done = subprocess.run([program], env=env, preexec_fn=enter, capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout, done.stderr


def main():
    need_library()
    compiler = need("cc", "gcc")
    with scratch() as directory, control_group() as group:
        program = directory / "burst"
        subprocess.run([compiler, "-O1", "-fno-builtin", "-pthread", "-o", program, HERE / "burst.c"], check=True)
        status, said, statistics = burst(program, group, ARCA_STATS="text")
        check(status == 0, f"under Arca: status {status}, it came as far as: {said}")
        check("pressure_events 0" not in statistics, f"under Arca no pressure was seen: {statistics}")
        status, said, _ = burst(program, group, ARCA_PURGE="never")
        check(status == -signal.SIGKILL, f"with purge=never, status {status}: {said}")
        status, said, _ = burst(program, group, preload=False)
        check(status == -signal.SIGKILL, f"under the system's malloc, status {status}: {said}")


main()
