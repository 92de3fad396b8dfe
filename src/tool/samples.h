/* Snapshots of several processes at one time. */
#ifndef ARCA_TOOL_SAMPLES_H
#define ARCA_TOOL_SAMPLES_H

#include "tool/snapshot.h"

struct sample {
    int pid;
    char name[64];
    struct snapshot snapshot;
};

/* Processes that were found not to use Arca are left alone for so long, which is most of the work: they may begin to when
 * they become another program. */
#define ABSENT_MS 5000
#define ABSENT_PLACES 4096 /* by number; one takes the place of another */

struct absent {
    int pid;
    uint64_t until_ms;
};

struct samples {
    struct sample *items;
    size_t count, capacity;
    char why[256]; /* the last process that was left out, and why */
    struct absent absent[ABSENT_PLACES];
};

/* Of these processes, or, where count is 0, of all on Arca that may be looked at.  Those that can not be are left out. */
void samples_take(struct samples *samples, const int *pids, size_t count);
void samples_free(struct samples *samples);

#endif
