/* reallocarray: the product is checked, contents survive, a failure leaves the block alone. Facts of glibc's tst-reallocarray. */
#include "check.h"
#include <errno.h>

int main(void)
{
    static const size_t large[] = {SIZE_MAX, SIZE_MAX / 2 + 1, SIZE_MAX / 4, (size_t)1 << 33};
    static const size_t other[] = {2, 8, (size_t)1 << 32, SIZE_MAX};
    unsigned char *block = reallocarray(NULL, 10, 2);
    CHECK(block != NULL);
    memset(block, 0x5a, 20);
    for (size_t i = 0; i < ARRAY_LENGTH(large); i++)
        for (size_t j = 0; j < ARRAY_LENGTH(other); j++) {
            size_t product;
            if (!__builtin_mul_overflow(large[i], other[j], &product) && product <= PTRDIFF_MAX)
                continue;
            errno = 0;
            CHECK(reallocarray(NULL, hide_size(large[i]), hide_size(other[j])) == NULL);
            CHECK(errno == ENOMEM);
            errno = 0;
            CHECK(reallocarray(block, hide_size(other[j]), hide_size(large[i])) == NULL);
            CHECK(errno == ENOMEM);
            for (size_t k = 0; k < 20; k++)
                CHECK(block[k] == 0x5a);
        }
    block = reallocarray(block, 1000, 17);
    CHECK(block != NULL && is_aligned(block, 16));
    for (size_t k = 0; k < 20; k++)
        CHECK(block[k] == 0x5a);
    memset(block, 0x5b, 1000 * 17);
    block = reallocarray(block, 16, 2);
    CHECK(block != NULL);
    for (size_t k = 0; k < 32; k++)
        CHECK(block[k] == 0x5b);
    CHECK(reallocarray(block, 16, hide_size(0)) == NULL); /* as realloc(p, 0): freed */
    block = reallocarray(NULL, hide_size(0), 16);
    CHECK(block != NULL);
    free(block);
    return 0;
}
