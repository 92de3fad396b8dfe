/*
 * Threads make much garbage, of which most fills pools, while another collects all generations back to back: what goes with
 * its pool is never met again, and its memory serves at once.
 */
#include "graph.h"

#include "heap/watch.h"

#define MUTATORS 2
#define RING 40000 /* of two threads more than is collected in one piece */
#define MUCH 150000
#define ROUNDS (SANITIZED ? 16 : 100)

static _Atomic bool stop;

/* In the order in which they were born, some of them kept until the next round. */
struct keep {
    struct node *nodes[64];
    unsigned count;
};

static void check_kept(struct keep *keep)
{
    for (unsigned i = 0; i < keep->count; i++) {
        node_check(keep->nodes[i]);
        CHECK_EQ(arca_refcount(keep->nodes[i]), 1);
        arca_release(keep->nodes[i]);
    }
    keep->count = 0;
}

static void make_ring(struct keep *keep, uint64_t *chance)
{
    struct node *first = node_new(), *last = first;
    for (unsigned i = 1; i < RING; i++) {
        struct node *next = node_new();
        if (keep->count < 64 && harness_random(chance) % 2000 == 0) {
            keep->nodes[keep->count++] = next;
            continue;
        }
        arca_slot_put(&last->slots[0], next);
        last = next;
    }
    node_link(last, 0, first);
    for (struct node *node = node_at(first, 0); node != first; node = node_at(node, 0))
        node_check(node);
    arca_release(first);
}

static void *mutate(void *seed)
{
    struct keep keep = { .count = 0 };
    uint64_t chance = (uint64_t)(uintptr_t)seed;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct keep before = keep;
        keep.count = 0;
        make_ring(&keep, &chance);
        check_kept(&before);
    }
    check_kept(&keep);
    return NULL;
}

static void *collect(void *unused)
{
    while (!atomic_load(&stop)) {
        CHECK(arca_gc_collect(2) >= 0);
        while (load_rlx(&watch_blocks) < MUCH && !atomic_load(&stop))
            wait_ms(1);
    }
    return unused;
}

TEST(stress_gc_pools, what_goes_with_its_pool_is_never_met_again)
{
    arca_gc_set_threshold((unsigned[]){ 10000000, 1000, 1000 });
    pthread_t collector = start_thread(collect, NULL), mutators[MUTATORS];
    for (uintptr_t i = 0; i < MUTATORS; i++)
        mutators[i] = start_thread(mutate, (void *)(i + 1));
    for (unsigned i = 0; i < MUTATORS; i++)
        pthread_join(mutators[i], NULL);
    atomic_store(&stop, true);
    pthread_join(collector, NULL);
    arca_gc_collect(2);
    CHECK_EQ(nodes_alive(), 0);
    arca_heap_check();
}
