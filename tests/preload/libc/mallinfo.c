/* mallinfo2 follows the program: what it holds is at least what was asked for, and goes when it is freed.
   Facts of glibc's tst-mallinfo2; the sums beyond it are of the manual page. */
#include "check.h"
#include <malloc.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* mallinfo, of which old programs still ask */

enum { COUNT = 40000 };
static void *blocks[COUNT];

static size_t in_use(void)
{
    struct mallinfo2 info = mallinfo2();
    CHECK(info.arena + info.hblkhd >= info.uordblks, "(%zu + %zu, %zu)", info.arena, info.hblkhd, info.uordblks);
    CHECK(info.hblks == 0 || info.hblkhd > 0);
    return info.uordblks + info.hblkhd;
}

int main(void)
{
    free(hide(malloc(100)));
    size_t asked = 0;
    struct mallinfo2 before = mallinfo2();
    for (size_t i = 1; i < 20; i++) {
        blocks[i] = malloc(160 * i);
        asked += 160 * i;
    }
    struct mallinfo2 after = mallinfo2();
    CHECK(after.uordblks >= before.uordblks + asked, "(%zu, %zu + %zu)", after.uordblks, before.uordblks, asked);
    for (size_t i = 1; i < 20; i++)
        free(blocks[i]);

    size_t start = in_use();
    asked = 0;
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = i % 10000 == 0 ? 8 * MIB : 16 + i % 500;
        blocks[i] = malloc(size);
        CHECK(blocks[i] != NULL);
        asked += size;
    }
    size_t full = in_use();
    CHECK(full >= start + asked, "(%zu, %zu + %zu)", full, start, asked);
    CHECK(full <= start + asked * 2, "(%zu, %zu + %zu)", full, start, asked);
    struct mallinfo small = mallinfo();
    struct mallinfo2 wide = mallinfo2();
    CHECK(small.uordblks == (int)wide.uordblks && small.hblkhd == (int)wide.hblkhd, "(%d, %zu)", small.uordblks, wide.uordblks);
    for (size_t i = 0; i < COUNT; i++)
        free(blocks[i]);
    size_t empty = in_use();
    CHECK(empty <= start + asked / 10, "(%zu, %zu, asked %zu)", empty, start, asked);
    return 0;
}
