/* jemalloc's second family gives aligned and zeroed blocks of the sizes that nallocx foretells, and mixes with malloc and free. */
#include "check.h"

__attribute__((weak)) void *mallocx(size_t size, int flags);
__attribute__((weak)) void *rallocx(void *block, size_t size, int flags);
__attribute__((weak)) size_t xallocx(void *block, size_t size, size_t extra, int flags);
__attribute__((weak)) size_t sallocx(const void *block, int flags);
__attribute__((weak)) void dallocx(void *block, int flags);
__attribute__((weak)) void sdallocx(void *block, size_t size, int flags);
__attribute__((weak)) size_t nallocx(size_t size, int flags);

#define ALIGN(lg) (lg)
#define ZERO 0x40
#define TCACHE_NONE (1 << 8)
#define ARENA(n) (((n) + 1) << 20)

static const size_t sizes[] = { 1, 16, 17, 100, 1000, 4000, 5000, 32768, 32769, 70000, 1000000, 5000000 };

static void is_zero(const char *block, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        CHECK(block[i] == 0, "(byte %zu of %zu)", i, to);
}

/* What is handed out next has been written to. */
static void make_dirt(size_t size, int align)
{
    void *blocks[8];
    for (int i = 0; i < 8; i++) {
        blocks[i] = hide(mallocx(size, align));
        CHECK(blocks[i] != NULL);
        memset(blocks[i], 0xaa, sallocx(blocks[i], 0));
    }
    for (int i = 0; i < 8; i++)
        dallocx(blocks[i], TCACHE_NONE);
}

static void every_alignment(size_t size)
{
    for (int lg = 0; lg <= 20; lg++) {
        make_dirt(size, ALIGN(lg));
        char *block = hide(mallocx(size, ALIGN(lg) | ZERO | TCACHE_NONE | ARENA(3)));
        CHECK(block != NULL && is_aligned(block, (size_t)1 << lg), "(size %zu, align 2^%d)", size, lg);
        size_t usable = sallocx(block, 0);
        CHECK(usable >= size && usable == nallocx(size, ALIGN(lg)), "(size %zu, align 2^%d: %zu, foretold %zu)", size, lg, usable,
              nallocx(size, ALIGN(lg)));
        is_zero(block, 0, usable);
        CHECK(xallocx(block, size, 0, ALIGN(lg)) == usable);
        memset(block, 0x55, usable);
        block = hide(rallocx(block, usable * 3, ALIGN(lg) | ZERO));
        CHECK(block != NULL && is_aligned(block, (size_t)1 << lg));
        for (size_t i = 0; i < usable; i++)
            CHECK(block[i] == 0x55, "(byte %zu of %zu)", i, usable);
        is_zero(block, usable, sallocx(block, 0));
        block = hide(rallocx(block, 1 + size / 3, ALIGN(lg)));
        CHECK(block != NULL && is_aligned(block, (size_t)1 << lg) && block[size / 3] == 0x55);
        sdallocx(block, 1 + size / 3, ALIGN(lg));
    }
}

int main(void)
{
    if (mallocx == NULL)
        SKIP("no mallocx in this malloc");
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++)
        every_alignment(sizes[i]);
    CHECK(mallocx(hide_size(SIZE_MAX / 2 + 1), 0) == NULL && mallocx(16, ALIGN(63)) == NULL);
    CHECK(mallocx(hide_size(SIZE_MAX - 1), ZERO) == NULL && mallocx(hide_size(SIZE_MAX / 2 - 5), ALIGN(12)) == NULL);
    CHECK(nallocx(SIZE_MAX, 0) == 0 && nallocx(16, ALIGN(63)) == 0);
    char *kept = malloc(100);
    CHECK(kept != NULL);
    strcpy(kept, "kept");
    CHECK(rallocx(kept, hide_size(SIZE_MAX / 2 + 1), 0) == NULL && rallocx(kept, hide_size(SIZE_MAX / 2), ALIGN(12)) == NULL);
    kept = rallocx(kept, 100000, ALIGN(7));
    CHECK(strcmp(kept, "kept") == 0);
    free(kept);
    kept = mallocx(100, 0);
    kept = realloc(kept, 5000);
    dallocx(kept, 0);
    exercise_heap();
    return 0;
}
