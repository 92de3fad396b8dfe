/* All figures of a process on Arca, taken from outside at one time. */
#ifndef ARCA_TOOL_SNAPSHOT_H
#define ARCA_TOOL_SNAPSHOT_H

#include "base/options.h"
#include "front/figures.h"
#include "front/ledger.h"
#include "front/page.h"
#include "tool/process.h"

/* A part of the address space that is Arca's. */
struct snapshot_range {
    uintptr_t address;
    size_t bytes;
    const char *what; /* arena, large, records, page map */
};

struct snapshot {
    struct figures figures;
    struct options options; /* in force */
    struct snapshot_range *ranges;
    size_t range_count, range_capacity;
};

/* Finds the statistics page of a process; false, with the reason in process->why, where there is none or its layout is
 * another one.  *address, unless that is NULL: where it lies. */
bool snapshot_find_page(struct process *process, struct stats_page *page, uintptr_t *address);
/* The same of one that was found. */
bool snapshot_knows_page(struct process *process, const struct stats_page *page);

/* Fills in all of it; false with the reason in process->why.  snapshot_free() afterwards in either case. */
bool snapshot_take(struct process *process, const struct stats_page *page, struct snapshot *snapshot);
/* The figures, by a ledger that is kept from look to look; without the ranges. */
bool snapshot_renew(struct process *process, const struct stats_page *page, struct ledger *ledger, struct snapshot *snapshot);
void snapshot_free(struct snapshot *snapshot);

#endif
