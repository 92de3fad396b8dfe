# A fixed piece of work for perl: hashes, strings, sorting, nested structures.
use strict;
use warnings;

my $state = 1;

sub below {    # the same sequence with every perl
    $state = ($state * 1103515245 + 12345) & 0x7fffffff;
    return ($state >> 8) % $_[0];
}

my @words = map { join '', map { chr(97 + below(26)) } 1 .. 2 + below(12) } 1 .. 5000;

my (%count, %lines_of);
for my $number (1 .. 30000) {
    my $line = join ' ', map { $words[below(scalar @words)] } 1 .. 10;
    for my $word (split / /, $line) {
        $count{$word}++;
        push @{ $lines_of{$word} }, "$number:$line" if below(4) == 0;
    }
}
my @ranking = sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count;

my %sessions;
for my $request (1 .. 250000) {
    my $id = below(20000);
    my $session = $sessions{$id} ||= { name => "user $id", seen => [] };
    push @{ $session->{seen} }, { word => $words[below(scalar @words)], at => $request };
    delete $sessions{$id} if @{ $session->{seen} } > 8;
}

my $text = join "\n", map { "$_=$count{$_}" } @ranking;
$text =~ s/([aeiou])/<$1>/g for 1 .. 3;
my %parsed = map { split /=/, $_, 2 } split /\n/, $text;
print scalar(@ranking), ' ', scalar(keys %sessions), ' ', scalar(keys %parsed), "\n";
