/* A limit of what a process may map for itself (RLIMIT_DATA, ulimit -d), or of its address space, counts what a malloc has reserved:
   most of it stays the program's, for its threads' stacks and mappings, before a burst of blocks and after it. */
#include "check.h"
#include <sys/mman.h>
#include <sys/resource.h>

enum { BLOCKS = 40000, BLOCK = 1000 };
static const size_t limit_bytes = 160 * MIB, own_bytes = 104 * MIB;

static void *try_to_map_own(void)
{
    return mmap(NULL, own_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Once what is free is gone: so many seconds later at the most. */
static void map_own(const char *when, int patience_s)
{
    void *own = try_to_map_own();
    for (double end = seconds_now() + patience_s; own == MAP_FAILED && seconds_now() < end; own = try_to_map_own())
        sleep_ms(50);
    CHECK(own != MAP_FAILED, "(%s)", when);
    exercise_heap();
    CHECK(munmap(own, own_bytes) == 0);
}

static void program(void)
{
    static char *blocks[BLOCKS];
    exercise_heap();
    map_own("at first", 0);
    take_blocks(blocks, BLOCKS, BLOCK);
    free_blocks(blocks, BLOCKS);
    sleep_ms(2500); /* what is free is gone, unless the thread that is to see to it was held up */
    map_own("after a burst", 20);
    exit(0);
}

int main(int argc, char **argv)
{
    static const int resources[] = {RLIMIT_DATA, RLIMIT_AS};
    if (argc > 1)
        program();
    for (size_t i = 0; i < ARRAY_LENGTH(resources); i++) {
        pid_t child = fork();
        if (child == 0) {
            struct rlimit limit = {limit_bytes, limit_bytes};
            CHECK(setrlimit(resources[i], &limit) == 0);
            execl(argv[0], argv[0], "program", (char *)NULL);
            _exit(127);
        }
        expect_success(child);
    }
    return 0;
}
