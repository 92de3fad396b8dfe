/* A small RLIMIT_AS: malloc answers NULL with ENOMEM, small sizes until the end and large ones alike; after all was freed the
   process can have 10 kB, 1 MB and half of the limit again. Then a sweep of limits, so that the n-th mapping fails for many n. */
#include "check.h"
#include <errno.h>
#include <pthread.h>
#include <sys/resource.h>

static void limit_to(size_t bytes)
{
    struct rlimit limit = {bytes, bytes};
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
}

static size_t address_space(void)
{
    char text[256];
    read_file("/proc/self/statm", text, sizeof text);
    return strtoul(text, NULL, 10) * 4096;
}

static void expect_block(size_t size)
{
    char *block = malloc(size);
    CHECK(block != NULL, "(size %zu)", size);
    memset(block, 1, size);
    free(block);
}

static void *fill_and_free(void *unused)
{
    size_t count;
    free_list(take_all(200, &count));
    return unused;
}

static void usable_again(size_t limit)
{
    static const size_t sizes[] = {64, 1000, 10000, 100000, MIB, 16 * MIB};
    limit_to(limit);
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        size_t count;
        void **list = take_all(sizes[i], &count);
        CHECK(count * sizes[i] > limit / 4 || sizes[i] > limit / 8, "(%zu of %zu bytes under %zu)", count, sizes[i], limit);
        CHECK(calloc(1, 512 * MIB) == NULL);
        CHECK(realloc(NULL, 512 * MIB) == NULL);
        free_list(list);
        expect_block(10000);
        expect_block(MIB);
        expect_block(64);
        exercise_heap();
    }
    expect_block((limit - 40 * MIB) / 2);
    pthread_t thread;
    if (pthread_create(&thread, NULL, fill_and_free, NULL) == 0) {
        CHECK(pthread_join(thread, NULL) == 0);
        expect_block(10000);
        expect_block(MIB);
    }
    _exit(0);
}

/* Whatever the limit cuts off, the answer is NULL or a good block. */
static void mixed_sizes_under(size_t limit)
{
    enum { SLOTS = 400 };
    static unsigned char *blocks[SLOTS];
    static size_t sizes[SLOTS];
    uint64_t random = limit;
    limit_to(limit);
    for (int step = 0; step < 3000; step++) {
        size_t i = random_below(&random, SLOTS), kind = random_below(&random, 4);
        size_t size = 1 + random_below(&random, kind == 0 ? 2 * MIB : kind == 1 ? 100000 : 2000);
        if (blocks[i] != NULL)
            CHECK(blocks[i][0] == (unsigned char)i && blocks[i][sizes[i] - 1] == (unsigned char)i);
        errno = 0;
        unsigned char *block = kind == 3 ? malloc(size) : realloc(blocks[i], size);
        if (block == NULL) {
            CHECK(errno == ENOMEM);
            continue; /* a failed realloc leaves the old block */
        }
        if (kind == 3)
            free(blocks[i]);
        memset(block, (int)i, size);
        blocks[i] = block;
        sizes[i] = size;
    }
    for (size_t i = 0; i < SLOTS; i++)
        free(blocks[i]);
    _exit(0);
}

int main(void)
{
    static const size_t limits[] = {96 * MIB, 160 * MIB, 400 * MIB};
    for (size_t i = 0; i < ARRAY_LENGTH(limits); i++) {
        pid_t child = fork();
        if (child == 0)
            usable_again(limits[i]);
        expect_success(child);
    }
    for (size_t extra = 0; extra < 48 * MIB; extra += extra < 4 * MIB ? 128 * KIB : 2 * MIB) {
        pid_t child = fork();
        if (child == 0)
            mixed_sizes_under(address_space() + extra);
        expect_success(child);
    }
    return 0;
}
