/* malloc_usable_size: at least what was asked for, all of it writable and kept, 0 for NULL, and stable.
   Facts of glibc's tst-malloc-usable (which asserts equality for its checking mode alone). */
#include "check.h"
#include <malloc.h>

static void check(void *block, size_t size)
{
    CHECK(block != NULL);
    size_t usable = malloc_usable_size(block);
    CHECK(usable >= size, "(%zu for %zu)", usable, size);
    memset(block, 0x77, usable);
    CHECK(malloc_usable_size(block) == usable);
}

int main(void)
{
    enum { COUNT = 2000 };
    static unsigned char *blocks[COUNT];
    CHECK(malloc_usable_size(NULL) == 0);
    for (size_t size = 0; size < 40000; size += size < 2100 ? 1 : 577) {
        unsigned char *block = malloc(size);
        check(block, size);
        block = realloc(block, malloc_usable_size(block) + 1);
        check(block, size + 1);
        free(block);
    }
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = i * i / 7;
        blocks[i] = i % 3 == 0 ? malloc(size) : i % 3 == 1 ? calloc(1, size) : memalign(64, size);
        check(blocks[i], size);
        memset(blocks[i], (int)i, malloc_usable_size(blocks[i]));
    }
    for (size_t i = 0; i < COUNT; i++) {
        size_t usable = malloc_usable_size(blocks[i]);
        for (size_t k = 0; k < usable; k++)
            CHECK(blocks[i][k] == (unsigned char)i, "(block %zu, byte %zu of %zu)", i, k, usable);
        free(blocks[i]);
    }
    for (size_t size = 100000; size < 100 * MIB; size *= 3) {
        void *block = malloc(size);
        check(block, size);
        free(block);
    }
    return 0;
}
