/* Under arenas=2 of 64 MiB: whatever is asked for, no more than these are held at once; what is refused is NULL with ENOMEM and
   takes nothing away; and all can be had again once it is freed. */
#include "check.h"
#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>

#define BOUND (2 * 64 * MIB)
#define THREADS 4

/* least: of the bound, what must be had in blocks of this size. */
static void fills(size_t size, size_t least)
{
    size_t count;
    void **list = take_all(size, &count);
    CHECK(count * size <= BOUND && count * size >= least, "(%zu blocks of %zu bytes)", count, size);
    free_list(list);
}

/* A buffer grows as far as there is room, and is whole where it is not. */
static void grows(void)
{
    size_t size = MIB;
    unsigned char *buffer = malloc(size);
    CHECK(buffer != NULL);
    memset(buffer, 7, size);
    for (unsigned char *grown; (grown = realloc(buffer, size + 3 * MIB)) != NULL; size += 3 * MIB) {
        buffer = grown;
        memset(buffer + size, 7, 3 * MIB);
    }
    CHECK(errno == ENOMEM && size <= BOUND && size >= BOUND / 4, "(errno %d, %zu bytes)", errno, size);
    for (size_t i = 0; i < size; i += 4096)
        CHECK(buffer[i] == 7, "(at %zu of %zu)", i, size);
    free(buffer);
}

static _Atomic size_t had;
static pthread_barrier_t full;

static void *fill_with_others(void *unused)
{
    size_t count, size = 3 * MIB;
    void **list = take_all(size, &count);
    had += count * size;
    pthread_barrier_wait(&full);
    pthread_barrier_wait(&full);
    free_list(list);
    return unused;
}

static void fills_by_threads(void)
{
    pthread_t threads[THREADS];
    pthread_barrier_init(&full, NULL, THREADS + 1);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, fill_with_others, NULL) == 0);
    pthread_barrier_wait(&full);
    CHECK(had <= BOUND && had >= BOUND / 2, "(%zu bytes)", had);
    pthread_barrier_wait(&full);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static void fills_all_ways(void)
{
    static const size_t sizes[] = { 64, 1000, 60000, MIB };
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++)
        fills(sizes[i], BOUND * 3 / 4);
    fills(40 * MIB, 40 * MIB); /* with mappings of their own, beside an arena */
    CHECK(malloc(BOUND) == NULL && errno == ENOMEM);
    CHECK(calloc(1, 2 * BOUND) == NULL && errno == ENOMEM);
    grows();
}

int main(void)
{
    struct rlimit limit = { 2048 * MIB, 2048 * MIB }; /* where nothing else bounds it */
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    fills_all_ways();
    fills_by_threads();
    pid_t child = fork();
    if (child == 0) {
        fills_all_ways();
        _exit(0);
    }
    expect_success(child);
    fills_all_ways();
    puts("bounded");
    return 0;
}
