/* The allocator's background thread can not be created (a seccomp filter; RLIMIT_NPROC as an ordinary user): nothing crashes and
   nothing is printed, and memory freed after a burst is given back by later activity. */
#include "seccomp.h"
#include <grp.h>
#include <pthread.h>
#include <sys/resource.h>

enum { BLOCKS = 100000, PATIENCE_S = 20 };

static void *nothing(void *unused)
{
    return unused;
}

static void expect_no_threads(void)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, nothing, NULL);
    CHECK(error == EAGAIN, "(pthread_create: %d)", error);
}

static void burst_is_given_back(void)
{
    static char *blocks[BLOCKS];
    size_t base = resident_bytes();
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t size = 100 + i % 2000;
        blocks[i] = malloc(size);
        CHECK(blocks[i] != NULL);
        memset(blocks[i], 1, size);
    }
    size_t peak = resident_bytes();
    for (size_t i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    double start = seconds_now();
    size_t now;
    do { /* the light traffic of an almost idle program */
        for (int i = 0; i < 200; i++)
            free(hide(malloc(100 + (size_t)i * 37)));
        free(hide(calloc(1, 100000)));
        sleep_ms(50);
        now = resident_bytes();
    } while (now - base > (peak - base) / 10 && seconds_now() < start + PATIENCE_S);
    CHECK(now - base <= (peak - base) / 10, "(base %zu, peak %zu, still %zu)", base, peak, now);
    exercise_heap();
    exit(0);
}

static void become_nobody_without_processes(void)
{
    if (getuid() == 0)
        CHECK(setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
    struct rlimit limit = {0, 0};
    CHECK(setrlimit(RLIMIT_NPROC, &limit) == 0);
    CHECK(prctl(PR_SET_DUMPABLE, 1) == 0); /* else /proc/self belongs to root now */
}

/* The limits are set before the program starts, so that the allocator meets them at its very first thread. */
static void run_as(const char *self, const char *how)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        if (*how == 's')
            deny_threads();
        execl(self, self, how, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    char said[200] = "";
    ssize_t length = read(ends[0], said, sizeof said - 1);
    close(ends[0]);
    expect_success(child);
    CHECK(length == 0, "(%s: stderr: %s)", how, said);
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        if (*argv[1] == 'n')
            become_nobody_without_processes();
        expect_no_threads();
        burst_is_given_back();
    }
    run_as(argv[0], "seccomp");
    run_as(argv[0], "nproc");
    return 0;
}
