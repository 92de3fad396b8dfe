/* Opening, reading, asking what is resident. */
#include "tool/process.h"

#include "base/bits.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PAGEMAP_PRESENT ((uint64_t)1 << 63)
#define PAGEMAP_SWAPPED ((uint64_t)1 << 62)
#define PAGEMAP_AT_A_TIME 2048

ARCA_PRINTF(2, 3) static bool refuse(struct process *process, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(process->why, sizeof process->why, format, args);
    va_end(args);
    return false;
}

#define STAT_KERNEL_THREAD 0x200000u /* PF_KTHREAD in the flags of /proc/PID/stat */

static bool is_kernels_own(const struct process *process)
{
    char text[512];
    const char *end = process_file(process, "stat", text, sizeof text) ? strrchr(text, ')') : NULL;
    unsigned flags;
    return end != NULL && sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %u", &flags) == 1 && (flags & STAT_KERNEL_THREAD);
}

/* With what errno says, and what is to be done about it.  Without memory is who has ended and was not waited for, too. */
static bool refuse_error(struct process *process, const char *what)
{
    if (errno == ESRCH)
        return refuse(process, is_kernels_own(process) ? "process %d is the kernel's own: it has no memory" : "process %d has ended", process->pid);
    return refuse(process, "process %d: %s: %s%s", process->pid, what, strerror(errno),
                  errno == EACCES || errno == EPERM ? " (arca(1) tells who may look)" : "");
}

void process_read_name(struct process *process)
{
    char text[64];
    snprintf(process->name, sizeof process->name, "?");
    if (!process_file(process, "comm", text, sizeof text))
        return;
    text[strcspn(text, "\n")] = '\0';
    for (char *c = text; *c != '\0'; c++)
        *c = isprint((unsigned char)*c) && *c != '"' && *c != '\\' ? *c : '?';
    memcpy(process->name, text, sizeof text);
}

bool process_open(struct process *process, int pid)
{
    char path[64];
    struct stat owner;
    memset(process, 0, sizeof *process);
    process->pid = pid;
    process->pagemap = -1;
    snprintf(path, sizeof path, "/proc/%d", pid);
    if (stat(path, &owner) != 0)
        return refuse(process, "there is no process %d", pid);
    process->uid = owner.st_uid;
    if (geteuid() != 0 && owner.st_uid != geteuid())
        return refuse(process, "process %d belongs to another user (user id %u)", pid, process->uid);
    process_read_name(process);
    snprintf(path, sizeof path, "/proc/%d/pagemap", pid);
    process->pagemap = open(path, O_RDONLY | O_CLOEXEC);
    if (process->pagemap < 0)
        return refuse_error(process, "it can not be looked at");
    process_start_walk(process);
    return true;
}

bool process_open_named(struct process *process, int pid)
{
    char text[4096];
    const char *at;
    int group;
    if (!process_open(process, pid))
        return false;
    if (process_file(process, "status", text, sizeof text) && (at = strstr(text, "\nTgid:")) != NULL && sscanf(at + 6, "%d", &group) == 1 && group != pid)
        return refuse(process, "%d is a thread of process %d (%s), and no process", pid, group, process->name);
    return true;
}

void process_close(struct process *process)
{
    if (process->pagemap >= 0)
        close(process->pagemap);
    process->pagemap = -1;
}

bool process_read(struct process *process, const void *address, void *to, size_t bytes)
{
    struct iovec local = { to, bytes }, remote = { (void *)address, bytes };
    ssize_t done = process_vm_readv(process->pid, &local, 1, &remote, 1, 0);
    if (done == (ssize_t)bytes)
        return true;
    return done < 0 ? refuse_error(process, "its memory can not be read")
                    : refuse(process, "process %d: its memory can not be read: a part of it is not there", process->pid);
}

bool process_read_pieces(struct process *process, const void *const *addresses, size_t count, void *to, size_t bytes)
{
    struct iovec local = { to, count * bytes }, remote[PROCESS_PIECES_MAX];
    for (size_t i = 0; i < count; i++)
        remote[i] = (struct iovec){ (void *)addresses[i], bytes };
    return process_vm_readv(process->pid, &local, 1, remote, count, 0) == (ssize_t)local.iov_len;
}

