"""git: init, two commits of 200 files, diff, log, gc (with threads), clone and fsck give the tree that went in."""
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from preload import check, environment, need, run, run_plain, scratch

FILES = 200


def write_files(directory, seed):
    choose = random.Random(seed)
    for i in range(FILES):
        path = directory / f"folder{i % 7}" / f"file{i}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"line {choose.randrange(1000)}\n" for _ in range(choose.randrange(1, 400))))


def main():
    git = need("git", "git")
    with scratch() as directory:
        work, copy = directory / "work", directory / "copy"
        env = environment(HOME=str(directory), GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@b",
                          GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@b")
        run([git, "init", "-q", work], env=env)
        for seed in (1, 2):
            write_files(work, seed)
            run([git, "-C", work, "add", "-A"], env=env)
            run([git, "-C", work, "commit", "-q", "-m", f"commit {seed}"], env=env)
        check(run([git, "-C", work, "log", "--oneline"], env=env).count("\n") == 2, "two commits")
        diff = [git, "-C", work, "diff", "--stat", "HEAD~1", "HEAD"]
        check(run(diff, env=env) == run_plain(diff), "git diff prints something else")
        run([git, "-C", work, "-c", "pack.threads=4", "gc", "-q", "--aggressive", "--prune=now"], env=env)
        run([git, "clone", "-q", f"file://{work}", copy], env=env)
        run([git, "-C", copy, "fsck", "--full", "--strict"], env=env)
        for path in work.glob("folder*/*"):
            check((copy / path.relative_to(work)).read_bytes() == path.read_bytes(), f"{path.name} was cloned wrong")
        check(run([git, "-C", copy, "grep", "-c", "line 7$"], env=env) == run_plain([git, "-C", copy, "grep", "-c", "line 7$"]),
              "git grep (threads) prints something else")


main()
