/* posix_memalign: returns its error and leaves the pointer alone; alignment is a power of two and a multiple of the pointer's
   size. Facts of glibc's tst-posix_memalign. */
#include "check.h"
#include <errno.h>
#include <malloc.h>

static void expect_error(int error, size_t alignment, size_t size)
{
    int mark;
    void *pointer = &mark;
    int got = posix_memalign(&pointer, hide_size(alignment), hide_size(size));
    CHECK(got == error, "(%d for alignment 0x%zx, size 0x%zx)", got, alignment, size);
    CHECK(pointer == &mark);
}

int main(void)
{
    size_t page = (size_t)getpagesize();
    expect_error(ENOMEM, sizeof(void *), SIZE_MAX);
    expect_error(ENOMEM, page, -page);
    expect_error(EINVAL, SIZE_MAX, page);
    expect_error(EINVAL, 0x300, 10);
    static const size_t bad[] = {0, 1, 2, 3, 4, 7, 9, 12, 24, 48, 65, 4095, 4097, SIZE_MAX - 7};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        expect_error(EINVAL, bad[i], 10);

    for (size_t alignment = sizeof(void *); alignment <= 16 * MIB; alignment *= 2)
        for (size_t size = 0; size < 200000; size = size * 3 + 1) {
            void *first = NULL, *second = NULL;
            CHECK(posix_memalign(&first, alignment, size) == 0 && first != NULL, "(0x%zx, %zu)", alignment, size);
            CHECK(posix_memalign(&second, alignment, size) == 0 && second != NULL && second != first);
            CHECK(is_aligned(first, alignment) && is_aligned(second, alignment));
            CHECK(is_aligned(first, 16));
            CHECK(malloc_usable_size(first) >= size);
            memset(first, 1, malloc_usable_size(first));
            memset(second, 2, malloc_usable_size(second));
            for (size_t k = 0; k < size; k++)
                CHECK(((char *)first)[k] == 1);
            free(first);
            free(second);
        }
    return 0;
}
