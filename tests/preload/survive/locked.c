/* A daemon that locks its memory, present and future, as chrony, corosync and many more do: it takes little more than it uses, a burst
   is given back, and what is used afterwards is locked again. */
#include "check.h"
#include <errno.h>
#include <sys/mman.h>

enum { BLOCKS = 150000, BLOCK = 700 };

static size_t locked_bytes(void)
{
    char text[4096];
    read_file("/proc/self/status", text, sizeof text);
    return strtoul(strstr(text, "VmLck:") + 6, NULL, 10) * KIB;
}

static void burst(void)
{
    static char *blocks[BLOCKS];
    take_blocks(blocks, BLOCKS, BLOCK);
    CHECK(locked_bytes() > (size_t)BLOCKS * BLOCK && resident_bytes() > (size_t)BLOCKS * BLOCK, "(%zu)", locked_bytes());
    free_blocks(blocks, BLOCKS);
}

static void is_given_back(void)
{
    size_t resident = 0;
    for (int tries = 0; tries < 200; tries++) {
        sleep_ms(100);
        free(hide(malloc(1000)));
        resident = resident_bytes();
        if (resident < 24 * MIB)
            return;
    }
    CHECK(resident < 24 * MIB, "(%zu)", resident);
}

/* before: it has allocated then. */
static void daemon_lives(int flags, int before)
{
    char *small = before ? malloc(100) : NULL;
    if (mlockall(flags) != 0)
        SKIP("memory can not be locked here (%s): run as root", strerror(errno));
    if (!before)
        small = malloc(100);
    CHECK(small != NULL);
    CHECK(resident_bytes() < 24 * MIB, "(%zu)", resident_bytes());
    for (int round = 0; round < 2; round++) {
        burst();
        is_given_back();
    }
    free(small);
}

int main(void)
{
    for (int before = 0; before < 2; before++) {
        pid_t child = fork();
        if (child == 0) {
            daemon_lives(before ? MCL_CURRENT | MCL_FUTURE : MCL_FUTURE, before);
            _exit(0);
        }
        expect_success(child);
    }
    return 0;
}
