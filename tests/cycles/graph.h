/* Objects that know whether they are alive, and graphs of them, for the tests of the collector. */
#ifndef ARCA_TEST_GRAPH_H
#define ARCA_TEST_GRAPH_H

#include "harness.h"
#include "threads.h"

#include "arca/gc.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#define SLOTS 4

/* The stamp is set after birth and spoilt in destroy: a block that is freed too early, twice, or handed out twice shows
 * a wrong one. */
struct node {
    arca_object object;
    _Atomic uint64_t stamp;
    arca_slot slots[SLOTS];
};

#define STAMP_DEAD 0xdeadu

static _Atomic size_t nodes_born, nodes_dead;

static inline uint64_t node_stamp(const void *node)
{
    return 0xa11fe0000000000au ^ (uintptr_t)node;
}

static inline bool node_is_alive(struct node *node)
{
    return atomic_load_explicit(&node->stamp, memory_order_relaxed) == node_stamp(node);
}

static inline void node_check(struct node *node)
{
    if (!node_is_alive(node))
        harness_fail_now(__FILE__, __LINE__, "%p is not alive: its stamp is %#llx", (void *)node,
                         (unsigned long long)atomic_load(&node->stamp));
}

/* Of all types here: alive until now, and its slots cleared. */
static inline void node_destroy(void *object)
{
    struct node *node = object;
    node_check(node);
    for (unsigned i = 0; i < SLOTS; i++)
        CHECK(arca_slot_borrow(&node->slots[i]) == NULL);
    atomic_store_explicit(&node->stamp, STAMP_DEAD, memory_order_relaxed);
    atomic_fetch_add_explicit(&nodes_dead, 1, memory_order_relaxed);
}

static const uint32_t node_slots[SLOTS] = { offsetof(struct node, slots[0]), offsetof(struct node, slots[1]),
                                            offsetof(struct node, slots[2]), offsetof(struct node, slots[3]) };

#ifndef NODE_FLAGS
#define NODE_FLAGS 0
#endif

#define NODE_TYPE(name_, ...)                                                                                          \
    { .name = name_, .size = sizeof(struct node), .slots = node_slots, .slot_count = SLOTS, .destroy = node_destroy,   \
      __VA_ARGS__ }

static arca_type node_type = NODE_TYPE("node", .flags = NODE_FLAGS);

static inline void *node_init(void *object)
{
    struct node *node = object;
    REQUIRE(node != NULL);
    CHECK_EQ(atomic_load_explicit(&node->stamp, memory_order_relaxed), 0);
    atomic_store_explicit(&node->stamp, node_stamp(node), memory_order_relaxed);
    atomic_fetch_add_explicit(&nodes_born, 1, memory_order_relaxed);
    return node;
}

/* Of a type whose objects begin like a node's. */
static inline void *node_of(arca_type *type)
{
    return node_init(arca_new(type));
}

static inline void *node_new(void)
{
    return node_of(&node_type);
}

static inline size_t nodes_alive(void)
{
    return atomic_load(&nodes_born) - atomic_load(&nodes_dead);
}

static inline void node_link(struct node *from, unsigned slot, void *to)
{
    arca_slot_store(&from->slots[slot], to);
}

static inline struct node *node_at(struct node *from, unsigned slot)
{
    return arca_slot_borrow(&from->slots[slot]);
}

/* Owned; each refers to the next by slot 0, the last to the first. */
static inline struct node *ring_of(arca_type *type, size_t count)
{
    struct node *first = node_of(type), *last = first;
    for (size_t i = 1; i < count; i++) {
        struct node *next = node_of(type);
        arca_slot_put(&last->slots[0], next);
        last = next;
    }
    node_link(last, 0, first);
    return first;
}

static inline struct node *ring_new(size_t count)
{
    return ring_of(&node_type, count);
}

/* Rings of garbage. */
static inline void litter(size_t rings, size_t count)
{
    for (size_t i = 0; i < rings; i++)
        arca_release(ring_new(count));
}

/* Collections only when the test asks. */
static inline void manual(void)
{
    arca_gc_disable();
    while (arca_gc_collect(2) != 0)
        ;
}

static inline struct arca_gc_stats stats_now(void)
{
    struct arca_gc_stats stats = { .size = sizeof stats };
    CHECK_EQ(arca_gc_get_stats(&stats), 0);
    return stats;
}

#endif
