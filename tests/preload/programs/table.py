"""Many programs of Debian, a row each, print byte for byte what they print with the system's malloc.

A row is a name, the package that has the program, and a command for sh.  It runs in a folder of its own with the input below,
once without the preload and once with it, the shell and all else that it starts included; its output and status must agree.
"""
import random
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from preload import PATH, check, environment, scratch, skip

LEAST = 30
TIMEOUT_S = 60

TABLE = [
    ("sort", "coreutils", "sort -t: -k3,3n -k1,1 --parallel=2 -S 1M lines"),
    ("join", "coreutils", "sort lines | head -2000 > a; tac lines | sort | head -3000 > b; join -t: a b; comm -12 a b | uniq -c; paste a b | cut -c1-40 | fmt"),
    ("sha512sum", "coreutils", "sha512sum lines blob; b2sum blob; base64 blob; od -x blob"),
    ("factor", "coreutils", "seq 1000000007 1000000300 | factor; factor 20988936657440586486151264256610222593863921"),
    ("ls", "coreutils", "ls -R --sort=size --time-style=+ tree; du -a --apparent-size tree | sort"),
    ("awk", "mawk", "awk -F: '{n[$1] += $3; s[$3 % 97] = s[$3 % 97] $1} END {for (k in n) t += n[k]; print t; for (i = 0; i < 97; i++) print length(s[i]), substr(s[i], 1, 9)}' lines"),
    ("gawk", "gawk", "gawk -F: '{n[$1] += $3; a[NR] = $2} END {for (i = 0; i < asort(a); i += 999) print a[i], strtonum(n[$1])}' lines"),
    ("sed", "sed", "sed -E 's/([a-z]+):([a-z]+)/\\2-\\1/; $!N; P; D' lines; sed -n 'H; ${x; s/\\n/,/g; p}' lines | tail -c 1000"),
    ("grep", "grep", "grep -nE '(ab|ba).*[5-9]{2}$' lines; grep -c -i -f words lines; grep -rl include tree"),
    ("find", "findutils", "find tree -type f -size +0 -printf '%p %s\\n' | sort; find tree -print0 | xargs -0 -n 3 echo | sort"),
    ("diff", "diffutils", "tac lines | head -4000 > a; head -4000 lines | sort > b; diff a b; diff -u a b | tail -500; cmp a b"),
    ("patch", "patch", "sed 's/9/nine/' lines > b; diff -u lines b > p; patch -s lines p; sha1sum lines"),
    ("bash", "bash", "bash -c 'declare -A n; while IFS=: read -r a b c; do n[$a$b]+=$c; done < lines; for k in \"${!n[@]}\"; do echo $k ${n[$k]}; done | sort'"),
    ("dash", "dash", "dash -c 'i=0; s=; while [ $i -lt 3000 ]; do i=$((i+1)); s=\"$s$i\"; done; echo $s | tail -c 900; set -- $(cat words); echo $# $7 $9'"),
    ("tar", "tar", "tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - tree | tee t.tar | sha1sum; mkdir x; tar -xf t.tar -C x; diff -r tree x/tree && echo same"),
    ("cpio", "cpio", "find tree | sort | cpio -o --reproducible -H newc --quiet > c; cpio -itv --quiet < c | awk '{print $NF, $5}'"),
    ("gzip", "gzip", "gzip -9nc lines blob | tee z | sha1sum; gzip -dc z | sha1sum"),
    ("bzip2", "bzip2", "bzip2 -9c lines | tee z | sha1sum; bzip2 -dc z | sha1sum"),
    ("xz", "xz-utils", "xz -6 -T2 --block-size=200000 -c lines > z; sha1sum z; xz -dc -T2 z | sha1sum"),
    ("zstd", "zstd", "zstd -q -12 -T2 -c lines > z; sha1sum z; zstd -qdc z | sha1sum"),
    ("zip", "zip", "TZ=UTC touch -d @1000000000 lines words; zip -qX z lines words; sha1sum z.zip"),
    ("unzip", "unzip", "TZ=UTC touch -d @1000000000 lines words; zip -qX z lines words; unzip -p z | sha1sum; unzip -l z"),
    ("perl", "perl", "perl -ne 'chomp; @f = split /:/; push @{$h{$f[0]}}, \"$f[1]$f[2]\"; END {print \"$_ @{$h{$_}}\\n\" for sort keys %h}' lines"),
    ("python3", "python3", "python3 -c 'import json, re, collections; d = json.load(open(\"data.json\")); print(collections.Counter(re.sub(\"[aeiou]\", \"\", r[\"name\"]) for r in d).most_common(50)); print(json.dumps(d, indent=1)[-3000:])'"),
    ("ruby", "ruby", "ruby -rjson -e 'd = JSON.parse(File.read(\"data.json\")); h = d.group_by { |r| r[\"name\"] }; puts h.sort.map { |k, v| k + v.sum { |r| r[\"n\"] }.to_s }; GC.start; puts (1..300).reduce(:*)'"),
    ("lua", "lua5.4", "lua5.4 -e 'local t = {} for l in io.lines(\"lines\") do local a, b, c = l:match(\"(%a+):(%a+):(%d+)\") t[a] = (t[a] or \"\") .. c end local k = {} for a in pairs(t) do k[#k + 1] = a end table.sort(k) for _, a in ipairs(k) do print(a, t[a]) end'"),
    ("tclsh", "tcl", "echo 'set f [open lines]; while {[gets $f l] >= 0} {lassign [split $l :] a b c; dict lappend d $a $c}; foreach k [lsort [dict keys $d]] {puts \"$k [lsort -integer [dict get $d $k]]\"}' | tclsh"),
    ("php", "php-cli", "php -r '$d = json_decode(file_get_contents(\"data.json\"), true); usort($d, fn($a, $b) => [$a[\"name\"], $a[\"n\"]] <=> [$b[\"name\"], $b[\"n\"]]); echo serialize(array_slice($d, 0, 500));'"),
    ("jq", "jq", "jq -c 'group_by(.name) | map({name: .[0].name, sum: map(.n) | add, tags: map(.tags[]) | unique})' data.json"),
    ("bc", "bc", "echo 'scale = 400; 4 * a(1); e(1); 2 ^ 3000; for (i = 0; i < 300; i++) x = x * 31 + i; x' | bc -l"),
    ("m4", "m4", "echo 'define(`f`,`ifelse(`$1`,0,,`f(decr(`$1`))`)`)' | tr '`' \"'\" > a; yes 'define(`x$1'\\'',`$2 $2'\\'')x(a)' | head -3000 | m4 - | sha1sum"),
    ("bison", "bison", "bison -v -o g.c grammar.y; cat g.c g.output"),
    ("flex", "flex", "flex -t scanner.l"),
    ("gcc", "gcc", "gcc -O2 -S program.c; cat program.s; gcc program.s -o p && ./p"),
    ("g++", "g++", "g++ -O1 -S -o p.s program.cc; cat p.s; g++ p.s -o p && ./p"),
    ("clang", "clang", "clang -O2 -S program.c; cat program.s; clang program.s -o p && ./p"),
    ("binutils", "binutils", "gcc -g -O1 -c program.c -o o; nm o; objdump -dr o; readelf -aW o; strings o; size o; ar rcD a.a o; ranlib -D a.a; sha1sum a.a"),
    ("make", "make", "make -j2 -Otarget -f Makefile all | sort; make -f Makefile -n -B all | sort"),
    ("cmake", "cmake", "cmake -P script.cmake 2>&1"),
    ("git", "git", "git init -q r; cd r; cp -r ../tree ../lines .; git add -A; git commit -qm one; sed -i s/7/seven/ lines; git commit -qam two; git log -p | sha1sum; git gc -q; git fsck; git blame lines | sha1sum; git diff --stat HEAD~1"),
    ("openssl", "openssl", "openssl dgst -sha3-256 blob; openssl enc -aes-256-cbc -pbkdf2 -S 0102030405060708 -k k -in blob | sha1sum; openssl rsa -in key.pem -text -noout; openssl asn1parse -in key.pem; openssl dgst -sha256 -sign key.pem -hex blob"),
    ("ssh-keygen", "openssh-client", "cp key.pem key; chmod 600 key; ssh-keygen -y -f key; ssh-keygen -y -f key > key.pub; ssh-keygen -lvf key.pub; ssh-keygen -e -m pem -f key.pub"),
    ("gpg", "gpg", "mkdir -m 700 g; gpg --homedir g --batch -q --print-md SHA512 blob; gpg --homedir g --batch -q --enarmor < blob | sha1sum"),
    ("sqlite3", "sqlite3", "sqlite3 :memory: '.import --csv table.csv t' 'SELECT a, count(*), group_concat(b) FROM (SELECT * FROM t ORDER BY b) GROUP BY a ORDER BY a' 'PRAGMA integrity_check'"),
    ("curl", "curl", "for i in 1 2 3; do echo \"url = file://$PWD/lines\"; done | curl -s --parallel -K - | sha1sum; curl -s 'file:///proc/sys/kernel/ostype' \"file://$PWD/words\""),
    ("rsync", "rsync", "rsync -a tree/ copy; sed -i s/1/one/ tree/d1/*; rsync -ai --checksum --no-times tree/ copy | sort; diff -r tree copy && echo same"),
    ("vim", "vim-tiny", "vim.tiny -u NONE -es -N lines -c '%s/\\v([a-z]+):([a-z]+)/\\2:\\1/' -c 'g/77/m0' -c 'sort n' -c 'undo' -c 'w! out' -c 'qa!'; cat out"),
    ("xmllint", "libxml2-utils", "xmllint --format data.xml; xmllint --xpath 'sum(//row/@n)' data.xml; xmllint --c14n data.xml | sha1sum"),
    ("file", "file", "file lines blob data.json data.xml program.c tree/*/*"),
    ("ed", "ed", "printf 'g/7/s//seven/\\n1,100t$\\nw out\\nq\\n' | ed -s lines; sha1sum out"),
    ("dpkg", "dpkg", "dpkg-query -W | head -200; dpkg -L coreutils; mkdir -p k/DEBIAN; printf 'Package: k\\nVersion: 1\\nArchitecture: all\\nMaintainer: k\\nDescription: k\\n' > k/DEBIAN/control; SOURCE_DATE_EPOCH=0 dpkg-deb -Zxz --root-owner-group -b k k.deb; dpkg-deb -I k.deb"),
    ("troff", "groff-base", "(echo .TH A 1; sed 's/^/.PP\\n/' lines | head -3000) | groff -man -Tascii | sha1sum"),
    ("node", "nodejs", "node threads.js"),
]