/* Entries of the page map, of as many pages as there are (fewer at the end of the address space). */
static bool read_pagemap(struct process *process, uintptr_t address, size_t pages, uint64_t *entries)
{
    size_t bytes = pages * sizeof *entries;
    ssize_t done = pread(process->pagemap, entries, bytes, (off_t)(address / OS_PAGE_SIZE * sizeof *entries));
    if (done == (ssize_t)bytes)
        return true;
    return done < 0 ? refuse_error(process, "it can not be seen what is resident") : refuse(process, "process %d has ended", process->pid);
}

static bool read_states(struct process *process, uint64_t kinds, uintptr_t address, size_t pages, unsigned char *states)
{
    uint64_t entries[PAGEMAP_AT_A_TIME];
    for (size_t at = 0; at < pages; at += PAGEMAP_AT_A_TIME) {
        size_t part = pages - at < PAGEMAP_AT_A_TIME ? pages - at : PAGEMAP_AT_A_TIME;
        if (!read_pagemap(process, address + at * OS_PAGE_SIZE, part, entries))
            return false;
        for (size_t i = 0; i < part; i++)
            states[at + i] = (entries[i] & kinds) != 0;
    }
    return true;
}

/* Of Linux 6.7 and later: runs of pages of the same kinds.  An entry a page takes the kernel five times as long. */
struct scan_run {
    uint64_t start, end, kinds;
};
struct scan {
    uint64_t size, flags, start, end, walk_end, runs, run_count, max_pages, inverted, all_of, any_of, return_of;
};
#define SCAN_PAGES _IOWR('f', 16, struct scan)
#define SCAN_PRESENT ((uint64_t)1 << 3)
#define SCAN_SWAPPED ((uint64_t)1 << 4)
#define SCAN_ZEROS ((uint64_t)1 << 5) /* the one page that all pages share that were only read: it counts for nobody */
#define SCAN_RUNS 128

/* wanted: which pages are to be 0.  A page that is told of takes the kernel twice as long as one that it passes by, and most
 * are there: so it is asked for those that are not.  False where the kernel can not, and where it has not. */
static bool scan_states(struct process *process, struct scan wanted, uintptr_t address, size_t pages, unsigned char *states)
{
    struct scan_run runs[SCAN_RUNS];
    uint64_t end = address + pages * OS_PAGE_SIZE;
    memset(states, 1, pages);
    for (uint64_t at = address; at < end;) {
        struct scan scan = { .size = sizeof scan, .start = at, .end = end, .runs = (uintptr_t)runs, .run_count = SCAN_RUNS,
                             .inverted = wanted.inverted, .all_of = wanted.all_of, .any_of = wanted.any_of, .return_of = SCAN_PRESENT };
        int count = ioctl(process->pagemap, SCAN_PAGES, &scan);
        if (count < 0 || scan.walk_end <= at)
            return false;
        for (int i = 0; i < count; i++)
            memset(states + (runs[i].start - address) / OS_PAGE_SIZE, 0, (runs[i].end - runs[i].start) / OS_PAGE_SIZE);
        at = scan.walk_end;
    }
    return true;
}

bool process_resident(struct process *process, uintptr_t address, size_t pages, unsigned char *resident)
{
    struct scan absent = { .inverted = SCAN_PRESENT, .any_of = SCAN_PRESENT | SCAN_ZEROS };
    return scan_states(process, absent, address, pages, resident) || read_states(process, PAGEMAP_PRESENT, address, pages, resident);
}

/* Whether a page has anything that is not zero. */
static bool read_backed(struct process *process, uintptr_t address, size_t pages, unsigned char *backed)
{
    struct scan absent = { .inverted = SCAN_PRESENT | SCAN_SWAPPED, .all_of = SCAN_PRESENT | SCAN_SWAPPED };
    return scan_states(process, absent, address, pages, backed) ||
           read_states(process, PAGEMAP_PRESENT | PAGEMAP_SWAPPED, address, pages, backed);
}

