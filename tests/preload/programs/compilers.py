"""gcc and g++ under the preload compile a C and a C++ program which run, to the same object code as without it."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from preload import check, need, run, run_plain, scratch

C_LINES = ['#include <stdio.h>', '#include <stdlib.h>'] + [
    f"static int f{i}(int x) {{ int a[16]; for (int k = 0; k < 16; k++) a[k] = x * {i + 3} + k; return a[x & 15] ^ {i}; }}"
    for i in range(800)] + [
    "int main(void) {", "    unsigned sum = 0;", *[f"    sum = sum * 31u + (unsigned)f{i}({i});" for i in range(800)],
    '    char *text = malloc(100); snprintf(text, 100, "%u", sum); puts(text); free(text); return 0;', "}"]

CXX = """
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <unordered_map>
int main() {
    std::map<std::string, std::vector<std::shared_ptr<int>>> map;
    for (int i = 0; i < 20000; i++) map[std::to_string(i % 977)].push_back(std::make_shared<int>(i));
    std::unordered_map<int, std::string> other;
    for (auto &[name, list] : map) other[static_cast<int>(list.size())] += name;
    std::ostringstream out;
    for (int size : {20, 21}) out << std::regex_replace(other[size], std::regex("[0-4]+"), "_").size() << ' ';
    std::cout << out.str() << map.size() << std::endl;
}
"""


def build_and_run(compiler, source, flags, directory):
    plain, ours = directory / "plain.o", directory / "ours.o"
    run_plain([compiler, *flags, "-c", source, "-o", plain])
    run([compiler, *flags, "-c", source, "-o", ours])
    check(plain.read_bytes() == ours.read_bytes(), f"{Path(compiler).name} makes another object file")
    program = directory / "program"
    run([compiler, ours, "-o", program])
    want = run_plain([program])
    check(want.strip(), f"{source.name} prints nothing")
    check(run([program]) == want, f"{source.name} prints something else under the preload")


def main():
    gcc, gxx = need("gcc", "gcc"), need("g++", "g++")
    with scratch() as directory:
        (directory / "program.c").write_text("\n".join(C_LINES))
        (directory / "program.cc").write_text(CXX)
        build_and_run(gcc, directory / "program.c", ["-O2"], directory)
        build_and_run(gxx, directory / "program.cc", ["-O1", "-std=c++17"], directory)


main()
