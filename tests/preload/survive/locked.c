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
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BLOCK);
        CHECK(blocks[i] != NULL);
        memset(blocks[i], i, BLOCK);
    }
    CHECK(locked_bytes() > (size_t)BLOCKS * BLOCK && resident_bytes() > (size_t)BLOCKS * BLOCK, "(%zu)", locked_bytes());
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
}

int main(void)
{
    if (mlockall(MCL_FUTURE) != 0)
        SKIP("memory can not be locked here (%s): run as root", strerror(errno));
    char *small = malloc(100);
    CHECK(small != NULL);
    CHECK(resident_bytes() < 16 * MIB, "(%zu)", resident_bytes());
    burst();
    size_t resident = 0;
    for (int tries = 0; tries < 60; tries++) {
        sleep_ms(100);
        free(hide(malloc(1000)));
        resident = resident_bytes();
        if (resident < 16 * MIB)
            break;
    }
    CHECK(resident < 16 * MIB, "(%zu)", resident);
    burst();
    free(small);
    return 0;
}
