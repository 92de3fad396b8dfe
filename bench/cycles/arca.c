/* Arca's collector. */
#include <arca/gc.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct node {
    arca_object object;
    arca_slot first, second;
    uint64_t payload[2];
};

static const uint32_t node_slots[] = {offsetof(struct node, first), offsetof(struct node, second)};
static arca_type node_type = {.name = "node", .size = sizeof(struct node), .slots = node_slots, .slot_count = 2};

static inline struct node *node_new(void)
{
    struct node *node = arca_new(&node_type);
    if (node == NULL)
        abort();
    return node;
}

static inline struct node *node_retain(struct node *node)
{
    return arca_retain(node);
}

static inline void node_drop(struct node *node)
{
    arca_release(node);
}

static inline void node_store_first(struct node *node, struct node *other)
{
    arca_slot_store(&node->first, other);
}

static inline void node_store_second(struct node *node, struct node *other)
{
    arca_slot_store(&node->second, other);
}

static inline void node_put_first(struct node *node, struct node *owned)
{
    arca_slot_put(&node->first, owned);
}

static inline void node_put_second(struct node *node, struct node *owned)
{
    arca_slot_put(&node->second, owned);
}

static void collector_run(bool run)
{
    (run ? arca_gc_enable : arca_gc_disable)();
}

static void collector_collect(void)
{
    if (arca_gc_collect(ARCA_GC_GENERATIONS - 1) < 0)
        abort();
}

static struct node **table_new(size_t count)
{
    struct node **table = calloc(count, sizeof *table);
    if (table == NULL)
        abort();
    return table;
}

static void table_drop(struct node **table)
{
    free(table);
}

static void program_start(void)
{
}

static size_t objects_alive(void)
{
    struct arca_gc_stats stats = {.size = sizeof stats};
    return arca_gc_get_stats(&stats) == 0 ? stats.blocks : 0;
}

static double cpu_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void program_note(void)
{
    struct arca_gc_stats stats = {.size = sizeof stats};
    if (arca_gc_get_stats(&stats) != 0)
        abort();
    double collected = 0;
    for (int generation = 0; generation < ARCA_GC_GENERATIONS; generation++)
        collected += (double)stats.generations[generation].collected;
    printf("collected %.0f\nothers_ms %.1f\nwaits %llu\nblocks %zu\n", collected,
           cpu_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu_ms(CLOCK_THREAD_CPUTIME_ID), (unsigned long long)stats.waits,
           stats.blocks);
    for (int generation = 0; generation < ARCA_GC_GENERATIONS; generation++)
        printf("collections.%d %llu\nms.%d %.1f\n", generation,
               (unsigned long long)stats.generations[generation].collections, generation,
               (double)stats.generations[generation].microseconds / 1e3);
}

#include "graph.h"
