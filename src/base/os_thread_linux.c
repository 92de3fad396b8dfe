/*
 * The helper thread, made with clone() and unknown to libc.
 *
 * A POSIX thread would keep a process alive whose own threads have all ended, would take libc's single-thread
 * short cuts from programs that have one thread, and would forbid fork() in their signal handlers.  The price:
 * libc does not tell this thread when the process changes its user; therefore it drops its capabilities, and it
 * ends as soon as there is nothing to do.  Nor does it share the working directory, which would forbid setns(): its own
 * is the root, so that it keeps no file system from being unmounted.
 *
 * libc functions that it may call need a thread pointer for errno and the stack guard, no more: it gets zeroed
 * memory where thread-local data would lie.  Sanitizers need a real thread and get one.
 */
#include "base/os.h"

#include "base/bits.h"

#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#endif

#define THREAD_NAME "arca"

#define PROCESSORS 8192

/* The first thread is as the program was started.  Of real time it is not taken after, for that keeps all others waiting. */
static int policy_of_first(pid_t first)
{
    int policy = sched_getscheduler(first) & ~SCHED_RESET_ON_FORK;
    return policy == SCHED_BATCH || policy == SCHED_IDLE ? policy : SCHED_OTHER;
}

/* Calls that change something only where there is something to change: a filter may know the others only. */
void os_thread_settle(int nicer)
{
    unsigned long wanted[PROCESSORS / 64], own[PROCESSORS / 64];
    pid_t first = os_process_id();
    int saved = errno, policy = policy_of_first(first), nice = getpriority(PRIO_PROCESS, (id_t)first) + nicer;
    long bytes = syscall(SYS_sched_getaffinity, first, sizeof wanted, wanted);
    if (bytes > 0 && syscall(SYS_sched_getaffinity, 0, sizeof own, own) == bytes && memcmp(wanted, own, (size_t)bytes) != 0)
        syscall(SYS_sched_setaffinity, 0, bytes, wanted);
    if (sched_getscheduler(0) != policy)
        sched_setscheduler(0, policy, &(struct sched_param){ .sched_priority = 0 });
    if (getpriority(PRIO_PROCESS, 0) != nice)
        setpriority(PRIO_PROCESS, 0, nice);
    errno = saved;
}

/* What the thread runs; handed over by its creation. */
static _Atomic(void (*)(void)) entry;

#if !defined(SANITIZED) && (defined(__x86_64__) || defined(__aarch64__))

#define STACK_BYTES ((size_t)64 << 10)
#define TLS_MARGIN ((size_t)64 << 10) /* beyond errno, on either side */
#define GONE_POLL_MS 1

/* Cleared by the kernel when the thread has left its stack. */
static _Atomic uint32_t alive;
static _Atomic pid_t thread_id;
static char *memory;
static size_t memory_bytes, tls_offset;

static char *thread_pointer(void)
{
    char *tp;
#if defined(__x86_64__)
    __asm__("mov %%fs:0, %0" : "=r"(tp));
#else
    __asm__("mrs %0, tpidr_el0" : "=r"(tp));
#endif
    return tp;
}

/* Stack, then the area around the thread pointer; once. */
static bool map_memory(void)
{
    if (memory != NULL)
        return true;
    intptr_t to_errno = (char *)&errno - thread_pointer();
    size_t distance = bits_round_up((size_t)(to_errno < 0 ? -to_errno : to_errno), OS_PAGE_SIZE);
    tls_offset = STACK_BYTES + distance + TLS_MARGIN;
    memory_bytes = tls_offset + distance + TLS_MARGIN;
    memory = os_map(memory_bytes, OS_PAGE_SIZE);
    return memory != NULL;
}

static char *make_tls(void)
{
    char *tls = memory + tls_offset;
#if defined(__x86_64__)
    /* psABI: the word at the thread pointer holds it; glibc: +16 too, +40 stack guard, +48 pointer guard. */
    uintptr_t *own = (uintptr_t *)thread_pointer(), *fresh = (uintptr_t *)tls;
    fresh[0] = fresh[2] = (uintptr_t)tls;
    fresh[5] = own[5];
    fresh[6] = own[6];
#endif
    return tls;
}

