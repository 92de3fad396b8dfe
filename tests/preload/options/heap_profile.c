/* Allocates from places with names and writes both views of the profile; see heap_profile.py. */
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))
#define KEPT 20000

static void *kept[KEPT];

/* The weak reference resolves to the preloaded library. */
int arca_profile_dump(const char *path, int view) __attribute__((weak));

NOINLINE static void keep_small(size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        kept[i] = malloc(500);
}

NOINLINE static void keep_large(size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        kept[i] = calloc(1, 100000);
}

NOINLINE static void pass_through(void)
{
    for (size_t i = 0; i < KEPT; i++) {
        char *volatile block = malloc(3000);
        block = realloc(block, 6000);
        free(block);
    }
}

NOINLINE static void *allocate_one(void)
{
    void *volatile block = malloc(2000000);
    return block;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    keep_small(0, 19900);
    keep_large(19900, KEPT);
    pass_through();
    void *peak = allocate_one();
    memset(peak, 1, 1);
    free(peak);
    for (size_t i = 0; i < KEPT; i += 2)
        free(kept[i]);
    if (arca_profile_dump == NULL)
        return 3;
    return arca_profile_dump(argv[1], 0) != 0 || arca_profile_dump(argv[2], 1) != 0;
}
