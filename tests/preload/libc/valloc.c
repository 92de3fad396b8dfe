/* valloc and pvalloc: page-aligned, pvalloc whole pages, size 0 is a block, impossible sizes are ENOMEM.
   Facts of glibc's tst-valloc, tst-pvalloc. */
#include "check.h"
#include <errno.h>
#include <malloc.h>

int main(void)
{
    size_t page = (size_t)getpagesize();
    static const size_t shortfalls[] = {1, 10, 4095, 4096, 8192};
    for (size_t i = 0; i < ARRAY_LENGTH(shortfalls); i++) {
        errno = 0;
        CHECK(valloc(hide_size(-shortfalls[i])) == NULL && errno == ENOMEM);
        errno = 0;
        CHECK(pvalloc(hide_size(-shortfalls[i])) == NULL && errno == ENOMEM);
    }
    static const size_t sizes[] = {0, 1, 32, 4095, 4096, 4097, 12288, 100000, 5000000};
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        char *plain = valloc(hide_size(sizes[i])), *padded = pvalloc(hide_size(sizes[i]));
        CHECK(plain != NULL && is_aligned(plain, page), "(size %zu)", sizes[i]);
        CHECK(padded != NULL && is_aligned(padded, page), "(size %zu)", sizes[i]);
        size_t rounded = (sizes[i] + page - 1) / page * page;
        CHECK(malloc_usable_size(plain) >= sizes[i]);
        CHECK(malloc_usable_size(padded) >= rounded, "(%zu for size %zu)", malloc_usable_size(padded), sizes[i]);
        memset(plain, 1, sizes[i]);
        memset(padded, 2, rounded);
        for (size_t k = 0; k < sizes[i]; k++)
            CHECK(plain[k] == 1);
        free(plain);
        free(padded);
    }
    return 0;
}
