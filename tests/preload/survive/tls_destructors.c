/* malloc and free in destructors of thread-specific data which re-arm themselves through all of the rounds (the last one runs
   after the allocator's own teardown): contents stay whole, and 7,500 such threads grow the process by a megabyte at the most. */
#include "check.h"
#include <limits.h>
#include <pthread.h>

enum { KEYS = 4, THREADS = 7500, WARM_UP = 200 };
static pthread_key_t keys[KEYS];
static int rounds_seen[PTHREAD_DESTRUCTOR_ITERATIONS + 1];

struct chain {
    pthread_key_t key;
    int round;
    unsigned char *blocks[6];
};

static struct chain *new_chain(pthread_key_t key, int round)
{
    struct chain *chain = malloc(sizeof *chain);
    CHECK(chain != NULL);
    chain->key = key;
    chain->round = round;
    for (size_t i = 0; i < ARRAY_LENGTH(chain->blocks); i++) {
        size_t size = (size_t)16 << (2 * i);
        chain->blocks[i] = i % 2 == 0 ? malloc(size) : calloc(1, size);
        CHECK(chain->blocks[i] != NULL);
        CHECK(i % 2 == 0 || (chain->blocks[i][0] == 0 && chain->blocks[i][size - 1] == 0));
        memset(chain->blocks[i], round + (int)i, size);
    }
    return chain;
}

static void free_chain(struct chain *chain)
{
    for (size_t i = 0; i < ARRAY_LENGTH(chain->blocks); i++) {
        size_t size = (size_t)16 << (2 * i);
        CHECK(chain->blocks[i][0] == chain->round + (int)i && chain->blocks[i][size - 1] == chain->round + (int)i);
        free(chain->blocks[i]);
    }
    free(chain);
}

static void destroy(void *argument)
{
    struct chain *chain = argument;
    pthread_key_t key = chain->key;
    int round = chain->round;
    __atomic_fetch_add(&rounds_seen[round], 1, __ATOMIC_RELAXED);
    struct chain *next = round < PTHREAD_DESTRUCTOR_ITERATIONS ? new_chain(key, round + 1) : NULL;
    free_chain(chain);
    CHECK(next == NULL || pthread_setspecific(key, next) == 0);
    void *scratch = realloc(malloc(100), 5000);
    CHECK(scratch != NULL);
    free(scratch);
}

static void *start(void *unused)
{
    for (size_t i = 0; i < KEYS; i++)
        CHECK(pthread_setspecific(keys[i], new_chain(keys[i], 1)) == 0);
    return unused;
}

/* A thread which allocates for the first time when its life is over already. */
static void *start_without_allocating(void *unused)
{
    CHECK(pthread_setspecific(keys[0], unused) == 0);
    return NULL;
}

static void run_threads(int count, struct chain *(*gift)(void))
{
    for (int i = 0; i < count; i += 4) {
        pthread_t threads[4];
        for (int t = 0; t < 4; t++)
            CHECK(pthread_create(&threads[t], NULL, gift ? start_without_allocating : start, gift ? gift() : NULL) == 0);
        for (int t = 0; t < 4; t++)
            CHECK(pthread_join(threads[t], NULL) == 0);
    }
}

static struct chain *chain_from_outside(void)
{
    return new_chain(keys[0], 1);
}

/* Once what the last threads freed has gone back: at the most so much, or what it is three seconds later. */
static size_t settled_bytes(size_t most)
{
    size_t bytes = resident_bytes();
    for (int i = 0; bytes > most && i < 30; i++, bytes = resident_bytes())
        usleep(100000);
    return bytes;
}

int main(void)
{
    for (size_t i = 0; i < KEYS; i++)
        CHECK(pthread_key_create(&keys[i], destroy) == 0);
    run_threads(WARM_UP, NULL);
    run_threads(WARM_UP, chain_from_outside);
    size_t before = resident_bytes();
    run_threads(THREADS, NULL);
    size_t after = settled_bytes(before + MIB);
    run_threads(THREADS, chain_from_outside);
    size_t in_the_end = settled_bytes(after + MIB);
    dprintf(STDOUT_FILENO, "%d threads: %+ld KiB, and as many that allocate at their end only: %+ld KiB\n", THREADS,
            ((long)after - (long)before) / 1024, ((long)in_the_end - (long)after) / 1024);
    CHECK(after <= before + MIB && in_the_end <= after + MIB, "(%zu before)", before);
    for (int round = 1; round <= PTHREAD_DESTRUCTOR_ITERATIONS; round++)
        CHECK(rounds_seen[round] == (THREADS + WARM_UP) * (KEYS + 1), "(round %d: %d)", round, rounds_seen[round]);
    return 0;
}
