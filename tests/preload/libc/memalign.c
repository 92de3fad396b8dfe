/* memalign: an alignment which is no power of two is rounded up, one too large for that is EINVAL; freed aligned blocks are
   used again, also from another size's list. Facts of glibc's tst-memalign, tst-memalign-2, tst-memalign-3. */
#include "check.h"
#include <errno.h>
#include <malloc.h>

static void expect_error(int error, size_t alignment, size_t size)
{
    errno = 0;
    CHECK(memalign(hide_size(alignment), hide_size(size)) == NULL, "(0x%zx, 0x%zx)", alignment, size);
    CHECK(errno == error, "(errno %d for 0x%zx, 0x%zx)", errno, alignment, size);
}

static size_t round_up_to_power(size_t alignment)
{
    size_t power = 1;
    while (power < alignment)
        power *= 2;
    return power;
}

static void any_alignment_is_honoured(void)
{
    for (size_t alignment = 0; alignment <= 70000; alignment += alignment < 300 ? 1 : 613)
        for (size_t size = 0; size < 40000; size = size * 5 + 10) {
            char *block = memalign(alignment, size);
            CHECK(block != NULL, "(%zu, %zu)", alignment, size);
            CHECK(is_aligned(block, round_up_to_power(alignment)) && is_aligned(block, 16), "(%zu, %zu)", alignment, size);
            memset(block, 1, malloc_usable_size(block));
            free(block);
        }
}

static void freed_aligned_blocks_are_used_again(void)
{
    static const size_t cases[][2] = {{32, 24}, {64, 24}, {128, 128}, {128, 500}, {64, 23450}, {4096, 33650}, {65536, 100000}, {MIB, 5 * MIB}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        size_t before = resident_bytes();
        for (int round = 0; round < 2000; round++) {
            char *aligned = memalign(cases[i][0], cases[i][1]);
            CHECK(aligned != NULL && is_aligned(aligned, cases[i][0]));
            aligned[0] = aligned[cases[i][1] - 1] = 1;
            char *plain = malloc(cases[i][1]); /* keeps neighbours from joining into one always-empty run */
            CHECK(plain != NULL);
            plain[0] = plain[cases[i][1] - 1] = 1;
            free(aligned);
            free(plain);
        }
        CHECK(resident_bytes() < before + 16 * MIB, "(alignment %zu, size %zu)", cases[i][0], cases[i][1]);
    }
}

int main(void)
{
    size_t page = (size_t)getpagesize();
    expect_error(ENOMEM, sizeof(void *), SIZE_MAX);
    expect_error(ENOMEM, page, -page);
    expect_error(EINVAL, SIZE_MAX, page);
    expect_error(EINVAL, SIZE_MAX / 2 + 2, 10);
    any_alignment_is_honoured();
    freed_aligned_blocks_are_used_again();
    return 0;
}
