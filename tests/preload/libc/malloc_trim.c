/* malloc_trim answers 0 or 1, and gives back the pages between survivors at once. Facts of glibc's tst-trim1; the pages inside
   the heap are of its manual page. */
#include "check.h"
#include <malloc.h>

enum { COUNT = 65536, SIZE = 1000 };

/* The answer of a trim that has much to do, unless it comes so late that all has gone by itself. */
static int trim_between_survivors(void)
{
    static char *blocks[COUNT];
    int answer = malloc_trim(0);
    CHECK(answer == 0 || answer == 1);
    size_t base = resident_bytes();
    for (size_t i = 0; i < COUNT; i++) {
        blocks[i] = malloc(SIZE);
        CHECK(blocks[i] != NULL);
        memset(blocks[i], (int)i, SIZE);
    }
    size_t peak = resident_bytes();
    CHECK(peak > base + COUNT * (size_t)SIZE / 2);
    for (size_t i = 0; i < COUNT; i++)
        if (i % 64 != 0)
            free(blocks[i]);
    answer = malloc_trim(0);
    size_t after = resident_bytes();
    CHECK(after - base < (peak - base) / 3, "(base %zu, peak %zu, after the trim %zu)", base, peak, after);
    for (size_t i = 0; i < COUNT; i += 64) {
        for (size_t k = 0; k < SIZE; k++)
            CHECK(blocks[i][k] == (char)i);
        free(blocks[i]);
    }
    return answer;
}

int main(void)
{
    int answer = 0;
    for (int tries = 0; tries < 5 && answer != 1; tries++)
        answer = trim_between_survivors();
    CHECK(answer == 1, "(%d)", answer);
    for (size_t pad = 0; pad < 64 * MIB; pad = pad * 2 + 4096) {
        answer = malloc_trim(pad);
        CHECK(answer == 0 || answer == 1);
        exercise_heap();
    }
    return 0;
}