C_PROGRAM = '#include <stdio.h>\n#include <stdlib.h>\n' + "".join(
    f"int f{i}(int x); int f{i}(int x) {{ int a[8]; for (int k = 0; k < 8; k++) a[k] = x * {i + 3} + k; return a[x & 7] ^ {i}; }}\n"
    for i in range(100)) + "int main(void) { unsigned s = 0;\n" + "".join(f"s = s * 31u + (unsigned)f{i}({i});\n" for i in range(100)) + \
    'printf("%u\\n", s); return 0; }\n'

CXX_PROGRAM = """
#include <iostream>
#include <map>
#include <string>
#include <vector>
int main() {
    std::map<std::string, std::vector<int>> map;
    for (int i = 0; i < 20000; i++) map[std::to_string(i % 977)].push_back(i);
    for (auto &[name, list] : map) std::cout << name << list.size() << ' ';
}
"""

GRAMMAR = """%token NUMBER WORD
%left '+' '-'
%left '*' '/'
%%
all: | all line ;
line: expression '\\n' | WORD '=' expression '\\n' ;
expression: NUMBER | WORD | expression '+' expression | expression '-' expression | expression '*' expression
    | expression '/' expression | '(' expression ')' | WORD '(' list ')' ;
list: | expression | list ',' expression ;
%%
"""

