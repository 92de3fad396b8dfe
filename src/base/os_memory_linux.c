/* Memory of the kernel's: mapping it, giving it back by pages, huge pages, and what is resident. */
#include "base/os.h"

#include "base/bits.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* Names that the headers of Debian 12 do not have yet. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLD
#define MADV_COLD 20
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24 /* of Linux 5.18 */
#endif
#define ARCA_PIDFD_SELF_THREAD (-10000) /* linux/pidfd.h of 6.14; that of the thread group was renumbered later */

static _Atomic bool purge_lazily;
static _Atomic bool ranges_refused, ranges_taken; /* a range that is locked is refused even where ranges are taken */

static void *map_raw(size_t bytes)
{
    if (os_fault())
        return NULL;
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* A thread that maps memory waits while the kernel takes pages out of a mapping for another, and what is to be aligned
 * may take five calls.  So who removes memory does it in pieces, and first lets by who maps: not for ever, since that
 * may have lost its processor, or have been left behind by a fork.  The flag is a hint, which threads may overwrite. */
static _Atomic bool mapping;
#define LET_BY_US 20
#define LET_BY_MAX 4

static void let_by(void)
{
    for (unsigned i = 0; i < LET_BY_MAX && load_rlx(&mapping); i++)
        os_pause(LET_BY_US);
    if (unlikely(load_rlx(&mapping)))
        store_rlx(&mapping, false);
}

/* Of what begins at `address`, where it takes several calls: up to where huge pages are left whole. */
static size_t removed_at_once(const void *address, size_t bytes)
{
    return bytes <= OS_REMOVED_AT_ONCE ? bytes : OS_REMOVED_AT_ONCE - (uintptr_t)address % OS_REMOVED_AT_ONCE;
}

static char *map_aligned(size_t bytes, size_t align)
{
    char *p = map_raw(bytes);
    if (p != NULL && ((uintptr_t)p & (align - 1)) != 0) {
        /* The kernel places mappings top down, so only the first one usually misses. */
        munmap(p, bytes);
        size_t wide = bytes + align;
        p = wide < bytes ? NULL : map_raw(wide);
        if (p != NULL) {
            char *start = (char *)bits_round_up((uintptr_t)p, align);
            size_t before = (size_t)(start - p), after = align - before;
            if (before != 0)
                munmap(p, before);
            if (after != 0)
                munmap(start + bytes, after);
            p = start;
        }
    }
    return p;
}

void *os_map(size_t bytes, size_t align)
{
    int saved = errno;
    store_rlx(&mapping, true);
    void *p = map_aligned(bytes, align);
    store_rlx(&mapping, false);
    errno = saved;
    return p;
}

void os_unmap(void *address, size_t bytes)
{
    int saved = errno;
    for (char *start = address, *end = start + bytes; start != end;) {
        size_t piece = removed_at_once(start, (size_t)(end - start));
        let_by();
        /* A process at its limit of mappings can not cut one in two; the memory goes even so. */
        if (os_fault() || munmap(start, piece) != 0)
            (void)madvise(start, piece, MADV_DONTNEED);
        start += piece;
    }
    errno = saved;
}

bool os_resize(void *address, size_t old_bytes, size_t new_bytes, bool *movable)
{
    int saved = errno;
    bool fault = os_fault(), done = !fault && mremap(address, old_bytes, new_bytes, 0) != MAP_FAILED;
    *movable = fault || (!done && errno == ENOMEM);
    errno = saved;
    return done;
}

bool os_move(void *address, size_t old_bytes, void *place, size_t new_bytes)
{
    int saved = errno;
    bool done = !os_fault() && mremap(address, old_bytes, new_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, place) != MAP_FAILED;
    errno = saved;
    return done;
}

void os_set_lazy(bool lazy)
{
    store_rlx(&purge_lazily, lazy);
}

/* What mlockall() has locked goes, too, and comes back locked. */
static bool advise_dropping(void *address, size_t bytes, int advice)
{
    for (char *start = address, *end = start + bytes; start != end;) {
        size_t piece = removed_at_once(start, (size_t)(end - start));
        let_by();
        if (os_fault() || (madvise(start, piece, advice) != 0 &&
                           (errno != EINVAL || madvise(start, piece, MADV_DONTNEED_LOCKED) != 0)))
            return false;
        start += piece;
    }
    return true;
}

bool os_discard(void *address, size_t bytes)
{
    int saved = errno;
    bool done = advise_dropping(address, bytes, MADV_DONTNEED);
    errno = saved;
    return done;
}

static int purge_advice(void)
{
    return load_rlx(&purge_lazily) ? MADV_FREE : MADV_DONTNEED;
}

bool os_purge(void *address, size_t bytes)
{
    int saved = errno;
    bool done = advise_dropping(address, bytes, purge_advice());
    errno = saved;
    return done;
}

bool os_protect(void *address, size_t bytes, bool accessible)
{
    int saved = errno;
    bool done = !os_fault() && mprotect(address, bytes, accessible ? PROT_READ | PROT_WRITE : PROT_NONE) == 0;
    errno = saved;
    return done;
}

/* False: the kernel refused, or can not. */
static bool purge_in_one_call(const struct os_range *ranges, unsigned count, size_t total)
{
    if (!load_rlx(&ranges_refused) && !load_rlx(&purge_lazily) && !os_fault() && os_rare_begin()) {
        let_by();
        struct iovec vector[OS_RANGES_MAX];
        for (unsigned i = 0; i < count; i++)
            vector[i] = (struct iovec){ ranges[i].address, ranges[i].bytes };
        long sent = os_rare_end_with(syscall(SYS_process_madvise, ARCA_PIDFD_SELF_THREAD, vector, (size_t)count, MADV_DONTNEED, 0));
        if (sent > 0)
            store_rlx(&ranges_taken, true);
        else if (!load_rlx(&ranges_taken) && errno != ENOMEM && errno != EAGAIN && errno != EINTR)
            store_rlx(&ranges_refused, true); /* an older kernel, or a filter: one call a range from now on */
        return sent == (long)total;
    }
    return false;
}

bool os_purge_ranges(const struct os_range *ranges, unsigned count)
{
    int saved = errno;
    bool done = true;
    for (unsigned from = 0, to; from < count; from = to) {
        size_t total = ranges[from].bytes;
        for (to = from + 1; to < count && total + ranges[to].bytes <= OS_REMOVED_AT_ONCE; to++)
            total += ranges[to].bytes;
        if (to - from > 1 && purge_in_one_call(ranges + from, to - from, total))
            continue;
        for (unsigned i = from; i < to; i++)
            done &= os_purge(ranges[i].address, ranges[i].bytes);
    }
    errno = saved;
    return done;
}

void os_populate(void *address, size_t bytes)
{
    int saved = errno;
    (void)madvise(address, bytes, MADV_POPULATE_WRITE);
    errno = saved;
}

void os_forbid_huge_pages(void *address, size_t bytes)
{
    int saved = errno;
    (void)madvise(address, bytes, MADV_NOHUGEPAGE);
    errno = saved;
}

/* A file that tells the same, entry by entry: a filter of system calls may know no mincore() (systemd's @system-service does not). */
static bool read_entries(uintptr_t address, size_t pages, uint64_t *entries)
{
    if (!os_rare_begin())
        return false;
    size_t bytes = pages * sizeof *entries;
    int file = (int)syscall(SYS_openat, AT_FDCWD, "/proc/self/pagemap", O_RDONLY | O_CLOEXEC, 0);
    bool done = file >= 0 && syscall(SYS_pread64, file, entries, bytes, address / OS_PAGE_SIZE * sizeof *entries) == (long)bytes;
    if (file >= 0)
        syscall(SYS_close, file);
    os_rare_end();
    return done;
}

#define ENTRIES_AT_A_TIME 256
#define ENTRY_PRESENT 63 /* the bit */

static bool resident_by_entries(uintptr_t address, size_t pages, unsigned char *resident)
{
    uint64_t entries[ENTRIES_AT_A_TIME];
    for (size_t at = 0; at < pages; at += ENTRIES_AT_A_TIME) {
        size_t part = pages - at < ENTRIES_AT_A_TIME ? pages - at : ENTRIES_AT_A_TIME;
        if (!read_entries(address + at * OS_PAGE_SIZE, part, entries))
            return false;
        for (size_t i = 0; i < part; i++)
            resident[at + i] = (unsigned char)(entries[i] >> ENTRY_PRESENT);
    }
    return true;
}

bool os_resident(void *address, size_t bytes, unsigned char *pages)
{
    int saved = errno;
    bool done = !os_fault() && (OS_RARE(mincore(address, bytes, pages)) == 0 ||
                                (errno != ENOMEM && resident_by_entries((uintptr_t)address, bytes / OS_PAGE_SIZE, pages)));
    errno = saved;
    return done;
}

/* The kernel's copy is no access of ours: neither the compiler nor a sanitizer has to think about it. */
bool os_copy_racing(void *to, const void *from, size_t bytes)
{
    int saved = errno;
    struct iovec local = { to, bytes }, remote = { (void *)from, bytes };
    bool done = !os_fault() && OS_RARE(process_vm_readv((pid_t)syscall(SYS_getpid), &local, 1, &remote, 1, 0)) == (long)bytes;
    errno = saved;
    return done;
}

/* The wish is taken back at once: the kernel would fill in again what was purged (khugepaged does), and a mapping
 * that differs from its neighbours counts against the process' limit of mappings. */
uint64_t os_populate_huge(void *address, size_t bytes)
{
    int saved = errno;
    uint64_t before_us = os_thread_time_us();
    (void)madvise(address, bytes, MADV_HUGEPAGE);
    (void)madvise(address, bytes, MADV_POPULATE_WRITE);
    (void)madvise(address, bytes, MADV_NOHUGEPAGE);
    uint64_t took_us = os_thread_time_us() - before_us;
    errno = saved;
    return took_us;
}

/* Advice on a part of a huge page splits it.  MADV_DONTNEED alone unmaps the part, which counts as gone, while the
 * memory stays taken until the kernel runs short. */
void os_break_huge_page(void *address)
{
    int saved = errno;
    (void)madvise(address, OS_PAGE_SIZE, MADV_COLD);
    errno = saved;
}
