/* malloc, free: failure sets ENOMEM, size 0 is a unique block, every block is aligned to 16 and overlaps no other.
   Facts of glibc's tst-malloc, tst-mallocalign1, mallocbug, tst-malloc-check. */
#include "check.h"
#include <errno.h>

static void impossible_size_is_enomem(void)
{
    errno = 0;
    CHECK(malloc(hide_size(SIZE_MAX)) == NULL);
    CHECK(errno == ENOMEM, "(errno %d)", errno);
    errno = 0;
    CHECK(malloc(hide_size((size_t)PTRDIFF_MAX + 1)) == NULL);
    CHECK(errno == ENOMEM, "(errno %d)", errno);
    free(NULL);
}

static void zero_size_is_a_unique_block(void)
{
    void *blocks[1000];
    for (size_t i = 0; i < ARRAY_LENGTH(blocks); i++) {
        blocks[i] = malloc(hide_size(0));
        CHECK(blocks[i] != NULL);
        CHECK(is_aligned(blocks[i], 16));
        for (size_t j = 0; j < i; j++)
            CHECK(blocks[j] != blocks[i]);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(blocks); i++)
        free(blocks[i]);
}

static void every_size_is_aligned_to_16(void)
{
    for (size_t size = 0; size <= 70000; size += size < 5000 ? 1 : 97) {
        char *block = malloc(size);
        CHECK(block != NULL && is_aligned(block, 16), "(size %zu: %p)", size, (void *)block);
        char *other = malloc(size);
        CHECK(other != NULL && is_aligned(other, 16), "(size %zu: %p)", size, (void *)other);
        free(block);
        free(other);
    }
    for (size_t size = 1; size <= 64 * MIB; size *= 2)
        for (size_t near = size - 1; near <= size + 1; near++) {
            char *block = malloc(near);
            CHECK(block != NULL && is_aligned(block, 16), "(size %zu: %p)", near, (void *)block);
            if (near > 0)
                block[0] = block[near - 1] = 1;
            free(block);
        }
}

/* Each block is filled with its own index, so that any overlap shows in the neighbour. */
static void live_blocks_do_not_overlap(void)
{
    enum { COUNT = 3000 };
    static unsigned char *blocks[COUNT];
    static size_t sizes[COUNT];
    uint64_t random = 42;
    for (int round = 0; round < 6; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            if (blocks[i] != NULL && random_below(&random, 3) == 0)
                continue;
            for (size_t k = 0; blocks[i] != NULL && k < sizes[i]; k++)
                CHECK(blocks[i][k] == (unsigned char)(i * 7), "(block %zu of %zu bytes, byte %zu)", i, sizes[i], k);
            free(blocks[i]);
            sizes[i] = random_below(&random, random_below(&random, 20) == 0 ? 100000 : 1500);
            blocks[i] = malloc(sizes[i]);
            CHECK(blocks[i] != NULL);
            memset(blocks[i], (int)(i * 7), sizes[i]);
        }
    }
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t k = 0; k < sizes[i]; k++)
            CHECK(blocks[i][k] == (unsigned char)(i * 7));
        free(blocks[i]);
    }
}

int main(void)
{
    impossible_size_is_enomem();
    zero_size_is_a_unique_block();
    every_size_is_aligned_to_16();
    live_blocks_do_not_overlap();
    return 0;
}
