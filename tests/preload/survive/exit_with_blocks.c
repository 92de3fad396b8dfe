/* Threads end while blocks of theirs live on elsewhere: another thread reads, grows and frees them, and new threads take over
   what is left, again and again, in bounded memory. */
#include "check.h"
#include <pthread.h>

enum { WAVES = 60, THREADS = 8, BLOCKS = 400 };
static unsigned char *blocks[THREADS][BLOCKS];

static size_t size_of(size_t wave, size_t thread, size_t i)
{
    return 1 + (wave * 7 + thread * 131 + i * 61) % (i % 40 == 0 ? 100000 : 2000);
}

static void check_and_free(size_t wave, size_t thread, size_t i)
{
    size_t size = size_of(wave, thread, i);
    unsigned char mark = (unsigned char)(wave + thread + i);
    if (i % 5 == 0) {
        blocks[thread][i] = realloc(blocks[thread][i], size + 500);
        CHECK(blocks[thread][i] != NULL);
    }
    for (size_t k = 0; k < size; k++)
        CHECK(blocks[thread][i][k] == mark, "(byte %zu of %zu)", k, size);
    free(blocks[thread][i]);
}

static void *fill(void *argument)
{
    size_t thread = (uintptr_t)argument % THREADS, wave = (uintptr_t)argument / THREADS;
    for (size_t i = 0; i < BLOCKS; i++) {
        if (wave > 0 && i % 2 == 0) /* half of the dead wave's blocks; main has freed the others */
            check_and_free(wave - 1, thread, i);
        size_t size = size_of(wave, thread, i);
        blocks[thread][i] = malloc(size);
        CHECK(blocks[thread][i] != NULL);
        memset(blocks[thread][i], (int)(wave + thread + i), size);
    }
    return NULL;
}

int main(void)
{
    size_t settled = 0;
    for (size_t wave = 0; wave < WAVES; wave++) {
        pthread_t threads[THREADS];
        for (size_t t = 0; t < THREADS; t++)
            CHECK(pthread_create(&threads[t], NULL, fill, (void *)(uintptr_t)(wave * THREADS + t)) == 0);
        for (size_t t = 0; t < THREADS; t++)
            CHECK(pthread_join(threads[t], NULL) == 0);
        for (size_t t = 0; t < THREADS; t++)
            for (size_t i = 1; i < BLOCKS; i += 2)
                check_and_free(wave, t, i);
        if (wave == WAVES / 3)
            settled = resident_bytes();
    }
    CHECK(resident_bytes() < settled + 16 * MIB, "(%zu, then %zu)", settled, resident_bytes());
    return 0;
}
