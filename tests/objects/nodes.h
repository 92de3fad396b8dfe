/* Objects that know whether they are alive, for the tests of objects. */
#ifndef ARCA_TEST_NODES_H
#define ARCA_TEST_NODES_H

#include "harness.h"
#include "threads.h"

#include "arca/object.h"
#include "base/os.h"
#include "heap/retired.h"

#include <stdatomic.h>

/* The stamp is set in birth and cleared in destroy: a block that is freed too early, twice, or handed out twice
 * shows a wrong one. */
struct node {
    arca_object object;
    _Atomic uint64_t stamp;
    arca_slot left, right;
};

#ifndef NODE_FLAGS
#define NODE_FLAGS 0
#endif

static _Atomic size_t nodes_born, nodes_dead;

static inline uint64_t node_stamp(const struct node *node)
{
    return 0xa11fe0000000000au ^ (uintptr_t)node;
}

static inline void node_check(struct node *node)
{
    if (atomic_load_explicit(&node->stamp, memory_order_relaxed) != node_stamp(node))
        harness_fail_now(__FILE__, __LINE__, "%p is not alive: its stamp is %#llx", (void *)node,
                         (unsigned long long)atomic_load(&node->stamp));
}

static void node_destroy(void *object)
{
    struct node *node = object;
    node_check(node);
    atomic_store_explicit(&node->stamp, 0xdead, memory_order_relaxed);
    atomic_fetch_add_explicit(&nodes_dead, 1, memory_order_relaxed);
}

static const uint32_t node_slots[] = { offsetof(struct node, left), offsetof(struct node, right) };

static arca_type node_type = {
    .name = "node", .size = sizeof(struct node), .slots = node_slots, .slot_count = 2, .destroy = node_destroy,
    .flags = NODE_FLAGS
};

static inline void *node_init(struct node *node)
{
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

/* Every node that was born is dead. */
static inline void nodes_check_gone(void)
{
    CHECK_EQ(atomic_load(&nodes_born), atomic_load(&nodes_dead));
}

#endif
