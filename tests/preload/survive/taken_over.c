/* A program, or a library such as libfaketime, takes over clock_gettime and getpid, and allocates in them: the allocator calls
   neither, in no thread, however long it waits and forks. */
#include "check.h"
#include <sys/syscall.h>

enum { BLOCKS = 40000, BLOCK = 700 };

static volatile int ours; /* main may call them */
static volatile int calls;

static void called(const char *name)
{
    CHECK(ours && syscall(SYS_gettid) == syscall(SYS_getpid), "(%s, by the allocator)", name);
    calls++;
    free(malloc(100000));
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    called("clock_gettime");
    return (int)syscall(SYS_clock_gettime, clock, now);
}

pid_t getpid(void)
{
    called("getpid");
    return (pid_t)syscall(SYS_getpid);
}

static void burst(void)
{
    static char *blocks[BLOCKS];
    take_blocks(blocks, BLOCKS, BLOCK);
    free_blocks(blocks, BLOCKS);
    free(hide(realloc(malloc(3 * MIB), 60 * MIB)));
}

static void live(void)
{
    for (int round = 0; round < 3; round++) {
        burst();
        struct timespec time = {0, 600000000}; /* the thread comes, and memory goes */
        syscall(SYS_nanosleep, &time, NULL);
    }
}

int main(void)
{
    struct timespec now;
    ours = 1;
    CHECK(getpid() > 0 && clock_gettime(CLOCK_REALTIME, &now) == 0 && calls == 2);
    ours = 0;
    live();
    in_child(live);
    return 0;
}
