#!/usr/bin/python3
"""arca run: the program has the library and the settings; what can not have it is refused in one line and not started."""
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from tool import BUILD, LIB, check, complaint, environment, scratch, tool

SAYS = ("import os; print(os.environ.get('ARCA_CONF'), 'libarca' in open('/proc/self/maps').read(), "
        "os.environ['LD_PRELOAD'].split(':')[0])")


def plain_environment(**more):
    return {**{key: value for key, value in environment().items() if key != "LD_PRELOAD"}, **more}


def runs():
    out, _ = tool("run", "python3", "-c", SAYS, env=plain_environment())
    check(out.split() == ["None", "True", str(Path(os.environ["PRELOAD_LIB"]))], f"run: {out}")
    out, _ = tool("run", "-o", "purge=2s", "-o", "cache=4k", "--", "python3", "-c", SAYS, env=plain_environment(ARCA_CONF="purge=1s"))
    check(out.split()[:2] == ["purge=1s,purge=2s,cache=4k", "True"], f"settings: {out}")
    out, _ = tool("run", "python3", "-c", "import os; print(os.environ['LD_PRELOAD'])", env=plain_environment(LD_PRELOAD="/nowhere/x.so"))
    check(out.strip().endswith(":/nowhere/x.so"), f"what was preloaded before: {out}")
    tool("run", "sh", "-c", "exit 7", status=7, env=plain_environment())


def script(directory, name, text):
    path = directory / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def compiled(directory, name, *flags):
    source = directory / "x.c"
    source.write_text("int main(void) { return 0; }\n")
    done = subprocess.run(["gcc", "-o", str(directory / name), str(source), *flags], capture_output=True, text=True)
    check(done.returncode == 0, f"{name}: {done.stderr[:200]}")
    return directory / name


def refused(directory):
    env = plain_environment()
    static = compiled(directory, "static", "-static")
    check("it is statically linked" in complaint("run", static, env=env), "a static program")
    asan = compiled(directory, "asan", "-fsanitize=address")
    check("AddressSanitizer inside" in complaint("run", asan, env=env), "a program with AddressSanitizer")
    wrapped = script(directory, "script", f"#!{static} -x\n")
    check("it is statically linked" in complaint("run", wrapped, env=env), "a script that a static program runs")
    tool("run", script(directory, "good", "#!/usr/bin/env -S sh\nexit 0\n"), env=env)
    check("it is no program" in complaint("run", script(directory, "text", "hello\n"), env=env), "a text")
    check("not found" in complaint("run", "no-such-program-here", status=127, env=env), "a program that is not there")
    check("not found" in complaint("run", "", status=127, env=env), "no name")
    check("Is a directory" in complaint("run", directory, status=127, env=env), "a directory")
    (directory / "place" / "thing").mkdir(parents=True)
    check("not found" in complaint("run", "thing", status=127, env={**env, "PATH": str(directory / "place")}), "a directory that PATH leads to")
    orphan = script(directory, "orphan", "#!/nowhere/interpreter\n")
    check("what is to run it, after #!, or its loader, is not there" in complaint("run", orphan, status=126, env=env), "a script whose interpreter is not there")
    if os.geteuid() == 0:
        owned = compiled(directory, "owned")
        os.chown(owned, 65534, 65534)
        owned.chmod(0o4755)
        check("set-user-ID" in complaint("run", owned, env=env), "a program that changes its user")


def misused():
    for words, said in (([], "no program"), (["-o"], "-o without"), (["-o", "purge", "true"], "-o without"), (["-x", "true"], "'-x' is no option"),
                        (["-o", "pruge=1s", "true"], "did you mean 'purge'"), (["-o", "purge=abc", "true"], "not a duration")):
        check(said in complaint("run", *words, status=2, env=plain_environment()), f"run {words}")


def where_it_was_copied_to():
    """The library is looked for from where the tool is: beside it, not where it was built."""
    with tempfile.TemporaryDirectory(prefix="arca tool", dir="/tmp") as name:
        copy = Path(name) / "arca"
        shutil.copy(BUILD / "arca", copy)
        done = subprocess.run([copy, "run", "true"], capture_output=True, text=True, env=plain_environment())
        check(done.returncode == 1 and "is neither beside this tool nor in" in done.stderr, f"a tool without a library: {done}")
        shutil.copy(LIB.resolve(), Path(name) / "libarca.so.0")
        done = subprocess.run([copy, "run", "true"], capture_output=True, text=True, env=plain_environment())
        check(done.returncode == 1 and "with a blank or a colon" in done.stderr, f"a path that can not be preloaded: {done}")


def installed():
    """The tool finds the library where both were installed to; its manual page is there, too."""
    with tempfile.TemporaryDirectory(prefix="arca-tool-", dir="/tmp") as name:
        done = subprocess.run(["cmake", "--install", BUILD, "--prefix", name], capture_output=True, text=True)
        check(done.returncode == 0, f"cmake --install: {done.stderr[:200]}")
        done = subprocess.run([f"{name}/bin/arca", "run", "python3", "-c", SAYS], capture_output=True, text=True, env=plain_environment())
        check(done.stdout.split()[1:2] == ["True"] and name in done.stdout, f"installed: {done}")
        if shutil.which("scdoc"):
            check("looks at processes whose malloc is Arca" in (Path(name) / "share/man/man1/arca.1").read_text(), "the manual page")


def main():
    runs()
    installed()
    with scratch() as directory:
        directory.chmod(directory.stat().st_mode | stat.S_IXOTH)
        refused(directory)
    misused()
    where_it_was_copied_to()


main()
