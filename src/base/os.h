/*
 * What Arca asks of the operating system.  The files os_…linux.c are all that know the kernel, but for a filter of system
 * calls and priorities.
 *
 * Every call preserves errno, allocates nothing and can fail; callers decide what a failure means.
 * In builds with asserts, os_fault_after() makes the n-th fallible call fail.
 */
#ifndef ARCA_BASE_OS_H
#define ARCA_BASE_OS_H

#include "base/atomic.h"
#include "base/compiler.h"

#define OS_PAGE_SIZE ((size_t)4096)

struct os_range {
    void *address;
    size_t bytes;
};

/* Zeroed private memory, aligned to align (a power of two); NULL when there is none. */
void *os_map(size_t bytes, size_t align) ARCA_SHARED(os_map);
/* What is removed by one call: done in some 0.15 ms, while smaller pieces would interrupt the other processors too often. */
#define OS_REMOVED_AT_ONCE ((size_t)4 << 20)

/* Where the kernel refuses, the addresses are lost, and the pages go back. */
void os_unmap(void *address, size_t bytes) ARCA_SHARED(os_unmap);

/* Grows or shrinks a mapping that os_map made where it is; false leaves it as it was.  *movable: elsewhere there may be room;
 * else it is no mapping for the kernel any more, but several (a program has locked a part of it, or protected it). */
bool os_resize(void *address, size_t old_bytes, size_t new_bytes, bool *movable);
/* Moves its pages to the start of another, and takes all of that over; false leaves both as they were.  Only for what is
 * movable: before Linux 6.17 the kernel unmaps the place, where others may map then, and looks afterwards. */
bool os_move(void *address, size_t old_bytes, void *place, size_t new_bytes);

/* Gives the pages back and keeps the addresses, which then read as zeros (lazily when the option
 * `lazy` asks for MADV_FREE).  False: the kernel refused, and pages from some one on have stayed; all of them, when there
 * were no more than are removed at once. */
bool os_purge(void *address, size_t bytes);
/* The same, at once and whatever the option says. */
bool os_discard(void *address, size_t bytes);
/* Several ranges in one call where the kernel can; at most OS_RANGES_MAX. */
#define OS_RANGES_MAX 64
bool os_purge_ranges(const struct os_range *ranges, unsigned count);
void os_set_lazy(bool lazy);

/* Nobody may touch the pages, or everybody may read and write them again.  False: nothing changed. */
bool os_protect(void *address, size_t bytes, bool accessible) ARCA_SHARED(os_protect);

/* Faults the pages in, several per trap; a failure is harmless. */
void os_populate(void *address, size_t bytes);
/* Keeps the kernel from using huge pages in a mapping of its own accord; then only these calls make some. */
void os_forbid_huge_pages(void *address, size_t bytes);
/* Faults a range of whole huge pages in as such, or by small pages where there are none; microseconds that it
 * took of the thread's time. */
uint64_t os_populate_huge(void *address, size_t bytes);
/* Makes a huge page small ones, so that a part of it can be purged in earnest. */
void os_break_huge_page(void *address);

/* A byte a page: its lowest bit is 1 where it is resident.  False where a page is not mapped. */
bool os_resident(void *address, size_t bytes, unsigned char *pages);

/* Copies memory of this process that others may be writing, as it happens to be; false where the kernel forbids it. */
bool os_copy_racing(void *to, const void *from, size_t bytes);

/* Milliseconds of a monotonic clock that is cheap to read; wraps after 49 days, so that only
 * differences mean anything. */
uint32_t os_now_ms(void) ARCA_SHARED(os_now_ms);
/* The same without the wrap. */
uint64_t os_clock_ms(void) ARCA_SHARED(os_clock_ms);

/* Microseconds of the precise one. */
uint64_t os_now_us(void) ARCA_SHARED(os_now_us);

/* Microseconds of the processor that the calling thread has had. */
uint64_t os_thread_time_us(void) ARCA_SHARED(os_thread_time_us);

/* Makes every other running thread of the process execute a full barrier.  False where the kernel
 * has none; then nobody may rely on it. */
bool os_barrier_register(void);
bool os_barrier(void) ARCA_SHARED(os_barrier);

/* Sleeps while *word == expected, timeout_ms at most (OS_FOREVER: no limit). */
#define OS_FOREVER UINT32_MAX
void os_wait(_Atomic uint32_t *word, uint32_t expected, uint32_t timeout_ms) ARCA_SHARED(os_wait);
void os_wake(_Atomic uint32_t *word, int count) ARCA_SHARED(os_wake);
/* Sleeps, less than a second, or until a signal; no cancellation point. */
void os_pause(uint32_t microseconds) ARCA_SHARED(os_pause);

/* A fork is noticed without a handler: a page that the kernel empties in the child.  os_fork_mark() says "this is
 * the process I know"; UNKNOWN where the kernel has no such pages. */
