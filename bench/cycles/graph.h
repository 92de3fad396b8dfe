/* What the programs in C share: graphs of objects of 48 bytes with two slots, what is done to them, and the contract
 * with the driver, which the programs in other languages keep too.
 *
 *   PROGRAM --list                  the names of its rows
 *   PROGRAM ROW OBJECTS SECONDS     lines "NAME FIGURE"; of SECONDS is each part of a row of operations
 *
 * churn, hub   half of the objects are anchors; the others are members, in pairs that refer to each other, and are
 *              replaced all the time. An operation is, by lot:
 *                  1/2   an anchor's first slot is made to refer to a random member
 *                  1/4   a member's pair is replaced by a new one, which refers to a random anchor
 *                  1/4   a pair is made and dropped
 *              In hub, all second slots refer to one and the same object.
 *              off.* on.*: without and with collections; speed: millions of operations a second with them; alive:
 *              times OBJECTS that there are after a last collection (up to 1.5: old members that anchors refer to)
 *              of churn: idle.*: of operations that do nothing; touch.*: of such as call nothing and touch three random
 *              words of as much memory
 * other        the operations of churn; on.*: while another thread does nothing but full collections; off.*: while
 *              another thread is busy without any
 * pairs, ring, random
 *              cpu: nanoseconds an object of a full collection of: two-object cycles, one cycle, a graph of random
 *              references, to which nobody refers
 * pairs-used   the same in a heap in use: at random addresses, as all graphs of the rows above
 * shuffled     the same of a random graph in a heap in use that somebody refers to: nothing is to be freed
 * memory       bytes: most that was resident for a chain of the objects and a full collection
 * return       percent: resident 2 s after all the objects (in pairs) were collected, of what they took
 *
 * A program defines before it includes this file: struct node, node_new, node_store_first and _second (borrowed),
 * node_put_first and _second (owned, into an empty slot), node_retain, node_drop, collector_run(bool),
 * collector_collect, table_new, table_drop, objects_alive, program_start,
 * program_note (after the collector's part of a row: what else there is to say of it). */
#ifndef GRAPH_H
#define GRAPH_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "random.h"
#include "stalls.h"

#define MOST_UNCOLLECTED 5000000 /* operations: what they leave must fit into memory */
#define BATCH 512
#define IDLE_NS 200
#define COLLECTIONS 3

static uint64_t dice = 1;

static size_t below(size_t bound)
{
    return random_below(&dice, bound);
}

