/* Figures of several processes at one time. */
#ifndef ARCA_TOOL_SAMPLES_H
#define ARCA_TOOL_SAMPLES_H

#include "tool/look.h"

struct sample {
    int pid;
    char name[64];
    struct figures figures;
};

/* On Arca, and not among the samples. */
struct left_out {
    int pid;
    uint64_t until_ms; /* it is left alone: it took too long */
    char name[64];
    char why[256];
};

/* Processes that were found not to use Arca are left alone for so long, which is most of the work: they may begin to when
 * they become another program.  Those that were looked at twice meanwhile are then asked only whether they have. */
#define ABSENT_MS 5000
#define ABSENT_SURE_MS 60000 /* they may also open the library */
#define ABSENT_PLACES 4096 /* by number; one takes the place of another */

/* Those that took too long may have had a reason that is over. */
#define SLOW_MS 60000
/* For all of them: a scraper waits ten seconds.  Those that were seen the last time come first, so that new ones, as many as
 * somebody may start, can not keep them out. */
#define SAMPLES_MS 5000

struct absent {
    int pid;
    uint64_t until_ms, sure_until_ms;
    uint64_t program; /* which it was: differs from start to start; 0: not known */
};

struct samples {
    struct sample *items;
    size_t count, capacity;
    struct left_out *left_out;
    size_t left_out_count, left_out_capacity;
    size_t unreached; /* for which there was no time */
    char why[256]; /* the last process that is not among them, and why */
    struct absent absent[ABSENT_PLACES];
    struct looker looker;
};

/* Of these processes, or, where count is 0, of all on Arca that may be looked at.  In place of those of the last time, which
 * it goes by: all zero at first. */
void samples_take(struct samples *samples, const int *pids, size_t count);

#endif
