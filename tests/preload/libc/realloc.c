/* realloc: contents survive growing and shrinking, a failure leaves the block alone, realloc(NULL, n) is malloc, realloc(p, 0)
   frees and returns NULL. Facts of glibc's tst-realloc, and of tst-malloc. */
#include "check.h"
#include <errno.h>
#include <malloc.h>

static void fill(unsigned char *bytes, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        bytes[i] = (unsigned char)(i * 13 + (i >> 8));
}

static void check(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        CHECK(bytes[i] == (unsigned char)(i * 13 + (i >> 8)), "(byte %zu of %zu)", i, size);
}

static void special_cases(void)
{
    errno = 0;
    CHECK(realloc(NULL, hide_size(SIZE_MAX)) == NULL && errno == ENOMEM);
    void *block = realloc(NULL, 10);
    CHECK(block != NULL);
    free(block);
    block = realloc(NULL, hide_size(0));
    CHECK(block != NULL);
    CHECK(realloc(block, hide_size(0)) == NULL);

    unsigned char *small = calloc(20, 1);
    CHECK(small != NULL);
    small = realloc(small, 200);
    CHECK(small != NULL);
    for (size_t i = 0; i < 20; i++)
        CHECK(small[i] == 0);
    memset(small, 0xff, 200);
    small = realloc(small, 16);
    CHECK(small != NULL);
    errno = 0;
    CHECK(realloc(small, hide_size(SIZE_MAX)) == NULL && errno == ENOMEM);
    for (size_t i = 0; i < 16; i++)
        CHECK(small[i] == 0xff);
    CHECK(realloc(small, hide_size(0)) == NULL);
}

/* realloc(p, 0) must free: a gigabyte's worth of it must not stay. */
static void zero_size_frees(void)
{
    size_t before = resident_bytes();
    for (int i = 0; i < 10000; i++) {
        char *block = malloc(100000);
        CHECK(block != NULL);
        memset(block, 1, 100000);
        CHECK(realloc(block, hide_size(0)) == NULL);
    }
    CHECK(resident_bytes() < before + 64 * MIB);
}

static void contents_survive(double factor, size_t top)
{
    size_t size = 1;
    unsigned char *block = malloc(size);
    CHECK(block != NULL);
    fill(block, 0, size);
    while (size < top) {
        size_t larger = (size_t)((double)size * factor) + 1;
        block = realloc(block, larger);
        CHECK(block != NULL && is_aligned(block, 16), "(size %zu)", larger);
        check(block, size);
        fill(block, size, larger);
        size = larger;
    }
    while (size > 1) {
        size = (size_t)((double)size / factor);
        block = realloc(block, size);
        CHECK(block != NULL && is_aligned(block, 16), "(size %zu)", size);
        check(block, size);
    }
    free(block);
}

static void random_sizes(void)
{
    enum { COUNT = 64 };
    static unsigned char *blocks[COUNT];
    static size_t sizes[COUNT];
    uint64_t random = 99;
    for (int step = 0; step < 20000; step++) {
        size_t i = random_below(&random, COUNT);
        size_t size = 1 + random_below(&random, step % 50 == 0 ? 4 * MIB : step % 5 == 0 ? 60000 : 2000);
        unsigned char *moved = realloc(blocks[i], size);
        CHECK(moved != NULL && is_aligned(moved, 16));
        CHECK(malloc_usable_size(moved) >= size);
        size_t common = size < sizes[i] ? size : sizes[i];
        check(moved, common);
        fill(moved, common, size);
        blocks[i] = moved;
        sizes[i] = size;
    }
    for (size_t i = 0; i < COUNT; i++) {
        check(blocks[i], sizes[i]);
        free(blocks[i]);
    }
}

static void aligned_blocks_can_be_grown(void)
{
    for (size_t alignment = 32; alignment <= MIB; alignment *= 2)
        for (size_t size = 1; size < 300000; size = size * 7 + 3) {
            unsigned char *block = memalign(alignment, size);
            CHECK(block != NULL && is_aligned(block, alignment));
            fill(block, 0, size);
            block = realloc(block, size * 3);
            CHECK(block != NULL && is_aligned(block, 16));
            check(block, size);
            block = realloc(block, size / 2 + 1);
            CHECK(block != NULL);
            check(block, size / 2 + 1 < size ? size / 2 + 1 : size);
            free(block);
        }
}

int main(void)
{
    special_cases();
    zero_size_frees();
    contents_survive(2.0, 64 * MIB);
    contents_survive(1.5, 16 * MIB);
    contents_survive(1.01, 200000);
    random_sizes();
    aligned_blocks_can_be_grown();
    return 0;
}