SCANNER = "%option noyywrap\n%%\n" + "".join(f'"word{i}"|[{chr(97 + i % 26)}]{{{i % 5 + 1}}}[0-9]+ return {i + 1};\n' for i in range(100)) + ".|\\n ;\n%%\n"

MAKEFILE = "all: " + " ".join(f"t{i}" for i in range(60)) + "\n" + "".join(
    f"V{i} := $(patsubst %,x%,$(sort $(shell echo c b a {i})))\nt{i}: $(if $(filter-out 0,{i}),t{i // 2}dep)\n\t@echo $@ $(V{i}) $(words $(V{i}))\n"
    f"t{i // 2}dep{'' if i % 2 else 'x'}:\n" for i in range(60))

CMAKE = """
set(sum 0)
foreach(i RANGE 3000)
  list(APPEND all "item${i}")
  math(EXPR sum "${sum} * 3 % 1000003 + ${i}")
endforeach()
list(SORT all)
list(FILTER all INCLUDE REGEX "7")
string(JOIN ":" text ${all})
string(REGEX REPLACE "([0-9])([0-9])" "\\\\2\\\\1" text "${text}")
file(READ data.json json)
string(JSON length LENGTH "${json}")
string(SHA256 sum256 "${text}")
message("${sum} ${length} ${sum256} ${text}")
"""

NODE_PROGRAM = """
const {Worker, isMainThread, parentPort} = require('worker_threads'), zlib = require('zlib'), crypto = require('crypto');
const kept = [];
if (isMainThread) {
    let sum = 0, running = 4;
    for (let i = 0; i < 4; i++)
        new Worker(__filename).on('message', part => sum += part).on('exit', () => --running || console.log(`buffers hold ${sum}`));
    for (let i = 0; i < 50; i++)
        zlib.gzip(crypto.createHash('sha256').update(`${i}`).digest(), (error, packed) => sum += packed.length);
} else {
    for (let i = 0; i < 20000; i++)
        kept[i % 500] = Buffer.alloc(1000 + i % 5000, i & 255);
    parentPort.postMessage(kept.reduce((sum, buffer) => sum + buffer.length + buffer[0], 0));
}
"""


