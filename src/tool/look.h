/*
 * Looking at processes that may mean ill, in a child of the tool's own.
 *
 * What is read of another process can keep the reader waiting for ever, in the kernel, where no clock of its own helps: pages
 * that a file system or a handler of page faults of that process' choice must bring first.  A child that does not come back
 * is ended, and the next look has another one.
 */
#ifndef ARCA_TOOL_LOOK_H
#define ARCA_TOOL_LOOK_H

#include "front/figures.h"

#include <sys/types.h>

/* For one process: several hundred gigabytes take as long. */
#define LOOK_MS 2000

enum look_outcome {
    LOOK_DONE,
    LOOK_ABSENT, /* it is not there, not on Arca, or may not be looked at */
    LOOK_FAILED, /* it is on Arca, and its figures can not be had */
    LOOK_SLOW,   /* nor in its time */
};

/* What the child says; figures only where it is done, else why. */
struct look {
    enum look_outcome outcome;
    char name[64];
    char why[256];
    struct figures figures;
};

struct looker {
    pid_t child; /* 0 without one */
    int channel;
};

/* At a process, within so many milliseconds.  The child is started when it is needed. */
void look_at(struct looker *looker, int pid, unsigned within_ms, struct look *look);

#endif
