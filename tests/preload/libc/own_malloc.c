/* A program with a malloc of its own, which has no reallocarray: the C library's would be made of the program's realloc. */
#include "check.h"
#include <errno.h>

static _Alignas(16) char memory[8 * 1048576];
static size_t used;

static int is_own(const void *block)
{
    return (const char *)block >= memory && (const char *)block < memory + sizeof memory;
}

void *malloc(size_t size)
{
    size_t whole = (size + 31) / 16 * 16; /* a word before the block has its size */
    if (size > sizeof memory || __atomic_load_n(&used, __ATOMIC_RELAXED) + whole > sizeof memory) {
        errno = ENOMEM;
        return NULL;
    }
    char *block = memory + __atomic_fetch_add(&used, whole, __ATOMIC_RELAXED) + 16;
    ((size_t *)block)[-1] = size;
    return block;
}

void free(void *block)
{
    CHECK(block == NULL || is_own(block), "(%p)", block);
}

void *calloc(size_t count, size_t size)
{
    return count != 0 && size > SIZE_MAX / count ? NULL : malloc(count * size); /* never used before */
}

void *realloc(void *block, size_t size)
{
    CHECK(block == NULL || is_own(block), "(%p)", block);
    void *fresh = malloc(size);
    if (fresh != NULL && block != NULL)
        memcpy(fresh, block, ((size_t *)block)[-1] < size ? ((size_t *)block)[-1] : size);
    return fresh;
}

int main(void)
{
    int *array = reallocarray(NULL, 10, sizeof *array);
    CHECK(is_own(array), "(%p)", (void *)array);
    array[9] = 9;
    array = reallocarray(array, 100000, sizeof *array);
    CHECK(is_own(array) && array[9] == 9);
    free(array);
    errno = 0;
    CHECK(reallocarray(NULL, hide_size(SIZE_MAX / 2), 3) == NULL && errno == ENOMEM);
    free(strdup("text"));
    return 0;
}
