/* mallopt: every documented parameter is accepted with 1 and the heap works on. Facts of glibc's tst-mallopt. */
#include "check.h"
#include <malloc.h>

int main(void)
{
    static const struct {
        const char *name;
        int parameter, value;
    } known[] = {
        {"M_CHECK_ACTION", M_CHECK_ACTION, 1},
        {"M_MMAP_MAX", M_MMAP_MAX, 64 * 1024},
        {"M_MMAP_THRESHOLD", M_MMAP_THRESHOLD, 64 * 1024},
        {"M_MXFAST", M_MXFAST, 0},
        {"M_PERTURB", M_PERTURB, 0xa5},
        {"M_TOP_PAD", M_TOP_PAD, 64 * 1024},
        {"M_TRIM_THRESHOLD", M_TRIM_THRESHOLD, -1},
        {"M_ARENA_TEST", M_ARENA_TEST, 2},
        {"M_ARENA_MAX", M_ARENA_MAX, 8},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(known); i++) {
        int answer = mallopt(known[i].parameter, known[i].value);
        CHECK(answer == 1, "(%s: %d)", known[i].name, answer);
        exercise_heap();
    }
    unsigned char *zeroed = calloc(1000, 10); /* M_PERTURB must not reach calloc */
    CHECK(zeroed != NULL);
    for (size_t i = 0; i < 10000; i++)
        CHECK(zeroed[i] == 0);
    free(zeroed);
    return 0;
}
