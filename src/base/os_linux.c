/*
 * The kernel's face: system calls stand here, and in the other files os_…linux.c.
 *
 * Law: errno is the same before and after each function; nothing here allocates or keeps a file
 * descriptor open (daemons close what they do not know), but for what os_create_file() hands out.
 */
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Not libc's, which others take over. */
static pid_t process_id(void)
{
    return (pid_t)syscall(SYS_getpid);
}

static _Atomic bool has_barrier;

#ifndef NDEBUG
static _Atomic unsigned fault_countdown;
static _Atomic bool fault_for_ever;

void os_fault_after(unsigned n, bool for_ever)
{
    store_rlx(&fault_for_ever, for_ever);
    store_rlx(&fault_countdown, n);
}

bool os_fault(void)
{
    unsigned n = load_rlx(&fault_countdown);
    if (likely(n == 0))
        return false;
    if (n > 1) {
        sub_rlx(&fault_countdown, 1);
        return false;
    }
    if (!load_rlx(&fault_for_ever))
        store_rlx(&fault_countdown, 0);
    return true;
}
#endif

/* A word of a page that a fork wipes: 0 in a new child.  NULL until the first mark, or where the kernel can not wipe.
 * Not the page's first word: a program that touches page after page throws the first lines of all out of the cache. */
static _Atomic(_Atomic uint32_t *) fork_word;
#define FORK_WORD_PLACE (OS_PAGE_SIZE / sizeof(uint32_t) / 3)
static _Atomic pid_t own_process;

#define FORK_NONE 1u
#define FORK_REPAIRING 2u
#define REPAIR_PAUSE_US 50

void os_fork_mark(void)
{
    _Atomic uint32_t *word = load_rlx(&fork_word);
    int saved = errno;
    if (word == NULL) {
        _Atomic uint32_t *page = os_map(OS_PAGE_SIZE, OS_PAGE_SIZE);
        if (page != NULL && (os_fault() || madvise((void *)page, OS_PAGE_SIZE, MADV_WIPEONFORK) != 0)) {
            munmap((void *)page, OS_PAGE_SIZE);
            page = NULL;
        }
        word = page == NULL ? NULL : page + FORK_WORD_PLACE;
        store_rlx(&fork_word, word);
    }
    pid_t id = (pid_t)OS_RARE(process_id());
    if (id > 0)
        store_rlx(&own_process, id);
    if (word != NULL)
        store_rel(word, FORK_NONE); /* P:fork repair release: what was repaired */
    errno = saved;
}

bool os_process_is_ours(void)
{
    return process_id() == load_rlx(&own_process);
}

enum os_fork_state os_fork_state(void)
{
    _Atomic uint32_t *word = load_rlx(&fork_word);
    if (word == NULL)
        return OS_FORK_UNKNOWN;
    return load_acq(word) == FORK_NONE ? OS_FORK_NONE : OS_FORK_CHILD; /* P:fork repair acquire: with os_fork_mark */
}

bool os_fork_claim(void)
{
    _Atomic uint32_t *word = load_rlx(&fork_word);
    uint32_t expected = 0;
    if (cas_acq(word, &expected, FORK_REPAIRING))
        return true;
    while (os_fork_state() == OS_FORK_CHILD)
        os_pause(REPAIR_PAUSE_US);
    return false;
}

bool os_barrier_register(void)
{
    int saved = errno;
    bool done = !os_fault() && OS_RARE(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0)) == 0;
    store_rlx(&has_barrier, done);
    errno = saved;
    return done;
}

bool os_barrier(void)
{
    if (!load_rlx(&has_barrier))
        return false;
    int saved = errno;
    bool done = !os_fault() && OS_RARE(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0)) == 0;
    errno = saved;
    return done;
}

void os_wait(_Atomic uint32_t *word, uint32_t expected, uint32_t timeout_ms)
{
    int saved = errno;
    struct timespec limit = { .tv_sec = timeout_ms / 1000, .tv_nsec = (long)(timeout_ms % 1000) * 1000000 };
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, timeout_ms == OS_FOREVER ? NULL : &limit, NULL, 0);
    errno = saved;
}

void os_wake(_Atomic uint32_t *word, int count)
{
    int saved = errno;
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
    errno = saved;
}

void os_pause(uint32_t microseconds)
{
    static _Atomic uint32_t never; /* a word that nobody wakes */
    int saved = errno;
    struct timespec limit = { .tv_nsec = (long)microseconds * 1000 };
    syscall(SYS_futex, &never, FUTEX_WAIT_PRIVATE, 0, &limit, NULL, 0);
    errno = saved;
}

/* By a futex that is not waited for: of all calls that read a word for us, the one that no filter of system calls refuses. */
static bool is_readable(uintptr_t address)
{
    const struct timespec at_once = { 0, 0 };
    return syscall(SYS_futex, address & ~(uintptr_t)3, FUTEX_WAIT_PRIVATE, UINT32_MAX, &at_once, NULL, 0) == 0 || errno != EFAULT;
}

