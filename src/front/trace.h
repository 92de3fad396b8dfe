/*
 * Which blocks of the domains live, and who allocated them: a table by address, and one by call stack.
 *
 * Law: the blocks of the table are those that `traces` counts as live.
 */
#ifndef ARCA_FRONT_TRACE_H
#define ARCA_FRONT_TRACE_H

#include "base/atomic.h"
#include "base/compiler.h"

extern _Atomic bool trace_on;

struct trace_record {
    uintptr_t block; /* 0 in a free place */
    size_t bytes;
    uint32_t site;
};

/* frame: of the function that the program called. */
void trace_add(const void *block, size_t bytes, const void *frame);
/* Before the block is freed: forgets it.  site is SITE_NONE when it was not known. */
struct trace_record trace_remove(const void *block);
/* It was not freed after all. */
void trace_restore(const struct trace_record *record);

#endif
