/* Two threads throw checksummed blocks at each other through two rings: each verifies what it gets, resizes some, sends some back
   and frees the others, so that nearly every free is another thread's. STRESS_SEED and STRESS_SECONDS set the obvious. */
#include "blocks.h"
#include <pthread.h>

enum { RING = 512 };

/* One writer, one reader; `written` and `read` only grow. */
struct ring {
    struct block blocks[RING];
    size_t written, read;
};

static struct ring rings[2];
static double end_time;
static int finished[2];

static int send_block(struct ring *ring, const struct block *block)
{
    size_t at = ring->written;
    if (at - __atomic_load_n(&ring->read, __ATOMIC_ACQUIRE) == RING)
        return 0;
    ring->blocks[at % RING] = *block;
    __atomic_store_n(&ring->written, at + 1, __ATOMIC_RELEASE);
    return 1;
}

static int receive_block(struct ring *ring, struct block *block)
{
    size_t at = ring->read;
    if (at == __atomic_load_n(&ring->written, __ATOMIC_ACQUIRE))
        return 0;
    *block = ring->blocks[at % RING];
    __atomic_store_n(&ring->read, at + 1, __ATOMIC_RELEASE);
    return 1;
}

static void *play(void *argument)
{
    size_t side = (uintptr_t)argument;
    uint64_t random = seed + side;
    struct ring *out = &rings[side], *in = &rings[1 - side];
    struct block block = {0};
    while (seconds_now() < end_time) {
        for (size_t burst = random_below(&random, RING); burst > 0; burst--) {
            allocate_block(&block, &random);
            if (!send_block(out, &block)) {
                free_block(&block);
                break;
            }
        }
        for (size_t burst = random_below(&random, RING); burst > 0 && receive_block(in, &block); burst--) {
            verify_block(&block);
            size_t choice = random_below(&random, 4);
            if (choice == 0)
                resize_block(&block, &random);
            if (choice > 1 || !send_block(out, &block))
                free_block(&block);
        }
    }
    __atomic_store_n(&finished[side], 1, __ATOMIC_RELEASE);
    for (;;) {
        int last = __atomic_load_n(&finished[1 - side], __ATOMIC_ACQUIRE); /* asked first: then nothing can follow */
        while (receive_block(in, &block))
            free_block(&block);
        if (last)
            return NULL;
        sched_yield();
    }
}

int main(void)
{
    pthread_t threads[2];
    choose_seed();
    end_time = seconds_now() + stress_seconds(3.0);
    for (size_t i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, play, (void *)(uintptr_t)i) == 0);
    for (size_t i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}