def write_input(directory):
    """The same every time."""
    choose = random.Random(7)
    words = ["".join(choose.choice("abcdefgh") for _ in range(choose.randrange(2, 7))) for _ in range(300)]
    lines = [f"{choose.choice(words)}:{choose.choice(words)}:{choose.randrange(100000)}" for _ in range(15000)]
    rows = [{"name": choose.choice(words), "n": choose.randrange(1000), "tags": choose.sample(words, 3)} for _ in range(4000)]
    (directory / "words").write_text("\n".join(words) + "\n")
    (directory / "lines").write_text("\n".join(lines) + "\n")
    (directory / "blob").write_bytes(choose.randbytes(300_000))
    (directory / "data.json").write_text("[" + ",\n".join(
        '{"name": "%s", "n": %d, "tags": ["%s"]}' % (row["name"], row["n"], '", "'.join(row["tags"])) for row in rows) + "]\n")
    (directory / "data.xml").write_text("<rows>" + "".join(
        f'<row n="{row["n"]}"><name>{row["name"]}</name></row>' for row in rows) + "</rows>\n")
    (directory / "table.csv").write_text("a,b\n" + "".join(f"{row['name']},{row['n']}\n" for row in rows))
    for name, text in (("program.c", C_PROGRAM), ("program.cc", CXX_PROGRAM), ("grammar.y", GRAMMAR), ("scanner.l", SCANNER),
                       ("Makefile", MAKEFILE), ("script.cmake", CMAKE), ("threads.js", NODE_PROGRAM)):
        (directory / name).write_text(text)
    for i in range(120):
        path = directory / "tree" / f"d{i % 7}" / f"f{i}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(choose.sample(lines, choose.randrange(0, 200))) + "\n#include\n")


def run_row(command, directory, source, env):
    """Output and status, from a fresh copy of the input at the same place."""
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(source, directory)
    try:
        done = subprocess.run(["sh", "-c", command], cwd=directory, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return b"", None, "still running"
    return done.stdout, done.returncode, done.stderr.decode(errors="replace")


def judge(row, base):
    """What is wrong with a row; None when nothing is."""
    name, _, command = row
    env = environment(HOME="/nonexistent", TZ="UTC", GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@b",
                      GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@b", GIT_AUTHOR_DATE="1000000000 +0000",
                      GIT_COMMITTER_DATE="1000000000 +0000", LC_ALL="C.UTF-8")
    plain_env = {key: value for key, value in env.items() if key != "LD_PRELOAD"}
    directory = base / name
    want = run_row(command, directory, base / "input", plain_env)
    got = run_row(command, directory, base / "input", env)
    shutil.rmtree(directory, ignore_errors=True)
    if len(want[0]) < 20:
        return f"{name} prints nothing without the preload (status {want[1]}): {want[2].strip()[-200:]}"
    said = [line for line in got[2].splitlines() if line.startswith("arca:") or "ld.so" in line]
    if said:
        return f"{name}: {said[0]}"
    if got[:2] != want[:2]:
        at = next((i for i, (a, b) in enumerate(zip(want[0], got[0])) if a != b), min(len(want[0]), len(got[0])))
        return f"{name}: status {got[1]} (want {want[1]}), output differs from byte {at} on: {got[0][at:at + 60]!r}; {got[2].strip()[-100:]}"
    return None


PROGRAMS = {"lua": "lua5.4", "vim": "vim.tiny", "binutils": "objdump", "dpkg": "dpkg-deb", "troff": "groff"}


def is_installed(row):
    return shutil.which(PROGRAMS.get(row[0], row[0]), path=PATH) is not None


def main():
    present = [row for row in TABLE if is_installed(row)]
    absent = [package for _, package, _ in TABLE if package not in {row[1] for row in present}]
    with scratch() as base:
        (base / "input").mkdir()
        write_input(base / "input")
        if shutil.which("openssl", path=PATH):
            subprocess.run(["openssl", "genrsa", "-traditional", "-out", base / "input" / "key.pem", "2048"], check=True,
                           capture_output=True)
        with ThreadPoolExecutor(2) as pool:
            faults = [fault for fault in pool.map(lambda row: judge(row, base), present) if fault]
    check(not faults, "\n".join(faults))
    check(len(present) >= LEAST, f"only {len(present)} programs are installed")
    if absent:
        skip(f"{len(present)} programs agree; not installed: apt-get install {' '.join(absent)}")
    print(f"{len(present)} programs agree")


main()
