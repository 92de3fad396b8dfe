/* All mappings that a process may have are taken (vm.max_map_count): what is refused is NULL with ENOMEM, what is there keeps its
   contents and can be freed and reused, and all works once there are mappings again. */
#include "check.h"
#include <errno.h>
#include <sys/mman.h>

enum { BLOCKS = 3000 };
static unsigned char *blocks[BLOCKS], *more[BLOCKS];

static size_t size_of(size_t i)
{
    return i % 15 == 0 ? 200000 + i * 100 : 16 + i % 3000;
}

/* Neighbours which differ are not merged. */
static char *take_all_mappings(size_t *bytes)
{
    size_t count = 200000;
    *bytes = count * 4096;
    char *area = mmap(NULL, *bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(area != MAP_FAILED);
    for (size_t i = 0; i < count; i += 2)
        if (mprotect(area + i * 4096, 4096, PROT_READ) != 0) {
            CHECK(errno == ENOMEM);
            while (mmap(NULL, 4096, i % 4 == 0 ? PROT_READ : PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
                i += 2;
            return area;
        }
    SKIP("vm.max_map_count is too high to be reached");
}

static void expect_contents(void)
{
    for (size_t i = 0; i < BLOCKS; i++)
        CHECK(blocks[i] == NULL || (blocks[i][0] == (unsigned char)i && blocks[i][size_of(i) - 1] == (unsigned char)i));
}

static size_t allocate(unsigned char **some)
{
    size_t refused = 0;
    for (size_t i = 0; i < BLOCKS; i++) {
        errno = 0;
        some[i] = malloc(size_of(i));
        if (some[i] == NULL) {
            CHECK(errno == ENOMEM);
            refused++;
        } else {
            memset(some[i], (int)i, size_of(i));
        }
    }
    return refused;
}

static void free_all(unsigned char **some)
{
    for (size_t i = 0; i < BLOCKS; i++)
        free(some[i]);
}

int main(void)
{
    size_t bytes, refused = 0;
    CHECK(allocate(blocks) == 0);
    char *area = take_all_mappings(&bytes);
    CHECK(mmap(NULL, 8192, PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED, "(there is still a mapping)");
    for (int round = 0; round < 4; round++) {
        errno = 0;
        CHECK(malloc(hide_size(300 * MIB)) == NULL && errno == ENOMEM);
        refused += allocate(more);
        expect_contents();
        free_all(more);
        for (size_t i = (size_t)round; i < BLOCKS; i += 4) {
            free(blocks[i]);
            blocks[i] = NULL;
        }
        char *block = malloc(10000);
        CHECK(block != NULL);
        free(block);
        sleep_ms(900); /* time for a purge, and to unmap what has become empty */
    }
    size_t mappings = mapping_count();
    munmap(area, bytes);
    exercise_heap();
    CHECK(allocate(blocks) == 0);
    expect_contents();
    free_all(blocks);
    CHECK(refused > 0);
    dprintf(STDOUT_FILENO, "all of %zu mappings taken, %zu blocks of %d refused\n", mappings, refused, 4 * BLOCKS);
    return 0;
}
