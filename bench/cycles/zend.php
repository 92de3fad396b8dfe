<?php
/* PHP's objects and its cycle collector. The rows and the contract with the driver are in graph.h; how operations are
 * timed in stalls.h. An object of two properties is 72 bytes. It has no threads: there is no `other`. */

const ASK_NS = 20000;
const MOST_UNCOLLECTED = 5000000;
const BATCH = 512;
const COLLECTIONS = 3;

ini_set('memory_limit', '-1');
mt_srand(1);

final class Node
{
    public ?Node $first = null;
    public ?Node $second = null;
}

function collector_run(bool $run): void
{
    $run ? gc_enable() : gc_disable();
}

function resident(string $field): int
{
    $file = $field === 'Rss:' ? '/proc/self/smaps_rollup' : '/proc/self/status';
    preg_match("/^$field\\s+(\\d+)/m", file_get_contents($file), $found);
    return $found[1] * 1024;
}

function delay(): int
{
    return (int)explode(' ', file_get_contents('/proc/self/schedstat'))[1];
}

function operate_timed(string $when, float $seconds, int $most = PHP_INT_MAX): void
{
    global $graph;
    $delay = delay();
    $switches = getrusage()['ru_nvcsw'];
    $longest = $blocked = $raw = $operations = 0;
    $times = [];
    $now = hrtime(true);
    $end = $now + $seconds * 1e9;
    while ($now < $end && $operations < $most) {
        $start = $now;
        $graph->operate();
        $now = hrtime(true);
        $ns = $now - $start;
        $operations++;
        if ($ns > ASK_NS) {
            $later = delay();
            $ns -= $later - $delay;
            $raw = max($raw, $now - $start);
            $longest = max($longest, $ns);
            $now_switches = getrusage()['ru_nvcsw'];
            if ($now_switches !== $switches) {
                $blocked = max($blocked, $ns);
            }
            $switches = $now_switches;
            $delay = $later;
            $now = hrtime(true);
        }
        $width = $ns < 1000 ? 20 : ($ns < 100000 ? 1000 : 100000);
        $bucket = intdiv($ns, $width) * $width;
        $times[$bucket] = ($times[$bucket] ?? 0) + 1;
    }
    krsort($times);
    $left = $operations * 0.0001;
    foreach ($times as $p9999 => $count) {
        $left -= $count;
        if ($left < 0) {
            break;
        }
    }
    printf("%1\$s.longest %2\$f\n%1\$s.p9999 %3\$f\n%1\$s.blocked %4\$f\n%1\$s.raw %5\$f\n%1\$s.operations %6\$d\n",
        $when, $longest / 1e3, $p9999 / 1e3, $blocked / 1e3, $raw / 1e3, $operations);
}

function operate_fast(float $seconds): void
{
    global $graph;
    $wall = delay() - hrtime(true);
    $end = hrtime(true) + $seconds * 1e9;
    for ($operations = 0; hrtime(true) < $end; $operations += BATCH) {
        for ($i = 0; $i < BATCH; $i++) {
            $graph->operate();
        }
    }
    $wall += hrtime(true) - delay();
    printf("speed %f\n", $operations * 1e3 / $wall);
}

function fresh(int $count): array
{
    $nodes = [];
    for ($i = 0; $i < $count; $i++) {
        $nodes[] = new Node;
    }
    return $nodes;
}

function used(int $count): array
{
    $nodes = fresh($count);
    for ($i = 0; $i < 2 * $count; $i++) {
        $nodes[mt_rand(0, $count - 1)] = new Node;
    }
    shuffle($nodes);
    return $nodes;
}

function pair_new(?Node $second): Node
{
    $one = new Node;
    $one->second = $second;
    $one->first = new Node;
    $one->first->first = $one;
    return $one;
}

final class Graph
{
    public array $anchors, $members = [];
    public ?Node $hub = null;

    public function __construct(int $count, bool $with_hub)
    {
        $nodes = used($count);
        $this->hub = $with_hub ? new Node : null;
        $this->anchors = array_slice($nodes, 0, intdiv($count, 2));
        for ($i = intdiv($count, 2); $i + 1 < $count; $i += 2) {
            $one = $nodes[$i];
            $one->first = $nodes[$i + 1];
            $one->first->first = $one;
            $one->second = $this->hub ?? $this->anchors[array_rand($this->anchors)];
            $this->members[] = $one;
        }
        foreach ($this->anchors as $anchor) {
            $anchor->first = $this->members[mt_rand(0, count($this->members) - 1)];
            $anchor->second = $this->hub;
        }
    }