bool process_read_sparse(struct process *process, const void *address, void *to, size_t bytes)
{
    unsigned char backed[PAGEMAP_AT_A_TIME];
    uintptr_t from = (uintptr_t)address, end = from + bytes;
    for (uintptr_t page = from & -OS_PAGE_SIZE; page < end; page += PAGEMAP_AT_A_TIME * OS_PAGE_SIZE) {
        size_t pages = (end - page + OS_PAGE_SIZE - 1) / OS_PAGE_SIZE;
        pages = pages < PAGEMAP_AT_A_TIME ? pages : PAGEMAP_AT_A_TIME;
        if (!read_backed(process, page, pages, backed))
            return false;
        for (size_t i = 0, run; i < pages; i += run) {
            for (run = 1; i + run < pages && backed[i + run] == backed[i]; run++)
                ;
            uintptr_t first = page + i * OS_PAGE_SIZE, last = first + run * OS_PAGE_SIZE;
            first = first < from ? from : first;
            last = last > end ? end : last;
            if (!backed[i])
                memset((char *)to + (first - from), 0, last - first);
            else if (!process_read(process, (const void *)first, (char *)to + (first - from), last - first))
                return false;
        }
    }
    return true;
}

uint64_t process_anonymous(const struct process *process)
{
    char text[128], *at = text;
    if (!process_file(process, "statm", text, sizeof text))
        return 0;
    strtoull(text, &at, 10); /* mapped */
    uint64_t resident = strtoull(at, &at, 10), shared = strtoull(at, &at, 10);
    return (resident - (shared < resident ? shared : resident)) * OS_PAGE_SIZE;
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void process_start_walk(struct process *process)
{
    process->until_ms = now_ms() + WALK_MS;
}

bool process_out_of_time(struct process *process)
{
    if (now_ms() < process->until_ms)
        return false;
    refuse(process, "process %d: its records have no end", process->pid);
    return true;
}

bool read_file(const char *path, char *buf, size_t capacity)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    size_t length = fread(buf, 1, capacity - 1, file);
    buf[length] = '\0';
    fclose(file);
    return true;
}

bool process_file(const struct process *process, const char *name, char *buf, size_t capacity)
{
    char path[96];
    snprintf(path, sizeof path, "/proc/%d/%s", process->pid, name);
    return read_file(path, buf, capacity);
}

/* "5581c0a00000-5581c0a21000 r-xp 00001000 08:01 123   /path"; by hand, since a scrape reads those of all processes. */
static bool read_mapping(char *line, struct mapping *mapping)
{
    char *at;
    mapping->start = strtoul(line, &at, 16);
    if (*at++ != '-')
        return false;
    mapping->end = strtoul(at, &at, 16);
    if (strlen(at) < sizeof " rwxp " - 1)
        return false;
    memcpy(mapping->flags, at + 1, 4);
    mapping->flags[4] = '\0';
    mapping->offset = strtoul(at + 6, &at, 16);
    for (unsigned words = 0; words < 2; words++) { /* device, inode */
        at += strspn(at, " ");
        at += strcspn(at, " ");
    }
    at += strspn(at, " ");
    size_t length = strnlen(at, sizeof mapping->path - 1);
    memcpy(mapping->path, at, length);
    mapping->path[length] = '\0';
    return true;
}

bool process_mappings(struct process *process, mapping_visit *visit, void *context)
{
    char path[64], *line = NULL;
    size_t capacity = 0;
    snprintf(path, sizeof path, "/proc/%d/maps", process->pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return refuse_error(process, "it can not be looked at");
    while (getline(&line, &capacity, file) > 0) {
        struct mapping mapping;
        line[strcspn(line, "\n")] = '\0';
        if (read_mapping(line, &mapping) && !visit(&mapping, context))
            break;
    }
    free(line);
    fclose(file);
    return true;
}
