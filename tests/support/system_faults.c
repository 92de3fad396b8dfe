/* The library's helper thread comes by here as well: no thread-local data but errno, no allocation. */
#include "system_faults.h"

#include "harness.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

const char *const fault_names[FAULT_CALLS] = { "mmap", "munmap", "mremap", "mprotect", "madvise", "process_madvise",
                                               "membarrier", "clone" };

static _Atomic unsigned long asked[FAULT_CALLS], fail_from[FAULT_CALLS], fail_to[FAULT_CALLS];
static _Atomic unsigned long failed, turns;
static _Atomic unsigned chance;

void faults_at(enum fault_call call, unsigned long n, bool for_ever)
{
    atomic_store(&fail_from[call], 0);
    atomic_store(&asked[call], 0);
    atomic_store(&fail_to[call], for_ever ? (unsigned long)-1 : n);
    atomic_store(&fail_from[call], n);
}

void faults_by_chance(unsigned one_in)
{
    atomic_store(&chance, one_in);
}

unsigned long faults_asked(enum fault_call call)
{
    return atomic_load(&asked[call]);
}

unsigned long faults_done(void)
{
    return atomic_load(&failed);
}

static void read_environment(void)
{
    const char *text = getenv("FAULT_AT");
    for (unsigned i = 0; text != NULL && i < FAULT_CALLS; i++) {
        size_t length = strlen(fault_names[i]);
        if (strncmp(text, fault_names[i], length) == 0 && text[length] == ':')
            faults_at((enum fault_call)i, strtoul(text + length + 1, NULL, 10), strstr(text, "ever") != NULL);
    }
}

/* The library's first call comes before any constructor of the test. */
static void start_once(void)
{
    static _Atomic bool started;
    if (!atomic_exchange(&started, true))
        read_environment();
}

static bool refuse(enum fault_call call, int error)
{
    start_once();
    unsigned long number = atomic_fetch_add(&asked[call], 1) + 1, from = atomic_load(&fail_from[call]);
    unsigned one_in = atomic_load(&chance);
    bool refused = from != 0 && number >= from && number <= atomic_load(&fail_to[call]);
    if (one_in != 0) {
        uint64_t turn = atomic_fetch_add(&turns, 1);
        refused |= harness_random(&turn) % one_in == 0;
    }
    if (refused) {
        atomic_fetch_add(&failed, 1);
        errno = error;
    }
    return refused;
}

/* ---- the calls ------------------------------------------------------------------------------------------------- */

void *__real_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *address, size_t bytes, int protection, int flags, int fd, off_t offset)
{
    return refuse(FAULT_MMAP, ENOMEM) ? MAP_FAILED : __real_mmap(address, bytes, protection, flags, fd, offset);
}

int __real_munmap(void *address, size_t bytes);
int __wrap_munmap(void *address, size_t bytes);
int __wrap_munmap(void *address, size_t bytes)
{
    return refuse(FAULT_MUNMAP, ENOMEM) ? -1 : __real_munmap(address, bytes);
}

void *__real_mremap(void *address, size_t old_bytes, size_t new_bytes, int flags, ...);
void *__wrap_mremap(void *address, size_t old_bytes, size_t new_bytes, int flags, ...);
void *__wrap_mremap(void *address, size_t old_bytes, size_t new_bytes, int flags, ...)
{
    if (refuse(FAULT_MREMAP, ENOMEM))
        return MAP_FAILED;
    if ((flags & MREMAP_FIXED) == 0)
        return __real_mremap(address, old_bytes, new_bytes, flags);
    va_list rest;
    va_start(rest, flags);
    void *place = va_arg(rest, void *);
    va_end(rest);
    return __real_mremap(address, old_bytes, new_bytes, flags, place);
}

int __real_mprotect(void *address, size_t bytes, int protection);
int __wrap_mprotect(void *address, size_t bytes, int protection);
int __wrap_mprotect(void *address, size_t bytes, int protection)
{
    return refuse(FAULT_MPROTECT, ENOMEM) ? -1 : __real_mprotect(address, bytes, protection);
}

int __real_madvise(void *address, size_t bytes, int advice);
int __wrap_madvise(void *address, size_t bytes, int advice);
int __wrap_madvise(void *address, size_t bytes, int advice)
{
    return refuse(FAULT_MADVISE, ENOMEM) ? -1 : __real_madvise(address, bytes, advice);
}

int __real_clone(int (*body)(void *), void *stack, int flags, void *argument, ...);
int __wrap_clone(int (*body)(void *), void *stack, int flags, void *argument, ...);
int __wrap_clone(int (*body)(void *), void *stack, int flags, void *argument, ...)
{
    if (refuse(FAULT_CLONE, EAGAIN))
        return -1;
    va_list rest;
    va_start(rest, argument);
    void *parent_tid = va_arg(rest, void *), *tls = va_arg(rest, void *), *child_tid = va_arg(rest, void *);
    va_end(rest);
    return __real_clone(body, stack, flags, argument, parent_tid, tls, child_tid);
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument)
{
    return refuse(FAULT_CLONE, EAGAIN) ? EAGAIN : __real_pthread_create(thread, attributes, body, argument);
}

/* The same under kernels that allow it only for other processes. */
static long advise_ranges(const struct iovec *ranges, size_t count, int advice)
{
    long sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (__real_madvise(ranges[i].iov_base, ranges[i].iov_len, advice) != 0)
            return sum != 0 ? sum : -1;
        sum += (long)ranges[i].iov_len;
    }
    return sum;
}

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
long __wrap_syscall(long number, ...)
{
    va_list rest;
    long a[6];
    va_start(rest, number);
    for (unsigned i = 0; i < 6; i++)
        a[i] = va_arg(rest, long);
    va_end(rest);
    if (number == SYS_membarrier && refuse(FAULT_MEMBARRIER, EPERM))
        return -1;
#ifdef SYS_process_madvise
    if (number == SYS_process_madvise && refuse(FAULT_PROCESS_MADVISE, ENOMEM))
        return -1;
    if (number == SYS_process_madvise)
        return advise_ranges((const struct iovec *)a[1], (size_t)a[2], (int)a[3]);
#endif
    return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
