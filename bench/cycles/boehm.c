/* Boehm's collector, as it is by default: it stops all threads and marks by several. A reference is a pointer, and to
 * drop one is to forget it. */
#define GC_THREADS
#include <gc.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct node {
    struct node *first, *second;
    uint64_t header[2], payload[2];
};

static inline struct node *node_new(void)
{
    struct node *node = GC_MALLOC(sizeof *node);
    if (node == NULL)
        abort();
    return node;
}

static inline struct node *node_retain(struct node *node)
{
    return node;
}

static inline void node_drop(struct node *node)
{
    (void)node;
}

static inline void node_store_first(struct node *node, struct node *other)
{
    node->first = other;
}

static inline void node_store_second(struct node *node, struct node *other)
{
    node->second = other;
}

static inline void node_put_first(struct node *node, struct node *owned)
{
    node->first = owned;
}

static inline void node_put_second(struct node *node, struct node *owned)
{
    node->second = owned;
}

static void collector_run(bool run)
{
    (run ? GC_enable : GC_disable)();
}

static void collector_collect(void)
{
    GC_gcollect();
}

static struct node **table_new(size_t count)
{
    struct node **table = GC_MALLOC(count * sizeof *table);
    if (table == NULL)
        abort();
    return table;
}

static void table_drop(struct node **table)
{
    GC_FREE(table);
}

/* With what lies in blocks that were not swept yet. */
static size_t objects_alive(void)
{
    return (GC_get_heap_size() - GC_get_free_bytes()) / sizeof(struct node);
}

static void program_start(void)
{
    GC_INIT();
}

static void program_note(void)
{
}

#include "graph.h"
