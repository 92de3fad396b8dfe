// The rows that need a second thread. Waiting is done blocked, never spinning, so that the cycles
// of both threads are the allocator's and the workload's.
#include <pthread.h>

#include "workload.h"

enum {
    PARCEL = 256, // blocks that change hands at a time
    RING = 32,    // parcels under way at most
    PARALLEL_LIVE = 10000,
    PARALLEL_UNIT = 1000,
    BLOCKS_PER_THREAD = 8,
};

static pthread_t start(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, argument) != 0)
        abort();
    return thread;
}

// Cross-thread: this thread allocates, the other frees.
//
// A ring of parcels: parcels [taken, put) are the consumer's, the others the producer's, under
// `lock`. A side that has to wait sleeps until the ring is half full, so that a wake-up serves at
// least RING / 2 parcels.
static struct {
    pthread_mutex_t lock;
    pthread_cond_t half;
    uint64_t put, taken;
    int done;
    void *parcels[RING][PARCEL];
} ring = { .lock = PTHREAD_MUTEX_INITIALIZER, .half = PTHREAD_COND_INITIALIZER };

static uint64_t producer_random = 42;

static void *consume(void *unused)
{
    for (;;) {
        pthread_mutex_lock(&ring.lock);
        if (ring.put == ring.taken)
            while (!ring.done && ring.put - ring.taken < RING / 2)
                pthread_cond_wait(&ring.half, &ring.lock);
        int empty = ring.put == ring.taken;
        void **parcel = ring.parcels[ring.taken % RING];
        pthread_mutex_unlock(&ring.lock);
        if (empty)
            return unused;
        for (size_t i = 0; i < PARCEL; i++) {
            (void)*(volatile char *)parcel[i];
            free(parcel[i]);
        }
        pthread_mutex_lock(&ring.lock);
        ring.taken++;
        if (ring.put - ring.taken == RING / 2)
            pthread_cond_broadcast(&ring.half);
        pthread_mutex_unlock(&ring.lock);
    }
}

// `fixed_size` 0 means mixed sizes.
static void produce(size_t fixed_size)
{
    pthread_mutex_lock(&ring.lock);
    if (ring.put - ring.taken == RING)
        while (ring.put - ring.taken > RING / 2)
            pthread_cond_wait(&ring.half, &ring.lock);
    void **parcel = ring.parcels[ring.put % RING];
    pthread_mutex_unlock(&ring.lock);
    for (size_t i = 0; i < PARCEL; i++)
        parcel[i] = allocate_touched(fixed_size ? fixed_size : random_size(&producer_random, UP_TO_1_KIB));
    pthread_mutex_lock(&ring.lock);
    ring.put++;
    if (ring.put - ring.taken == RING / 2)
        pthread_cond_broadcast(&ring.half);
    pthread_mutex_unlock(&ring.lock);
}

static void cross(size_t fixed_size, uint64_t units)
{
    ring.done = 0;
    pthread_t consumer = start(consume, NULL);
    while (units-- > 0)
        produce(fixed_size);
    pthread_mutex_lock(&ring.lock);
    ring.done = 1;
    pthread_cond_broadcast(&ring.half);
    pthread_mutex_unlock(&ring.lock);
    pthread_join(consumer, NULL);
}

// Parallel: two new threads, each with a steady state of its own.

struct parallel {
    uint64_t random, units;
    void *slots[PARALLEL_LIVE];
};

static struct parallel parallel_sides[2] = { { .random = 1 }, { .random = 2 } };

static void *parallel_side(void *argument)
{
    struct parallel *side = argument;
    steady_fill(side->slots, PARALLEL_LIVE, &side->random);
    steady_replace(side->slots, PARALLEL_LIVE, &side->random, side->units * PARALLEL_UNIT);
    for (size_t i = 0; i < PARALLEL_LIVE; i++)
        free(side->slots[i]);
    return NULL;
}

static void parallel(size_t argument, uint64_t units)
{
    (void)argument;
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++) {
        parallel_sides[i].units = units;
        threads[i] = start(parallel_side, &parallel_sides[i]);
    }
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

// Thread start and exit, with a few blocks of different sizes in between.

static void *few_blocks(void *argument)
{
    void *blocks[BLOCKS_PER_THREAD];
    for (size_t i = 0; i < BLOCKS_PER_THREAD; i++)
        blocks[i] = allocate_touched(16 + 48 * i);
    for (size_t i = 0; i < BLOCKS_PER_THREAD; i++)
        free(blocks[i]);
    return argument;
}

static void start_and_exit(size_t argument, uint64_t units)
{
    (void)argument;
    while (units-- > 0)
        pthread_join(start(few_blocks, NULL), NULL);
}

const struct row thread_rows[] = {
    { "cross-64", NULL, cross, 64, PARCEL },
    { "cross-mixed", NULL, cross, 0, PARCEL },
    { "parallel-steady", NULL, parallel, 0, 2 * PARALLEL_UNIT },
    { "thread-start-exit", NULL, start_and_exit, 0, 1 },
    { NULL, NULL, NULL, 0, 0 },
};
