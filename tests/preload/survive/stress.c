/* The main search for corruption: eight threads allocate, resize and free checksummed blocks of random sizes, through tables of
   their own and one which all share (so that blocks change hands), and end and are replaced while their blocks live on.
   STRESS_SEED and STRESS_SECONDS set the obvious. */
#include "blocks.h"
#include <pthread.h>

enum { THREADS = 8, OWN = 300, SHARED = 2000, STEPS = 8000 };

struct shared_slot {
    pthread_mutex_t lock;
    struct block block;
};

static struct shared_slot shared[SHARED];
static double end_time;
static long operations;

/* Swaps with a random shared slot; what comes back is some other thread's, perhaps one that is gone. */
static void exchange(struct block *block, uint64_t *random)
{
    struct shared_slot *slot = &shared[random_below(random, SHARED)];
    pthread_mutex_lock(&slot->lock);
    struct block other = slot->block;
    slot->block = *block;
    pthread_mutex_unlock(&slot->lock);
    verify_block(&other);
    *block = other;
}

static void step(struct block *block, uint64_t *random)
{
    size_t choice = random_below(random, 10);
    if (choice < 3)
        exchange(block, random);
    else if (block->bytes == NULL)
        allocate_block(block, random);
    else if (choice < 5)
        resize_block(block, random);
    else if (choice < 6)
        verify_block(block);
    else
        free_block(block);
}

/* One life: at its end a thread leaves half of its blocks to the others, and frees the rest. */
static void *life(void *argument)
{
    uint64_t random = seed ^ (uintptr_t)argument;
    struct block own[OWN] = {0};
    for (int i = 0; i < STEPS && seconds_now() < end_time; i++)
        step(&own[random_below(&random, OWN)], &random);
    for (size_t i = 0; i < OWN; i++) {
        if (own[i].bytes != NULL && i % 2 == 0)
            exchange(&own[i], &random);
        if (own[i].bytes != NULL)
            free_block(&own[i]);
    }
    __atomic_fetch_add(&operations, STEPS, __ATOMIC_RELAXED);
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    uintptr_t lives = 0;
    choose_seed();
    end_time = seconds_now() + stress_seconds(4.0);
    for (size_t i = 0; i < SHARED; i++)
        CHECK(pthread_mutex_init(&shared[i].lock, NULL) == 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, life, (void *)(lives++ * 0x10001)) == 0);
    for (size_t i = 0; seconds_now() < end_time; i = (i + 1) % THREADS) {
        CHECK(pthread_join(threads[i], NULL) == 0);
        CHECK(pthread_create(&threads[i], NULL, life, (void *)(lives++ * 0x10001)) == 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (size_t i = 0; i < SHARED; i++)
        free_block(&shared[i].block);
    CHECK(lives > THREADS);
    return 0;
}
