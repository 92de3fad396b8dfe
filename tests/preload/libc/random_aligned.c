/* malloc and aligned_alloc of random sizes and alignments, freed by their own thread and by the next one: aligned, disjoint,
   contents kept. Facts of glibc's tst-malloc-random, tst-aligned-alloc-random, -thread, -thread-cross, tst-malloc-alternate-path. */
#include "check.h"
#include <malloc.h>
#include <pthread.h>

enum { THREADS = 6, ROUNDS = 30, COUNT = 400 };

struct block {
    unsigned char *bytes;
    size_t size;
};

static struct block tables[THREADS][COUNT];
static pthread_barrier_t barrier;

static void allocate(struct block *block, uint64_t *random, unsigned char mark)
{
    size_t alignment = (size_t)1 << random_below(random, 14);
    block->size = random_below(random, random_below(random, 30) == 0 ? 200000 : 3000);
    switch (random_below(random, 3)) {
    case 0:
        block->bytes = malloc(block->size);
        alignment = 16;
        break;
    case 1:
        block->bytes = aligned_alloc(alignment, block->size);
        break;
    default:
        block->bytes = realloc(malloc(block->size / 2), block->size + 1);
        alignment = 16;
        break;
    }
    CHECK(block->bytes != NULL && is_aligned(block->bytes, alignment), "(size %zu, alignment %zu)", block->size, alignment);
    memset(block->bytes, mark, block->size);
}

static void release(struct block *block, unsigned char mark)
{
    for (size_t i = 0; i < block->size; i++)
        CHECK(block->bytes[i] == mark, "(byte %zu of %zu)", i, block->size);
    free(block->bytes);
    block->bytes = NULL;
    block->size = 0;
}

static void *work(void *argument)
{
    size_t own = (size_t)(uintptr_t)argument;
    uint64_t random = own + 1;
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < COUNT; i++)
            allocate(&tables[own][i], &random, (unsigned char)(own + i));
        for (size_t i = 0; i < COUNT; i += 3) {
            release(&tables[own][i], (unsigned char)(own + i));
            allocate(&tables[own][i], &random, (unsigned char)(own + i));
        }
        pthread_barrier_wait(&barrier);
        size_t victim = round % 2 == 0 ? own : (own + 1) % THREADS;
        for (size_t i = 0; i < COUNT; i++)
            release(&tables[victim][i], (unsigned char)(victim + i));
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    CHECK(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work, (void *)(uintptr_t)i) == 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    return 0;
}
