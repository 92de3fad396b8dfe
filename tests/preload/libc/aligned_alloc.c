/* aligned_alloc: a power of two is honoured for any size; anything else is refused with EINVAL, or rounded up as older C
   libraries do. Facts of glibc's tst-aligned-alloc. */
#include "check.h"
#include <errno.h>
#include <malloc.h>

int main(void)
{
    for (size_t alignment = 1; alignment <= 64 * MIB; alignment *= 2)
        for (size_t size = 0; size < 300000; size = size * 4 + 3) {
            char *block = aligned_alloc(alignment, size);
            CHECK(block != NULL && is_aligned(block, alignment) && is_aligned(block, 16), "(%zu, %zu)", alignment, size);
            memset(block, 1, malloc_usable_size(block));
            free(block);
        }
    static const size_t odd[] = {0, 3, 24, 65, 100, 4095, 4097};
    for (size_t i = 0; i < ARRAY_LENGTH(odd); i++) {
        errno = 0;
        void *block = aligned_alloc(hide_size(odd[i]), 64);
        if (block == NULL)
            CHECK(errno == EINVAL, "(errno %d for alignment %zu)", errno, odd[i]);
        else
            CHECK(is_aligned(block, 16) && (odd[i] < 16 || is_aligned(block, (size_t)1 << (64 - __builtin_clzl(odd[i] - 1)))));
        free(block);
    }
    errno = 0;
    CHECK(aligned_alloc(hide_size(SIZE_MAX / 2 + 1), 64) == NULL && (errno == EINVAL || errno == ENOMEM));
    errno = 0;
    CHECK(aligned_alloc(hide_size(SIZE_MAX), 64) == NULL && errno == EINVAL);
    errno = 0;
    CHECK(aligned_alloc(64, hide_size(SIZE_MAX - 63)) == NULL && errno == ENOMEM);
    return 0;
}
