/* A process without capabilities that was started under a filter which ends it at calls that change what only the privileged may
   (systemd's SystemCallFilter=~@privileged @resources, as Debian's redis-server has it), and refuses mincore(): memory goes back all
   the same, and the figures are as true. */
#include "seccomp.h"
#include <linux/capability.h>
#include <linux/securebits.h>
#include <unistd.h>

#define FATAL BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

enum { BLOCKS = 20000, BLOCK = 1000, LOOKS = 100 };

/* Nor does root have any after the next exec. */
static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0, 0, 0}};
    prctl(PR_SET_SECUREBITS, SECBIT_NOROOT, 0, 0, 0);
    CHECK(syscall(SYS_capset, &header, none) == 0);
}

static void filter(void)
{
    struct sock_filter code[] = {
        LOAD_CALL,
        UNLESS_CALL(__NR_capset, 1), FATAL,
        UNLESS_CALL(__NR_setpriority, 1), FATAL,
        UNLESS_CALL(__NR_sched_setaffinity, 1), FATAL,
        UNLESS_CALL(__NR_sched_setscheduler, 1), FATAL,
        UNLESS_CALL(__NR_sched_setattr, 1), FATAL,
        UNLESS_CALL(__NR_sched_setparam, 1), FATAL,
        UNLESS_CALL(__NR_setrlimit, 1), FATAL,
        UNLESS_CALL(__NR_chroot, 1), FATAL,
        UNLESS_CALL(__NR_setuid, 1), FATAL,
        UNLESS_CALL(__NR_mincore, 1), ANSWER(EPERM),
        ALLOW,
    };
    install_filter(code, ARRAY_LENGTH(code));
}

static size_t resident(void)
{
    char text[256];
    read_file("/proc/self/statm", text, sizeof text);
    return strtoul(strchr(text, ' '), NULL, 10) * 4096;
}

__attribute__((weak)) int mallctl(const char *name, void *old, size_t *old_size, void *fresh, size_t fresh_size);

static size_t figure(const char *name)
{
    size_t value = 0, size = sizeof value;
    uint64_t epoch = 1;
    CHECK(mallctl("epoch", &epoch, &size, &epoch, size) == 0 && mallctl(name, &value, &size, NULL, 0) == 0, "(%s)", name);
    return value;
}

static void figures_are_true(void)
{
    size_t all = (size_t)BLOCKS * BLOCK, allocated = figure("stats.allocated"), kept = figure("stats.resident");
    CHECK(allocated >= all && allocated < all * 11 / 10, "(%zu bytes are allocated, by the figures %zu)", all, allocated);
    CHECK(kept >= allocated && kept <= resident(), "(%zu bytes are resident, by the figures %zu)", resident(), kept);
}

static void live(void)
{
    static char *blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++)
        blocks[i] = memset(malloc(BLOCK), 1, BLOCK);
    if (mallctl != NULL)
        figures_are_true();
    size_t full = resident();
    for (size_t i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    for (unsigned i = 0; i < LOOKS && resident() > full - BLOCKS * BLOCK / 2; i++)
        sleep_ms(100);
    CHECK(resident() <= full - BLOCKS * BLOCK / 2, "(%zu of %zu bytes are resident)", resident(), full);
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        drop_capabilities();
        filter();
        execl("/proc/self/exe", argv[0], "inside", NULL);
        CHECK(!"exec");
    }
    live();
    return 0;
}
