/* Sweeps without end while threads work, sleep and work again. */
#include "blocks.h"

#include "base/options.h"
#include "front/background.h"

#include <stdatomic.h>
#include <unistd.h>

#define WORKERS 3
#define SLOTS 400
#define ROUNDS STEPS(60000)

static _Atomic unsigned working;

struct worker {
    uint64_t random;
    unsigned pause_every; /* rounds between two naps, so that heaps are idle at times */
    struct held slots[SLOTS];
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        held_step(worker->slots, SLOTS, &worker->random);
        if (i % worker->pause_every == 0)
            usleep(500);
        if (i % 5000 == 0)
            arca_heap_check();
    }
    held_free_all(worker->slots, SLOTS);
    atomic_fetch_sub(&working, 1);
    return NULL;
}

static void run_against(void (*sweep)(void))
{
    static struct worker workers[WORKERS];
    pthread_t threads[WORKERS];
    uint64_t seed = harness_seed();
    atomic_store(&working, WORKERS);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].random = seed + i;
        workers[i].pause_every = i == 0 ? 50 : i == 1 ? 1000 : ROUNDS;
        threads[i] = start_thread(work, &workers[i]);
    }
    while (atomic_load(&working) != 0)
        sweep();
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    arca_heap_check();
}

static void sweep_all(void)
{
    background_round(0);
}

TEST(stress_sweep, heaps_swept_without_end_lose_nothing)
{
    options.purge = OPTION_NEVER; /* no rounds but these */
    run_against(sweep_all);
}

static void trim_all(void)
{
    arca_trim(0);
    arca_heap_check();
}

TEST(stress_sweep, trims_and_checks_by_a_thread_with_a_heap_lose_nothing)
{
    arca_free(arca_malloc(1));
    run_against(trim_all);
}

static void sweep_by_the_hold(void)
{
    background_round(2);
    usleep(200);
}

TEST(stress_sweep, short_holds_next_to_the_background_thread_lose_nothing)
{
    options.purge = 5;
    run_against(sweep_by_the_hold);
}

static void count_and_print(void)
{
    struct arca_stats stats = { .size = sizeof stats };
    CHECK_EQ(arca_stats_get(&stats), 0);
    CHECK(stats.mapped >= stats.dirty);
    usleep(100);
}

TEST(stress_sweep, statistics_can_be_asked_for_at_any_time)
{
    run_against(count_and_print);
}
