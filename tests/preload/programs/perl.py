"""perl: one-liners over strings, hashes, sorts, regular expressions, fork and pipes print what they print without the preload."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from preload import check, need, run, run_plain

PROGRAMS = [
    r'my %h; $h{$_ * 7919 % 65537} .= "x" x ($_ % 300) for 1..60000; my $n = 0; $n += length $h{$_} for keys %h; print scalar(keys %h), " $n\n"',
    r'print join(",", (sort { $a <=> $b } map { ($_ * 48271) % 2147483647 } 1..50000)[0, 24999, 49999]), "\n"',
    r'my $s = join " ", map { "word$_" } 1..50000; my $n = () = $s =~ /w(o)(r)d\d*7\b/g; $s =~ s/(\d+)/<$1>/g; print "$n ", length $s, "\n"',
    r'my $s = ""; for (1..200000) { $s .= chr(97 + $_ % 26); $s = substr($s, 100) if length $s > 5000 } print unpack("%32C*", $s), "\n"',
    r'for my $i (1..20) { my $p = open(my $f, "-|"); if (!$p) { my @a = map { [1 .. $_ % 50] } 1..2000; print scalar(@a), "\n"; exit } print <$f>; close $f }',
    r'my @t; for my $r (1..20) { @t = map { { id => $_, list => [1 .. 10], name => "n" x $_ } } 1..500 } print scalar(@t), $t[-1]{name}, "\n"',
]


def main():
    perl = need("perl", "perl")
    for program in PROGRAMS:
        want = run_plain([perl, "-e", program])
        check(want, f"perl prints nothing without the preload: {program[:60]}")
        check(run([perl, "-e", program]) == want, f"perl prints something else: {program[:60]}")


main()
