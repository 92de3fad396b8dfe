/* Sizes nothing can hold (near SIZE_MAX, over PTRDIFF_MAX, over the address space) fail with ENOMEM in every function, with
   every alignment, directly after a small block was freed (padding the size must not wrap to something small).
   Facts of glibc's tst-malloc-too-large. */
#include "check.h"
#include <errno.h>
#include <malloc.h>
#include <sys/resource.h>

static void free_a_small_block(void)
{
    free(hide(malloc(16)));
    errno = 0;
}

#define EXPECT_ENOMEM(call)                                                    \
    do {                                                                       \
        free_a_small_block();                                                  \
        CHECK((call) == NULL, "(size 0x%zx)", size);                           \
        CHECK(errno == ENOMEM, "(" #call ", size 0x%zx, errno %d)", size, errno); \
    } while (0)

static void check_plain(size_t size)
{
    EXPECT_ENOMEM(malloc(size));
    char *old = malloc(16);
    CHECK(old != NULL);
    memset(old, 'x', 16);
    EXPECT_ENOMEM(realloc(old, size));
    for (size_t parts = 1; parts <= 8 && size % parts == 0; parts *= 2) {
        EXPECT_ENOMEM(calloc(parts, size / parts));
        EXPECT_ENOMEM(calloc(size / parts, parts));
        EXPECT_ENOMEM(reallocarray(old, parts, size / parts));
        EXPECT_ENOMEM(reallocarray(old, size / parts, parts));
    }
    for (size_t i = 0; i < 16; i++)
        CHECK(old[i] == 'x');
    free(old);
}

static void check_aligned(size_t size)
{
    for (size_t alignment = 1; alignment != 0; alignment <<= 1) {
        EXPECT_ENOMEM(memalign(alignment, size));
        if (alignment % sizeof(void *) == 0) {
            void *untouched = NULL;
            free_a_small_block();
            CHECK(posix_memalign(&untouched, alignment, size) == ENOMEM, "(0x%zx, 0x%zx)", alignment, size);
            CHECK(untouched == NULL);
        }
        if (size % alignment == 0)
            EXPECT_ENOMEM(aligned_alloc(alignment, size));
    }
    EXPECT_ENOMEM(valloc(size));
    EXPECT_ENOMEM(pvalloc(size));
}

static void check_both(size_t size)
{
    check_plain(hide_size(size));
    check_aligned(hide_size(size));
}

int main(void)
{
    /* So that a terabyte request can not succeed by overcommit: the kernel's answer and the arithmetic's must be one. */
    struct rlimit limit = {((rlim_t)1 << 50) - 1, ((rlim_t)1 << 50) - 1};
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    for (size_t i = 0; i < 1 << 14; i += i < 600 ? 1 : 61) {
        check_both(SIZE_MAX - i);
        check_both((size_t)PTRDIFF_MAX + 1 + i);
    }
    for (size_t high = ((size_t)1 << 14) - 1; high >= 1; high = high > 64 ? high - 31 : high - 1) {
        check_both(high << 50 | (((size_t)1 << 50) - 1));
        check_both(high << 50);
    }
    exercise_heap();
    return 0;
}
