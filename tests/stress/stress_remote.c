/* Threads free each other's blocks: mailboxes of slots, any thread exchanges any of them. */
#include "blocks.h"

#include <stdatomic.h>
#include <unistd.h>

#define THREADS 4
#define MAILBOXES 512
#define ROUNDS STEPS(150000)

static _Atomic(struct held *) mailboxes[MAILBOXES];

static void *exchange(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct held mine, *note = NULL;
        if (harness_random(&random) % 8 != 0) {
            held_alloc(&mine, &random);
            note = arca_malloc(sizeof *note); /* the note itself is freed by another thread, too */
            REQUIRE(note != NULL);
            *note = mine;
        }
        note = atomic_exchange(&mailboxes[harness_random(&random) % MAILBOXES], note);
        if (note == NULL)
            continue;
        if (harness_random(&random) % 8 == 0)
            held_resize(note, &random);
        held_free(note);
        arca_free(note);
        if (i % 5000 == 0)
            arca_heap_check();
    }
    return NULL;
}

static void empty_mailboxes(void)
{
    for (unsigned i = 0; i < MAILBOXES; i++) {
        struct held *note = atomic_exchange(&mailboxes[i], NULL);
        if (note != NULL) {
            held_free(note);
            arca_free(note);
        }
    }
}

static void exchange_all(void)
{
    pthread_t threads[THREADS];
    uint64_t seed = harness_seed();
    for (unsigned i = 0; i < THREADS; i++)
        threads[i] = start_thread(exchange, (void *)(uintptr_t)(seed + i));
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    empty_mailboxes();
}

TEST(stress_remote, blocks_that_change_hands_keep_their_contents)
{
    exchange_all();
    arca_heap_check();
}

/* All that was handed around is free: nothing may have got lost on the way. */
TEST(stress_remote, nothing_is_lost_between_the_heaps)
{
    exchange_all();
    struct arca_stats stats = { .size = sizeof stats };
    unsigned rounds = 0;
    do { /* a parcel needs a visit to leave and another to arrive; and another round may be under way */
        arca_trim(0);
        arca_stats_get(&stats);
        usleep(1000);
    } while (stats.live != 0 && ++rounds < 1000);
    CHECK_EQ(stats.live, 0);
}
