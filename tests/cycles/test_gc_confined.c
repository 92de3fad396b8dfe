/* A process under a filter of system calls that ends it at any but those that are promised (README, limits). */
#include "graph.h"

#include "base/os.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const unsigned allowed[] = {
    __NR_mmap, __NR_munmap, __NR_mremap, __NR_madvise, __NR_mprotect, __NR_futex, __NR_getrandom, __NR_clock_gettime, /* a malloc's */
    __NR_membarrier, __NR_rt_sigprocmask, __NR_poll,                                                    /* libarcagc's, and liburcu's */
    __NR_write, __NR_exit_group, __NR_clock_nanosleep, __NR_nanosleep,                                  /* this test's */
};
#define ALLOWED (sizeof allowed / sizeof allowed[0])

/* All threads, as the library's interposed call does. */
static bool confine(void)
{
    static struct sock_filter code[2 * ALLOWED + 2] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)) };
    size_t length = 1;
    for (size_t i = 0; i < ALLOWED; i++) {
        code[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1);
        code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    struct sock_fprog program = { (unsigned short)length, code };
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && os_confine(false) &&
           syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

static void collect_confined(bool by_thread)
{
    litter(by_thread, 3); /* the thread has just been made */
    if (!confine())
        _exit(EXIT_FAILURE);
    size_t most = 0;
    for (unsigned i = 0; i < 100; i++) {
        litter(2000, 3);
        most = nodes_alive() > most ? nodes_alive() : most;
    }
    if (by_thread)
        WAIT_UNTIL(nodes_alive() == 0);
    bool collected = arca_gc_collect(2) >= 0 && nodes_alive() == 0;
    _exit(collected && (by_thread || most < 100000) ? EXIT_SUCCESS : EXIT_FAILURE);
}

static int status_confined(bool by_thread)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(60);
        collect_confined(by_thread);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    return status;
}

#define SKIP_WITHOUT_FILTERS()                                     \
    if (SANITIZED)                                                 \
        SKIP("the sanitizers make calls of their own");            \
    if (prctl(PR_GET_SECCOMP) != 0)                                \
    SKIP("the kernel has no seccomp filters, or one is there already")

TEST(gc_confined, births_collect_where_no_thread_can_be_made)
{
    SKIP_WITHOUT_FILTERS();
    CHECK_EQ(status_confined(false), 0);
}

TEST(gc_confined, the_thread_that_collects_goes_on)
{
    SKIP_WITHOUT_FILTERS();
    CHECK_EQ(status_confined(true), 0);
}
