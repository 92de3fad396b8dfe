/* A process that confines itself, as OpenSSH's and Tor's do: a filter ends it at the first system call that a malloc does not need.
   It lives through bursts, before a burst has started the allocator's thread and after, alone, with threads, busy or not, as a fork, also with
   a heap profile and with a control socket; it gives the memory back, may be stopped and go on, and ends as any; and a call that only asks for filters, or a
   vfork child's, confines nobody. */
#include "seccomp.h"
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

enum { BLOCKS = 40000, BLOCK = 1000, THREADS = 3, ROUNDS = 3 };

static const unsigned allowed[] = {
    __NR_brk, __NR_mmap, __NR_munmap, __NR_mremap, __NR_madvise, __NR_mprotect, __NR_futex, __NR_getrandom, /* a malloc's */
    __NR_clock_gettime, __NR_write, __NR_exit, __NR_exit_group, __NR_clock_nanosleep, __NR_nanosleep, /* this program's */
};

/* Of one that reads a file, and of threads that end: signals are blocked, and nothing that is not meant so. */
static const struct sock_filter more[] = {
    UNLESS_CALL(__NR_read, 1),
    ALLOW,
    UNLESS_CALL(__NR_lseek, 1),
    ALLOW,
    UNLESS_CALL(__NR_rseq, 1),
    ALLOW,
    UNLESS_CALL(__NR_set_robust_list, 1),
    ALLOW,
    UNLESS_CALL(__NR_rt_sigprocmask, 3),
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
    BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, SIG_SETMASK, 1, 0),
    ALLOW,
};

enum way { BY_PRCTL, BY_SECCOMP, FOR_ALL_THREADS, STRICTLY_FOR_ALL };

static void confine(enum way way)
{
    static struct sock_filter code[2 * ARRAY_LENGTH(allowed) + ARRAY_LENGTH(more) + 2] = {LOAD_CALL};
    size_t length = 1;
    for (size_t i = 0; i < ARRAY_LENGTH(allowed); i++) {
        code[length++] = (struct sock_filter)UNLESS_CALL(allowed[i], 1);
        code[length++] = (struct sock_filter)ALLOW;
    }
    if (way != STRICTLY_FOR_ALL) {
        memcpy(code + length, more, sizeof more);
        length += ARRAY_LENGTH(more);
    }
    code[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    if (way == BY_PRCTL) {
        install_filter(code, length);
        return;
    }
    struct sock_fprog program = {(unsigned short)length, code};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    if (syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, way >= FOR_ALL_THREADS ? SECCOMP_FILTER_FLAG_TSYNC : 0, &program) != 0)
        SKIP("the kernel refuses seccomp filters here (%s): run on a kernel with CONFIG_SECCOMP_FILTER", strerror(errno));
}

static void *burst(void *unused)
{
    char **blocks = malloc(BLOCKS * sizeof *blocks);
    CHECK(blocks != NULL);
    take_blocks(blocks, BLOCKS, BLOCK);
    free_blocks(blocks, BLOCKS);
    free(blocks);
    char *grown = NULL;
    for (size_t size = 1000; size < 40 * MIB; size *= 3) {
        grown = realloc(grown, size);
        CHECK(grown != NULL);
        grown[size - 1] = 7;
    }
    free(grown);
    return unused;
}

/* Where no file can be opened any more. */
static size_t resident_of(int statm)
{
    char text[128];
    CHECK(lseek(statm, 0, SEEK_SET) == 0);
    ssize_t length = read(statm, text, sizeof text - 1);
    CHECK(length > 0);
    text[length] = '\0';
    return strtoul(strchr(text, ' '), NULL, 10) * 4096;
}

/* The rounds of a process without the thread come with its own calls. */
static void is_given_back(int statm)
{
    size_t resident = 0;
    for (int tries = 0; tries < 200; tries++) {
        sleep_ms(100);
        char *block = malloc(100 * KIB);
        CHECK(block != NULL);
        free(block);
        for (int i = 0; i < 300; i++)
            free(hide(malloc((size_t)i * 10)));
        resident = resident_of(statm);
        if (resident < 12 * MIB)
            return;
    }
    CHECK(resident < 12 * MIB, "(%zu)", resident);
}

static void confined_life(enum way way, int bursts_before)
{
    int statm = open("/proc/self/statm", O_RDONLY);
    CHECK(statm >= 0);
    for (int i = 0; i < bursts_before; i++)
        burst(NULL);
    confine(way);
    for (int round = 0; round < ROUNDS; round++) {
        burst(NULL);
        sleep_ms(300); /* the thread's rounds, where it runs already */
    }
    is_given_back(statm);
}

static pthread_barrier_t confined;

static void *confined_thread(void *unused)
{
    pthread_barrier_wait(&confined);
    for (int round = 0; round < ROUNDS; round++) {
        burst(NULL);
        sleep_ms(100);
    }
    return unused;
}

static void with_threads(enum way way)
{
    pthread_t threads[THREADS];
    pthread_barrier_init(&confined, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, confined_thread, NULL) == 0);
    burst(NULL);
    confine(way);
    pthread_barrier_wait(&confined);
    burst(NULL);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static pthread_barrier_t busy;