/* libc's setuid() does not reach this thread.  Where it has none, a filter may know only the call that says so. */
static void drop_capabilities(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct held[_LINUX_CAPABILITY_U32S_3], none[_LINUX_CAPABILITY_U32S_3] = { { 0, 0, 0 } };
    if (syscall(SYS_capget, &header, held) != 0 || (held[0].permitted | held[1].permitted) != 0)
        syscall(SYS_capset, &header, none);
}

static int thread_main(void *unused)
{
    (void)unused;
    (void)!chdir("/");
    os_thread_settle(0);
    prctl(PR_SET_NAME, THREAD_NAME);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    drop_capabilities();
    os_rare_end(); /* begun for it */
    load_rlx(&entry)();
    return 0;
}

/* valgrind ends a process that makes a thread which libc does not know.  Its own sequence asks for it: instructions
 * that elsewhere do nothing. */
static bool under_valgrind(void)
{
    uintptr_t answer = 0;
#if defined(__x86_64__)
    volatile uintptr_t request[6] = { 0x1001 };
    __asm__ volatile("rolq $3, %%rdi; rolq $13, %%rdi; rolq $61, %%rdi; rolq $51, %%rdi; xchgq %%rbx, %%rbx"
                     : "+d"(answer) : "a"(request) : "cc", "memory");
#endif
    return answer != 0;
}

static bool make_thread(void (*run)(void))
{
    sigset_t all, old;
    store_rlx(&entry, run);
    store_rlx(&alive, 1u);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old); /* inherited: the program's handlers never run there */
    int flags = CLONE_VM | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS | CLONE_CHILD_CLEARTID;
    pid_t id = clone(thread_main, memory + STACK_BYTES, flags, NULL, NULL, make_tls(), &alive);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (id > 0)
        store_rlx(&thread_id, id);
    else
        store_rlx(&alive, 0u);
    return id > 0;
}

bool os_thread_start(void (*run)(void))
{
    int saved = errno;
    bool started = false;
    while (load_acq(&alive) != 0) /* pairs with the kernel, which clears it at the very end of the exit */
        os_wait(&alive, load_rlx(&alive), GONE_POLL_MS);
    if (!os_fault() && !under_valgrind() && map_memory() && os_rare_begin()) {
        bool begun = os_rare_begin(); /* for the thread */
        started = begun && make_thread(run);
        if (begun && !started)
            os_rare_end();
        os_rare_end();
    }
    errno = saved;
    return started;
}

/* It leaves its stack a little before the kernel strikes it off the process' list. */
bool os_thread_is_gone(void)
{
    int saved = errno;
    pid_t id = load_rlx(&thread_id);
    bool gone = id == 0 || (syscall(SYS_tgkill, syscall(SYS_getpid), id, 0) != 0 && errno == ESRCH);
    errno = saved;
    return gone;
}

void os_thread_fork_child(void)
{
    store_rlx(&alive, 0u);
    store_rlx(&thread_id, 0);
    os_rare_fork_child();
}

#else

static void *thread_main(void *unused)
{
    os_thread_settle(0);
    load_rlx(&entry)();
    return unused;
}

bool os_thread_start(void (*run)(void))
{
    int saved = errno;
    bool started = false;
    pthread_t thread;
    sigset_t all, old;
    if (!os_fault() && os_rare_begin()) {
        store_rlx(&entry, run);
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, &old);
        started = pthread_create(&thread, NULL, thread_main, NULL) == 0;
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        os_rare_end();
        if (started)
            pthread_detach(thread);
    }
    errno = saved;
    return started;
}

bool os_thread_is_gone(void)
{
    return true; /* nobody knows */
}

void os_thread_fork_child(void)
{
    os_rare_fork_child();
}

#endif