bool os_readable(const void *address)
{
    int saved = errno;
    uintptr_t first = (uintptr_t)address, last = first + sizeof(uint64_t) - 1;
    bool readable = is_readable(first) && (first / OS_PAGE_SIZE == last / OS_PAGE_SIZE || is_readable(last));
    errno = saved;
    return readable;
}

/* libc's open, read, write and close may end the thread (pthread_cancel), and with it whatever lock is held. */
bool os_write(int fd, const char *text, size_t length)
{
    int saved = errno;
    while (length != 0) {
        long n = syscall(SYS_write, fd, text, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        text += n;
        length -= (size_t)n;
    }
    errno = saved;
    return length == 0;
}

const char *os_error_text(int error)
{
    const char *text = strerrordesc_np(error); /* strerror() may allocate */
    return text != NULL ? text : "unknown error";
}

int os_create_file(const char *path)
{
    int saved = errno;
    int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK;
    errno = EPERM; /* of one that is confined */
    int fd = (int)OS_RARE(syscall(SYS_openat, AT_FDCWD, path, flags, 0600));
    fd = fd < 0 ? -errno : fd;
    errno = saved;
    return fd;
}

bool os_close(int fd)
{
    int saved = errno;
    bool done = syscall(SYS_close, fd) == 0;
    errno = saved;
    return done;
}

static long read_raw(int fd, char *buf, size_t capacity)
{
    long n = syscall(SYS_read, fd, buf, capacity - 1);
    if (n >= 0)
        buf[n] = '\0';
    os_close(fd);
    return n;
}

static int open_raw(const char *path)
{
    return (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0);
}

static long read_file(const char *path, char *buf, size_t capacity)
{
    int fd = open_raw(path);
    return fd < 0 ? -1 : read_raw(fd, buf, capacity);
}

long os_read_file(const char *path, char *buf, size_t capacity)
{
    int saved = errno;
    long n = OS_RARE(read_file(path, buf, capacity));
    errno = saved;
    return n;
}

/* 0: all of it. */
static long copy_file(int to, const char *path)
{
    char buf[4096];
    int fd = open_raw(path);
    long n = fd;
    bool done = fd >= 0;
    while (done && (n = syscall(SYS_read, fd, buf, sizeof buf)) > 0)
        done = os_write(to, buf, (size_t)n);
    if (fd >= 0)
        os_close(fd);
    return done ? n : -1;
}

bool os_copy_file(int to, const char *path)
{
    int saved = errno;
    bool done = OS_RARE(copy_file(to, path)) == 0;
    errno = saved;
    return done;
}

static bool is_trusted(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == 0 && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static long read_trusted_file(const char *path, char *buf, size_t capacity)
{
    int fd = open_raw(path);
    if (fd < 0)
        return -1;
    if (is_trusted(fd))
        return read_raw(fd, buf, capacity);
    os_close(fd);
    return OS_FILE_UNTRUSTED;
}

long os_read_trusted_file(const char *path, char *buf, size_t capacity)
{
    int saved = errno;
    long n = OS_RARE(read_trusted_file(path, buf, capacity));
    errno = saved;
    return n;
}

unsigned os_process_id(void)
{
    pid_t id = (pid_t)OS_RARE(process_id());
    return (unsigned)(id > 0 ? id : load_rlx(&own_process));
}

static uint64_t resource_limit(int resource)
{
    struct rlimit limit;
    int saved = errno;
    bool known = OS_RARE(getrlimit(resource, &limit)) == 0;
    errno = saved;
    return !known || limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : (uint64_t)limit.rlim_cur;
}

uint64_t os_address_limit(void)
{
    return resource_limit(RLIMIT_AS);
}

uint64_t os_data_limit(void)
{
    return resource_limit(RLIMIT_DATA);
}

/* The finaliser of splitmix64. */
static uint64_t mix(uint64_t seed)
{
    seed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9u;
    seed = (seed ^ (seed >> 27)) * 0x94d049bb133111ebu;
    return seed ^ (seed >> 31);
}

uint64_t os_random(void)
{
    const void *bytes = (const void *)getauxval(AT_RANDOM); /* 16 of them, at any address */
    uint64_t words[2] = { (uint64_t)(uintptr_t)&words, 0 };
    if (bytes != NULL)
        memcpy(words, bytes, sizeof words);
    return mix(words[0] ^ (words[1] << 1)); /* libc's stack guard comes from the same bytes */
}

/* A kernel that has none yet, or a filter that refuses: then it is as good as os_random(). */
uint64_t os_secret(void)
{
    static _Atomic uint64_t drawn;
    int saved = errno;
    uint64_t secret;
    if (os_fault() || syscall(SYS_getrandom, &secret, sizeof secret, GRND_NONBLOCK) != (long)sizeof secret)
        secret = mix(os_random() + add_rlx(&drawn, (uint64_t)1) * 0x9e3779b97f4a7c15u);
    errno = saved;
    return secret;
}

bool os_is_secure(void)
{
    return getauxval(AT_SECURE) != 0;
}
