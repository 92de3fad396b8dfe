"""The option arenas: a hard limit of address space, at which requests fail and the heap stays usable; by the statistics, too."""
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from preload import check, environment, need, need_library, scratch

BOUND = 2 * 64 << 20


def main():
    need_library()
    compiler = need("cc", "gcc")
    with scratch() as directory:
        program = directory / "bounded"
        subprocess.run([compiler, "-O1", "-D_GNU_SOURCE", "-fno-builtin", "-pthread", f"-I{HERE.parent}", "-o", program, HERE / "bounded.c"], check=True)
        for more in ("", ",arena=4m", ",background=off", ",huge_pages=off"):
            settings = f"arenas={32 if 'arena=' in more else 2}{more},stats=json"
            done = subprocess.run([program], env=environment(ARCA_CONF=settings), capture_output=True, text=True, timeout=100)
            check(done.returncode == 0 and done.stdout == "bounded\n", f"{settings}: status {done.returncode}: {done.stdout} {done.stderr[:200]}")
            check(json.loads(done.stderr)["mapped"] <= BOUND, f"{settings}: {done.stderr[:200]}")


main()