    public function operate(): void
    {
        $lot = mt_rand(0, 3);
        $anchor = $this->anchors[mt_rand(0, count($this->anchors) - 1)];
        if ($lot < 2) {
            $anchor->first = $this->members[mt_rand(0, count($this->members) - 1)];
        } else {
            $pair = pair_new($this->hub ?? $anchor);
            if ($lot == 2) {
                $this->members[mt_rand(0, count($this->members) - 1)] = $pair;
            }
        }
    }
}

function churn(int $count, float $seconds, bool $with_hub): void
{
    global $graph;
    $graph = new Graph($count, $with_hub);
    collector_run(true);
    operate_timed('on', $seconds);
    operate_fast($seconds);
    collector_run(false);
    operate_timed('off', $seconds, MOST_UNCOLLECTED);
}

function cpu(): float
{
    $usage = getrusage();
    return ($usage['ru_utime.tv_sec'] + $usage['ru_stime.tv_sec']) * 1e9
        + ($usage['ru_utime.tv_usec'] + $usage['ru_stime.tv_usec']) * 1e3;
}

function collect_ns(int $count): float
{
    $before = cpu();
    gc_collect_cycles();
    return (cpu() - $before) / $count;
}

function tie_pairs(array $nodes, int $count): void
{
    for ($i = 0; $i + 1 < $count; $i += 2) {
        $nodes[$i]->first = $nodes[$i + 1];
        $nodes[$i + 1]->first = $nodes[$i];
    }
}

function tie_ring(array $nodes, int $count): void
{
    for ($i = 0; $i < $count; $i++) {
        $nodes[$i]->first = $nodes[($i + 1) % $count];
    }
}

function tie_random(array $nodes, int $count): Node
{
    for ($i = 0; $i < $count; $i++) {
        $nodes[$i]->first = $nodes[($i + 1) % $count];
        $nodes[$i]->second = $nodes[mt_rand(0, $count - 1)];
    }
    return $nodes[0];
}

function reclaim(int $count, callable $make, callable $tie): void
{
    $least = INF;
    for ($i = 0; $i < COLLECTIONS; $i++) {
        $tie($make($count), $count);
        $least = min($least, collect_ns($count));
    }
    echo "cpu $least\n";
}

function memory(int $count): void
{
    global $kept;
    $baseline = resident('VmHWM:');
    for ($i = 0; $i < $count; $i++) {
        $node = new Node;
        $node->first = $kept;
        $kept = $node;
    }
    gc_collect_cycles();
    printf("bytes %d\n", resident('VmHWM:') - $baseline);
}

function give_back(int $count): void
{
    $baseline = resident('Rss:');
    $members = null;
    for ($i = 0; $i < $count / 2; $i++) {
        $members = pair_new($members);
    }
    $full = resident('Rss:');
    $members = null;
    gc_collect_cycles();
    sleep(2);
    printf("percent %f\n", max(0, 100 * (resident('Rss:') - $baseline) / ($full - $baseline)));
}

if ($argv[1] === '--list') {
    echo "churn\nhub\npairs\npairs-used\nring\nrandom\nshuffled\nmemory\nreturn\n";
    exit(0);
}
[, $row, $count, $seconds] = $argv;
collector_run(false);
match ($row) {
    'churn', 'hub' => churn($count, $seconds, $row === 'hub'),
    'pairs' => reclaim($count, fresh(...), tie_pairs(...)),
    'pairs-used' => reclaim($count, used(...), tie_pairs(...)),
    'ring' => reclaim($count, fresh(...), tie_ring(...)),
    'random' => reclaim($count, fresh(...), tie_random(...)),
    'shuffled' => [$kept = tie_random(used($count), $count), printf("cpu %f\n", collect_ns($count))],
    'memory' => memory($count),
    'return' => give_back($count),
};
posix_kill(posix_getpid(), SIGKILL);
