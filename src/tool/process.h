/*
 * Another process, looked at without its help: its memory through process_vm_readv(), what of it is resident through
 * /proc/PID/pagemap, in one go where the kernel can.
 *
 * Nothing that is read can be trusted: it changes meanwhile, and the process may mean ill.  Every walk is bounded by a
 * time, every value by what it is used for.
 */
#ifndef ARCA_TOOL_PROCESS_H
#define ARCA_TOOL_PROCESS_H

#include "base/os.h"

struct process {
    int pid;
    unsigned uid;
    char name[64];  /* printable */
    int pagemap;    /* a file */
    uint64_t until_ms; /* when walks give up */
    char why[256];  /* the last thing that failed */
};

/* False, with the reason in why, for what does not exist or is somebody else's. */
bool process_open(struct process *process, int pid);
/* The same for a number that somebody has given: not that of a thread, by which the kernel finds its process, too. */
bool process_open_named(struct process *process, int pid);
void process_close(struct process *process);
/* What it is called, of its pid alone: "?" where it is not there. */
void process_read_name(struct process *process);

/* All or nothing. */
bool process_read(struct process *process, const void *address, void *to, size_t bytes);
/* So many pieces of one size, one behind the other. */
#define PROCESS_PIECES_MAX 64
bool process_read_pieces(struct process *process, const void *const *addresses, size_t count, void *to, size_t bytes);
/* The same as process_read(), but pages without memory read as zeros and get none by it. */
bool process_read_sparse(struct process *process, const void *address, void *to, size_t bytes);
/* A byte a page: 1 for what is resident, and also for what is not mapped: 0 is said only of pages that are there. */
bool process_resident(struct process *process, uintptr_t address, size_t pages, unsigned char *resident);

/* What the kernel counts of it as resident and of no file: its total, which is cheap. */
uint64_t process_anonymous(const struct process *process);

/* A walk starts: it has so long. */
#define WALK_MS 5000
void process_start_walk(struct process *process);
bool process_out_of_time(struct process *process);

/* A whole small file, terminated; false without. */
bool read_file(const char *path, char *buf, size_t capacity);
/* The same of /proc/PID/NAME. */
bool process_file(const struct process *process, const char *name, char *buf, size_t capacity);

/* Calls see for each line of /proc/PID/maps until it returns false. */
struct mapping {
    uintptr_t start, end;
    uint64_t offset;
    char flags[5];
    char path[512]; /* "" for anonymous memory */
};
typedef bool mapping_visit(const struct mapping *mapping, void *context);
bool process_mappings(struct process *process, mapping_visit *visit, void *context);

#endif