static size_t resident(const char *field)
{
    char line[160];
    size_t kib = 0;
    FILE *file = fopen(strcmp(field, "Rss:") == 0 ? "/proc/self/smaps_rollup" : "/proc/self/status", "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, field, strlen(field)) == 0)
            kib = strtoull(line + strlen(field), NULL, 10);
    if (file != NULL)
        fclose(file);
    return kib * 1024;
}

/* ---- graphs ---- */

static struct node **fresh(size_t count)
{
    struct node **nodes = table_new(count);
    for (size_t i = 0; i < count; i++)
        nodes[i] = node_new();
    return nodes;
}

/* New objects in the holes of old ones, until their order in time is not that in memory. */
static struct node **used(size_t count)
{
    struct node **nodes = fresh(count);
    for (size_t i = 0; i < 2 * count; i++) {
        size_t at = below(count);
        struct node *old = nodes[at];
        nodes[at] = node_new();
        node_drop(old);
    }
    for (size_t i = count - 1; i > 0; i--) {
        size_t other = below(i + 1);
        struct node *node = nodes[i];
        nodes[i] = nodes[other];
        nodes[other] = node;
    }
    return nodes;
}

/* Owned: an object of a cycle of two. */
static struct node *pair_new(struct node *second)
{
    struct node *one = node_new(), *two = node_new();
    node_store_second(one, second);
    node_put_first(two, node_retain(one));
    node_put_first(one, two);
    return one;
}

static struct graph {
    struct node **anchors, **members, *hub;
    size_t anchor_count, member_count;
} graph;

static struct node *random_anchor(void)
{
    return graph.hub != NULL ? graph.hub : graph.anchors[below(graph.anchor_count)];
}

static void graph_build(size_t count, bool with_hub)
{
    struct node **nodes = used(count);
    graph.hub = with_hub ? node_new() : NULL;
    graph.anchor_count = count / 2;
    graph.member_count = count / 4;
    graph.anchors = table_new(graph.anchor_count);
    graph.members = table_new(graph.member_count);
    for (size_t i = 0; i < graph.anchor_count; i++)
        graph.anchors[i] = nodes[i];
    for (size_t i = 0; i < graph.member_count; i++) {
        struct node *one = nodes[count / 2 + 2 * i], *two = nodes[count / 2 + 2 * i + 1];
        node_put_first(two, node_retain(one));
        node_put_first(one, two);
        node_store_second(one, random_anchor());
        graph.members[i] = one;
    }
    for (size_t i = 0; i < graph.anchor_count; i++) {
        node_store_first(graph.anchors[i], graph.members[below(graph.member_count)]);
        if (with_hub)
            node_store_second(graph.anchors[i], graph.hub);
    }
    table_drop(nodes);
}

static void operate(void)
{
    unsigned lot = random_next(&dice) >> 30;
    struct node *anchor = graph.anchors[below(graph.anchor_count)];
    if (lot < 2) {
        node_store_first(anchor, graph.members[below(graph.member_count)]);
    } else {
        struct node *pair = pair_new(graph.hub != NULL ? graph.hub : anchor);
        if (lot == 2) {
            size_t at = below(graph.member_count);
            struct node *old = graph.members[at];
            graph.members[at] = pair;
            pair = old;
        }
        node_drop(pair);
    }
}

/* ---- rows of operations ---- */

static void operate_timed(const char *when, double seconds, int64_t most)
{
    static struct stalls stalls;
    stalls_begin(&stalls);
    int64_t now = stalls_clock(CLOCK_MONOTONIC), end = now + (int64_t)(seconds * 1e9);
    while (now < end && stalls.operations < most) {
        operate();
        now = stalls_add(&stalls, now);
    }
    stalls_end(&stalls);
    stalls_print(&stalls, when);
}

/* Operations that touch no memory and last as long as others do: what the machine makes of anybody's. */
static void operate_idle(double seconds)
{
    static struct stalls stalls;
    stalls_begin(&stalls);
    int64_t now = stalls_clock(CLOCK_MONOTONIC), end = now + (int64_t)(seconds * 1e9);
    while (now < end) {
        while (stalls_clock(CLOCK_MONOTONIC) - now < IDLE_NS)
            ;
        now = stalls_add(&stalls, now);
    }
    stalls_end(&stalls);
    stalls_print(&stalls, "idle");
}

/* As many locked instructions in as many places as a reference is changed by: what the machine's memory makes of
 * anybody's. */
static void operate_touching(size_t count, double seconds)
{
    static struct stalls stalls;
    size_t bytes = count * sizeof(struct node), words = bytes / sizeof(uint64_t);
    uint64_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        abort();
    memset(memory, 1, bytes);
    stalls_begin(&stalls);
    int64_t now = stalls_clock(CLOCK_MONOTONIC), end = now + (int64_t)(seconds * 1e9);
    while (now < end) {
        for (int i = 0; i < 3; i++)
            __atomic_fetch_add(&memory[below(words)], 1, __ATOMIC_SEQ_CST);
        now = stalls_add(&stalls, now);
    }
    stalls_end(&stalls);
    stalls_print(&stalls, "touch");
    munmap(memory, bytes);
}

/* Millions a second of the time in which the thread had a processor or slept. */
static void operate_fast(double seconds)
{
    static struct stalls stalls;
    stalls_begin(&stalls);
    int64_t end = stalls_clock(CLOCK_MONOTONIC) + (int64_t)(seconds * 1e9);
    while (stalls_clock(CLOCK_MONOTONIC) < end) {
        for (int i = 0; i < BATCH; i++)
            operate();
        stalls.operations += BATCH;
    }
    stalls_end(&stalls);
    printf("speed %.4f\n", (double)stalls.operations * 1e3 / (double)stalls.wall);
}

static void change(size_t count, double seconds, bool with_hub)
{
    collector_run(false);
    graph_build(count, with_hub);
    collector_run(true);
    operate_timed("on", seconds, INT64_MAX);
    operate_fast(seconds);
    program_note();
    collector_run(false); /* last: what it leaves would give collections less to do */
    operate_timed("off", seconds, MOST_UNCOLLECTED);
    collector_run(true);
    collector_collect();
    printf("alive %.3f\n", (double)objects_alive() / (double)count);
}

static void churn(size_t count, double seconds)
{
    change(count, seconds, false);
    operate_idle(seconds);
    operate_touching(count, seconds);
}

static void hub(size_t count, double seconds)
{
    change(count, seconds, true);
}

static _Atomic int other_task; /* 0 ends it, 1 is busy, 2 collects */
static int other_collections;

static void *other_body(void *nothing)
{
    for (int task; (task = other_task) != 0;) {
        if (task == 2) {
            collector_collect();
            other_collections++;
        }
    }
    return nothing;
}

static void other(size_t count, double seconds)
{
    pthread_t thread;
    collector_run(false);
    graph_build(count, false);
    collector_run(true);
    other_task = 2;
    if (pthread_create(&thread, NULL, other_body, NULL) != 0)
        abort();
    operate_timed("on", seconds, INT64_MAX);
    program_note();
    collector_run(false);
    other_task = 1;
    operate_timed("off", seconds, MOST_UNCOLLECTED);
    other_task = 0;
    pthread_join(thread, NULL);
    printf("collections %d\n", other_collections);
}

/* ---- rows of collections ---- */

static double collect_ns(size_t count)
{
    int64_t before = stalls_clock(CLOCK_PROCESS_CPUTIME_ID);
    collector_collect();
    return (double)(stalls_clock(CLOCK_PROCESS_CPUTIME_ID) - before) / (double)count;
}

static void tie_pairs(struct node **nodes, size_t count)
{
    for (size_t i = 0; i + 1 < count; i += 2) {
        node_put_first(nodes[i], node_retain(nodes[i + 1]));
        node_put_first(nodes[i + 1], nodes[i]);
        node_drop(nodes[i + 1]);
    }
    table_drop(nodes);
}

static void build_pairs(size_t count)
{
    tie_pairs(fresh(count), count);
}

static void build_used_pairs(size_t count)
{
    tie_pairs(used(count), count);
}

static void build_ring(size_t count)
{
    struct node **nodes = fresh(count);
    for (size_t i = 0; i < count; i++)
        node_put_first(nodes[i], nodes[(i + 1) % count]);
    table_drop(nodes);
}

/* Each refers to the next and to any other. Owned. */
static struct node *random_graph(struct node **nodes, size_t count)
{
    struct node *first = node_retain(nodes[0]);
    for (size_t i = 0; i < count; i++)
        node_store_second(nodes[i], nodes[below(count)]);
    for (size_t i = 0; i < count; i++)
        node_put_first(nodes[i], nodes[(i + 1) % count]);
    table_drop(nodes);
    return first;
}

static void build_random(size_t count)
{
    node_drop(random_graph(fresh(count), count));
}

static void reclaim(size_t count, void (*build)(size_t))
{
    double least = 1e9;
    for (int i = 0; i < COLLECTIONS; i++) {
        collector_run(false);
        build(count);
        collector_run(true);
        double ns = collect_ns(count);
        least = ns < least ? ns : least;
    }
    printf("cpu %.2f\n", least);
}

static void pairs(size_t count, double seconds)
{
    (void)seconds;
    reclaim(count, build_pairs);
}

static void pairs_used(size_t count, double seconds)
{
    (void)seconds;
    reclaim(count, build_used_pairs);
}

static void ring(size_t count, double seconds)
{
    (void)seconds;
    reclaim(count, build_ring);
}

static void random_references(size_t count, double seconds)
{
    (void)seconds;
    reclaim(count, build_random);
}

static struct node *kept;

static void shuffled(size_t count, double seconds)
{
    (void)seconds;
    collector_run(false);
    kept = random_graph(used(count), count);
    collector_run(true);
    double least = 1e9;
    for (int i = 0; i < COLLECTIONS; i++) {
        double ns = collect_ns(count);
        least = ns < least ? ns : least;
    }
    printf("cpu %.2f\n", least);
}

static void memory(size_t count, double seconds)
{
    (void)seconds;
    size_t baseline = resident("VmHWM:");
    for (size_t i = 0; i < count; i++) {
        struct node *node = node_new();
        if (kept != NULL)
            node_put_first(node, kept);
        kept = node;
    }
    collector_collect();
    printf("bytes %zu\n", resident("VmHWM:") - baseline);
}

static struct node *members;

static void give_back(size_t count, double seconds)
{
    (void)seconds;
    size_t baseline = resident("Rss:");
    for (size_t i = 0; i < count / 2; i++) {
        struct node *pair = pair_new(NULL);
        if (members != NULL)
            node_put_second(pair, members);
        members = pair;
    }
    size_t full = resident("Rss:");
    node_drop(members);
    members = NULL;
    collector_collect();
    sleep(2);
    size_t rest = resident("Rss:");
    printf("percent %.2f\n", rest < baseline ? 0.0 : 100.0 * (double)(rest - baseline) / (double)(full - baseline));
}

/* ---- the program ---- */

static const struct row {
    const char *name;
    void (*run)(size_t count, double seconds);
} rows[] = {
    {"churn", churn}, {"hub", hub}, {"other", other}, {"pairs", pairs}, {"pairs-used", pairs_used}, {"ring", ring},
    {"random", random_references}, {"shuffled", shuffled}, {"memory", memory}, {"return", give_back}, {NULL, NULL},
};

int main(int argc, char **argv)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* never outlive the driver */
    program_start();
    for (const struct row *row = rows; row->name != NULL; row++) {
        if (argc == 2 && strcmp(argv[1], "--list") == 0)
            puts(row->name);
        else if (argc == 4 && strcmp(argv[1], row->name) == 0)
            row->run(strtoull(argv[2], NULL, 10), atof(argv[3]));
    }
    fflush(stdout);
    _exit(0); /* without taking the graph down */
}

#endif
