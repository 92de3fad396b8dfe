/* calloc: all bytes zero, also in memory that was used before and in large blocks; products which overflow are ENOMEM.
   Facts of glibc's tst-calloc. */
#include "check.h"
#include <errno.h>
#include <malloc.h>

static int is_zero(const unsigned char *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

static void check_zeroed(size_t count, size_t size)
{
    unsigned char *block = calloc(count, size);
    CHECK(block != NULL && is_aligned(block, 16), "(%zu x %zu)", count, size);
    CHECK(is_zero(block, count * size), "(%zu x %zu)", count, size);
    memset(block, 0xa5, malloc_usable_size(block));
    free(block);
}

static void recycled_memory_is_zeroed(void)
{
    enum { COUNT = 500 };
    unsigned char *blocks[COUNT];
    uint64_t random = 7;
    for (int round = 0; round < 60; round++) {
        size_t limit = round % 10 == 0 ? 300000 : round % 3 == 0 ? 20000 : 1000;
        for (size_t i = 0; i < COUNT; i++) {
            size_t size = random_below(&random, limit);
            blocks[i] = i % 2 == 0 ? malloc(size) : calloc(1, size);
            CHECK(blocks[i] != NULL);
            CHECK(i % 2 == 0 || is_zero(blocks[i], size), "(size %zu)", size);
            memset(blocks[i], 0xff, malloc_usable_size(blocks[i]));
        }
        for (size_t i = 0; i < COUNT; i++)
            free(blocks[i]);
    }
}

static void overflow_is_enomem(void)
{
    static const size_t halves[] = {SIZE_MAX, SIZE_MAX / 2 + 1, (size_t)1 << 32, ((size_t)1 << 32) + 1};
    for (size_t i = 0; i < ARRAY_LENGTH(halves); i++)
        for (size_t j = 0; j < ARRAY_LENGTH(halves); j++) {
            errno = 0;
            CHECK(calloc(hide_size(halves[i]), hide_size(halves[j])) == NULL, "(%zx x %zx)", halves[i], halves[j]);
            CHECK(errno == ENOMEM);
        }
}

int main(void)
{
    for (size_t size = 0; size < 3000; size++)
        check_zeroed(1, size);
    for (int again = 0; again < 3; again++)
        for (size_t size = 1000; size < 40 * MIB; size = size * 3 / 2 + 1) {
            check_zeroed(1, size);
            check_zeroed(size / 100, 100);
        }
    recycled_memory_is_zeroed();
    overflow_is_enomem();
    void *empty = calloc(hide_size(0), 8), *other = calloc(8, hide_size(0));
    CHECK(empty != NULL && other != NULL && empty != other);
    free(empty);
    free(other);
    return 0;
}
