/* Threads come and go; their blocks stay behind with whoever comes next. */
#include "blocks.h"

#include <stdatomic.h>

#define SLOTS 256
#define GENERATIONS STEPS(600)
#define AT_ONCE 4

struct generation {
    uint64_t random;
    unsigned steps;
    struct held slots[SLOTS];
};

static void *live_and_die(void *argument)
{
    struct generation *generation = argument;
    for (unsigned i = 0; i < generation->steps; i++)
        held_step(generation->slots, SLOTS, &generation->random);
    return NULL; /* the slots stay full */
}

TEST(stress_threads, heirs_find_the_blocks_of_the_dead_whole)
{
    static struct generation families[AT_ONCE];
    uint64_t random = harness_seed();
    for (unsigned i = 0; i < AT_ONCE; i++)
        families[i].random = harness_random(&random);
    for (unsigned g = 0; g < GENERATIONS; g++) {
        pthread_t threads[AT_ONCE];
        for (unsigned i = 0; i < AT_ONCE; i++) {
            families[i].steps = (unsigned)(harness_random(&random) % 400); /* few: no heap of its own */
            threads[i] = start_thread(live_and_die, &families[i]);
        }
        for (unsigned i = 0; i < AT_ONCE; i++)
            pthread_join(threads[i], NULL);
        if (g % 20 == 0)
            arca_heap_check();
        if (g % 50 == 0)
            arca_trim(0);
    }
    for (unsigned i = 0; i < AT_ONCE; i++)
        held_free_all(families[i].slots, SLOTS);
    arca_heap_check();
}

static void *live_detached(void *argument)
{
    static _Atomic unsigned turns;
    uint64_t random = (uint64_t)(uintptr_t)argument + atomic_fetch_add(&turns, 1);
    struct held slots[32] = { { NULL, 0, 0 } };
    for (unsigned i = 0; i < 60; i++)
        held_step(slots, 32, &random);
    held_free_all(slots, 32);
    return NULL;
}

TEST(stress_threads, heaps_of_the_dead_serve_the_living)
{
    uint64_t seed = harness_seed();
    struct arca_stats stats = { .size = sizeof stats };
    for (unsigned i = 0; i < STEPS(3000); i++) {
        pthread_join(start_thread(live_detached, (void *)(uintptr_t)seed), NULL);
        if (i % 500 == 0)
            arca_heap_check();
    }
    arca_stats_get(&stats);
    CHECK(stats.meta < (size_t)4 << 20); /* one after the other needs one heap, not thousands */
}
