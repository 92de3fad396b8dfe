/* Checksummed blocks for the stress programs: every byte of a block follows from its address and a stamp nobody else has, so
   that a block handed out twice, moved, torn or written into shows when it is next verified. */
#ifndef PRELOAD_BLOCKS_H
#define PRELOAD_BLOCKS_H

#include "check.h"
#include <errno.h>
#include <malloc.h>

struct block {
    unsigned char *bytes;
    size_t size; /* all of it is filled: what was asked for, or the usable size */
    uint64_t stamp;
};

static uint64_t seed;

/* The seed is in every complaint: STRESS_SEED=... runs the same choices again. */
static void choose_seed(void)
{
    const char *given = getenv("STRESS_SEED");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    seed = given ? strtoull(given, NULL, 0) : (uint64_t)now.tv_nsec * 2654435761u ^ (uint64_t)now.tv_sec;
    dprintf(STDERR_FILENO, "seed 0x%llx\n", (unsigned long long)seed);
}

static double stress_seconds(double normal)
{
    const char *given = getenv("STRESS_SECONDS");
    return given ? strtod(given, NULL) : normal;
}

#define CHECK_SEED(condition, format, ...) \
    CHECK(condition, "(" format "; STRESS_SEED=0x%llx)", __VA_ARGS__, (unsigned long long)seed)

static uint64_t word_at(const struct block *block, uint64_t home, size_t index)
{
    return (block->stamp ^ home) + index * 0x9e3779b97f4a7c15u;
}

static void fill_block(struct block *block, size_t from)
{
    uint64_t home = (uintptr_t)block->bytes;
    for (size_t i = from / 8; i < (block->size + 7) / 8; i++) {
        uint64_t word = word_at(block, home, i);
        size_t left = block->size - i * 8;
        memcpy(block->bytes + i * 8, &word, left < 8 ? left : 8);
    }
}

/* `home` is the address the bytes were written for: realloc may have moved them. */
static void verify_prefix(const struct block *block, uint64_t home, size_t size)
{
    for (size_t i = 0; i < (size + 7) / 8; i++) {
        uint64_t want = word_at(block, home, i), got = want;
        size_t left = size - i * 8;
        memcpy(&got, block->bytes + i * 8, left < 8 ? left : 8);
        CHECK_SEED(got == want, "block %p of %zu bytes, written for 0x%llx: offset %zu has 0x%llx, not 0x%llx", (void *)block->bytes,
                   block->size, (unsigned long long)home, i * 8, (unsigned long long)got, (unsigned long long)want);
    }
}

static void verify_block(const struct block *block)
{
    if (block->bytes != NULL)
        verify_prefix(block, (uintptr_t)block->bytes, block->size);
}

static size_t random_size(uint64_t *random)
{
    size_t kind = random_below(random, 100);
    return random_below(random, kind < 60 ? 256 : kind < 85 ? 4 * KIB : kind < 96 ? 32 * KIB : kind < 99 ? 128 * KIB : 300 * KIB);
}

/* A sixth of the blocks is filled to its usable size, which must be the program's as well. */
static void adopt(struct block *block, void *bytes, size_t size, size_t alignment, uint64_t *random)
{
    CHECK_SEED(bytes != NULL, "size %zu, errno %d", size, errno);
    CHECK_SEED(is_aligned(bytes, alignment), "%p for alignment %zu", bytes, alignment);
    block->bytes = bytes;
    block->size = size;
    if (random_below(random, 6) == 0) {
        block->size = malloc_usable_size(bytes);
        CHECK_SEED(block->size >= size, "usable %zu of %zu", block->size, size);
    }
    block->stamp = random_next(random);
    fill_block(block, 0);
}

static void expect_zero(const unsigned char *bytes, size_t size)
{
    for (size_t i = 0; bytes != NULL && i < size; i++)
        CHECK_SEED(bytes[i] == 0, "calloc of %zu bytes at %p: offset %zu has 0x%x", size, (const void *)bytes, i, bytes[i]);
}

static void allocate_block(struct block *block, uint64_t *random)
{
    size_t size = random_size(random), alignment = 16;
    void *bytes = NULL;
    switch (random_below(random, 8)) {
    case 0:
    case 1:
        bytes = calloc(1, size);
        expect_zero(bytes, size);
        break;
    case 2:
        alignment = (size_t)16 << random_below(random, 10);
        bytes = aligned_alloc(alignment, size);
        break;
    case 3:
        alignment = (size_t)16 << random_below(random, 10);
        CHECK(posix_memalign(&bytes, alignment, size) == 0);
        break;
    case 4:
        bytes = realloc(NULL, size);
        break;
    default:
        bytes = malloc(size);
        break;
    }
    adopt(block, bytes, size, alignment, random);
}

static void free_block(struct block *block)
{
    verify_block(block);
    free(block->bytes);
    *block = (struct block){0};
}

static void resize_block(struct block *block, uint64_t *random)
{
    verify_block(block);
    size_t size = 1 + (random_below(random, 3) == 0 ? block->size + random_below(random, 1000) : random_size(random));
    size_t common = size < block->size ? size : block->size;
    uint64_t home = (uintptr_t)block->bytes;
    void *bytes = realloc(block->bytes, size);
    CHECK_SEED(bytes != NULL, "size %zu", size);
    block->bytes = bytes;
    verify_prefix(block, home, common);
    adopt(block, bytes, size, 16, random);
}

#endif
