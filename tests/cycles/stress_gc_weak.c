/* Weak references to cycles that are dropped and collected while others upgrade: alive, or lost for ever. */
#include "graph.h"

#define PLACES 8
#define READERS 2

static arca_slot *places[PLACES]; /* of weak references, each to one ring after the other */
static struct node *holder[PLACES];
static _Atomic bool stop;
static _Atomic uint64_t upgraded;

static void *upgrade(void *number)
{
    uint64_t chance = harness_seed() + (uintptr_t)number;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        arca_weak *weak = arca_slot_load(places[harness_random(&chance) % PLACES]);
        struct node *node = arca_weak_upgrade(weak);
        if (node != NULL) {
            node_check(node);
            struct node *next = arca_slot_load(&node->slots[0]);
            node_check(next);
            arca_release(node);
            node_check(node); /* the other half keeps it */
            arca_release(next);
            atomic_fetch_add_explicit(&upgraded, 1, memory_order_relaxed);
        } else {
            CHECK(arca_weak_upgrade(weak) == NULL);
        }
        arca_release(weak);
    }
    return NULL;
}

static void *collect(void *unused)
{
    for (unsigned i = 0; !atomic_load_explicit(&stop, memory_order_relaxed); i++)
        CHECK(arca_gc_collect((int)(i % 3)) >= 0);
    return unused;
}

TEST(stress_weak, an_upgrade_gets_a_living_object_or_nothing)
{
    pthread_t readers[READERS], collector;
    harness_seed();
    arca_gc_disable();
    for (unsigned i = 0; i < PLACES; i++) {
        holder[i] = node_new();
        places[i] = &holder[i]->slots[0];
    }
    for (uintptr_t t = 0; t < READERS; t++)
        readers[t] = start_thread(upgrade, (void *)(t + 1));
    collector = start_thread(collect, NULL);
    /* And until a reader has come by in time: each may get no processor for long. */
    for (unsigned i = 0; i < STEPS(60000) || (atomic_load(&upgraded) == 0 && i < STEPS(6000000)); i++) {
        struct node *ring = ring_new(2);
        arca_weak *weak = arca_weak_bind(ring, NULL, NULL);
        arca_slot_store(places[i % PLACES], weak);
        arca_release(weak);
        arca_release(ring);
        if (i % 64 == 0)
            wait_ms(1);
    }
    atomic_store(&stop, true);
    for (unsigned t = 0; t < READERS; t++)
        pthread_join(readers[t], NULL);
    pthread_join(collector, NULL);
    CHECK(atomic_load(&upgraded) != 0);
    for (unsigned i = 0; i < PLACES; i++)
        arca_release(holder[i]);
    while (arca_gc_collect(2) != 0)
        ;
    CHECK_EQ(nodes_alive(), 0);
}