enum os_fork_state { OS_FORK_UNKNOWN, OS_FORK_NONE, OS_FORK_CHILD };
void os_fork_mark(void);
enum os_fork_state os_fork_state(void);
/* In a CHILD: true for the one thread that is to repair and then mark; the others wait for the mark. */
bool os_fork_claim(void);

/* False in a vfork child, which borrows its parent's memory: a thread started there would die with it.  One of the calls that
 * a filter may not know, see below. */
bool os_process_is_ours(void);

/* A filter of system calls may end the process for one that it does not know.  Confined, a process makes those that any malloc
 * makes, and what needs others fails: threads, barriers, files, sockets, residency.  False in a vfork child, where nothing is done; else
 * os_confine_end() tells whether it was made.  alone: it is for the calling thread and no other. */
bool os_confine(bool alone);
void os_confine_end(bool alone, bool made);
bool os_is_confined(void) ARCA_SHARED(os_is_confined);
/* Around each of the other calls, by its caller where it is not said to fail; false where it must not be made.  Who makes a thread
 * begins for it, too, and the thread ends that. */
bool os_rare_begin(void) ARCA_SHARED(os_rare_begin);
void os_rare_end(void) ARCA_SHARED(os_rare_end);
/* One that tells its failure by -1: its result, or -1. */
ARCA_INLINE long os_rare_end_with(long result)
{
    os_rare_end();
    return result;
}
#define OS_RARE(call) (os_rare_begin() ? os_rare_end_with(call) : -1)
void os_rare_fork_child(void);

/* One helper thread at a time, with all signals blocked; waits until the one before has gone.  It must not use
 * thread-local data of its own, nor call anything in libc but thin wrappers of system calls. */
bool os_thread_start(void (*run)(void));
/* The calling thread is scheduled as the process was started, so much nicer, and not as the thread that happened to make it: that may
 * be of real time, or bound to a processor. */
void os_thread_settle(int nicer) ARCA_SHARED(os_thread_settle);
/* The last one counts no more as a thread of the process. */
bool os_thread_is_gone(void);
void os_thread_fork_child(void);

/* False where reading the word at this address would be a fault; it may be any address. */
bool os_readable(const void *address);

/* No stdio.  False where not all of it was written. */
#define OS_STDERR 2
bool os_write(int fd, const char *text, size_t length);
/* What errno means. */
const char *os_error_text(int error);
/* An emptied file, no link, or a new one that nobody else may read; -error without. */
int os_create_file(const char *path);
/* False where what was written is not kept. */
bool os_close(int fd);
/* All of a file, of /proc for instance, to the end of another; false as os_write(). */
bool os_copy_file(int fd, const char *path);

/* A socket for peers of the same user, and root.  All that is done with it, a filter of system calls may not know. */
struct os_listener {
    int fd; /* -1: none */
    uint64_t inode;
};
/* 0, or the error: EADDRINUSE where somebody listens there, EEXIST where something else is, EINVAL for a path that is not absolute. */
int os_listen(struct os_listener *listener, const char *path);
/* The program may have closed it, with others that it does not know. */
bool os_listener_is_open(const struct os_listener *listener);
void os_listener_close(struct os_listener *listener);
/* A connection that came within this time, to be closed; -1 without. */
int os_listener_wait(const struct os_listener *listener, uint32_t timeout_ms);
/* The thread may write as the process does: it has not changed its user since the thread was made. */
bool os_is_own_user(void);
/* A line without its end; its length, or -1.  Nobody is waited for long, however slowly it comes. */
long os_receive_line(int connection, char *buf, size_t capacity);
void os_send(int connection, const char *text, size_t length);
void os_unlink(const char *path);

/* Reads a small file (/proc, cgroup) into buf, NUL-terminated; bytes read or -1. */
long os_read_file(const char *path, char *buf, size_t capacity);

/* The same of a regular file that is root's and that nobody else can write; OS_FILE_UNTRUSTED for any other. */
#define OS_FILE_UNTRUSTED (-2)
long os_read_trusted_file(const char *path, char *buf, size_t capacity);

/* Of a process that is confined, as it was known before. */
unsigned os_process_id(void) ARCA_SHARED(os_process_id);
/* Bytes of address space that the process may map (RLIMIT_AS); UINT64_MAX for no limit. */
uint64_t os_address_limit(void);
/* Of these, bytes that it may write and shares with nobody (RLIMIT_DATA); the same. */
uint64_t os_data_limit(void);

/* A value that another process can not guess. */
uint64_t os_random(void) ARCA_SHARED(os_random);
/* Another one at each call: who has read one of them knows none of the others. */
uint64_t os_secret(void);

/* True for a process whose environment must not be trusted (AT_SECURE). */
bool os_is_secure(void);

#ifndef NDEBUG
/* The n-th next fallible call fails (1 = the next), and all calls after it when for_ever;
 * 0 switches it off. */
void os_fault_after(unsigned n, bool for_ever);
/* Asked by each fallible call. */
bool os_fault(void);
#else
#define os_fault() false
#endif

#endif