static void *busy_thread(void *unused)
{
    char *blocks[3000];
    pthread_barrier_wait(&busy);
    for (;;) {
        take_blocks(blocks, ARRAY_LENGTH(blocks), 3 * BLOCK);
        free_blocks(blocks, ARRAY_LENGTH(blocks));
        free(hide(malloc(300 * KIB)));
    }
    return unused;
}

/* The filter comes while others are in the middle of something, the allocator's thread among them. */
static void confined_after(int microseconds)
{
    pthread_t thread;
    pthread_barrier_init(&busy, NULL, THREADS + 2);
    for (int i = 0; i <= THREADS; i++)
        CHECK(pthread_create(&thread, NULL, busy_thread, NULL) == 0);
    pthread_barrier_wait(&busy);
    nanosleep(&(struct timespec){.tv_nsec = microseconds * 1000L}, NULL);
    confine(STRICTLY_FOR_ALL);
    sleep_ms(50);
    _exit(0);
}

static bool thread_appears(void)
{
    char text[4096];
    for (int tries = 0; tries < 50; tries++) {
        burst(NULL);
        read_file("/proc/self/status", text, sizeof text);
        if (strstr(text, "Threads:\t2") != NULL)
            return true;
    }
    return false;
}

/* The kernel takes up what waits by the clock, when a process was stopped and goes on, by a call of its own, restart_syscall: this
   process waits for ever, and the allocator's thread must not wait. */
static void stopped_and_continued(enum way way)
{
    int ends[2], futex = 0;
    char byte = 0;
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK(thread_appears());
        confine(way);
        CHECK(write(ends[1], &byte, 1) == 1);
        for (;;)
            syscall(__NR_futex, &futex, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
    }
    CHECK(read(ends[0], &byte, 1) == 1);
    for (int i = 0; i < 20; i++) {
        sleep_ms(10);
        CHECK(kill(child, SIGSTOP) == 0);
        sleep_ms(10);
        CHECK(kill(child, SIGCONT) == 0);
    }
    int status;
    CHECK(waitpid(child, &status, WNOHANG) == 0, "(0x%x)", (unsigned)status);
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
}

static void who_asks_is_not_confined(void)
{
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) == -1 && errno == EFAULT);
    CHECK(syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) == -1 && errno == EFAULT);
    unsigned action = SECCOMP_RET_ALLOW;
    CHECK(syscall(__NR_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0);
    pid_t child = vfork();
    if (child == 0) {
        confine(BY_SECCOMP);
        _exit(0);
    }
    expect_success(child);
    CHECK(prctl(PR_GET_SECCOMP) == 0);
    CHECK(thread_appears());
}

static pid_t live(enum way way, int bursts_before, bool forks)
{
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < (forks ? 1 : 0); i++) {
            burst(NULL); /* the parent has the thread, and the child has none */
            child = fork();
            if (child != 0) {
                expect_success(child);
                _exit(0);
            }
        }
        confined_life(way, bursts_before);
        exit(0);
    }
    return child;
}

static void short_life(enum way way)
{
    burst(NULL);
    confine(way);
    for (int round = 0; round < ROUNDS; round++) {
        burst(NULL);
        sleep_ms(300);
    }
}

/* Options are read when a program starts. */
static void live_with(const char *option, const char *value)
{
    static const char *const ways[] = {"0", "1", "2"};
    for (enum way way = BY_PRCTL; way <= FOR_ALL_THREADS; way++) {
        pid_t child = fork();
        if (child == 0) {
            setenv(option, value, 1);
            execl("/proc/self/exe", "sandbox", ways[way], NULL);
            _exit(1);
        }
        expect_success(child);
    }
}

static void live_with_control(void)
{
    char directory[] = "/tmp/arca-sandbox-XXXXXX", path[64];
    CHECK(mkdtemp(directory) != NULL);
    snprintf(path, sizeof path, "%s/control", directory);
    live_with("ARCA_CONTROL", path);
    unlink(path); /* nobody takes it away who may not */
    CHECK(rmdir(directory) == 0);
}

/* Side by side: most of the time is the wait for memory to go. */
int main(int argc, char **argv)
{
    if (argc > 1) {
        short_life((enum way)atoi(argv[1]));
        return 0;
    }
    pid_t children[] = {
        live(BY_PRCTL, 0, false), live(BY_PRCTL, 1, false), live(FOR_ALL_THREADS, 1, false),
        live(BY_SECCOMP, 0, true), live(BY_PRCTL, 1, true),
    };
    for (size_t i = 0; i < ARRAY_LENGTH(children); i++)
        expect_success(children[i]);
    for (enum way way = BY_PRCTL; way <= FOR_ALL_THREADS; way++) {
        pid_t child = fork();
        if (child == 0) {
            with_threads(way);
            _exit(0);
        }
        expect_success(child);
    }
    for (int moment = 0; moment < 60; moment++) {
        pid_t child = fork();
        if (child == 0)
            confined_after(moment * 100);
        expect_success(child);
    }
    stopped_and_continued(FOR_ALL_THREADS);
    stopped_and_continued(BY_PRCTL);
    live_with("ARCA_PROFILE", "16k");
    live_with_control();
    who_asks_is_not_confined();
    return 0;
}
