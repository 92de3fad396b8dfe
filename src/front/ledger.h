/*
 * What looks at a process have found, arena by arena: so that one a second need not go through gigabytes, of which the kernel
 * reads its tables page by page.
 *
 *   entry   an arena: how full it was when it was gone through, and what it was used for
 *   others  what the kernel counts of the process beside its arenas
 *
 * At each look an arena is gone through that is new or has moved.  Of the rest so many as the looks' share of a processor
 * pays for, those first that have changed most and were seen longest ago; and beyond that as many as it takes for the sum to
 * be what the kernel counts, of which the total costs nothing to read, and for what is used to be what the arenas count.
 *
 * Law: Σ resident of the entries + others = what the kernel counts of the process, to within a hundredth of it;
 *      Σ used of the entries = used slices of the arenas, to within the same.
 * What is told later, but as it was `age` ago at most, is where in pools the live blocks are.
 */
#ifndef ARCA_FRONT_LEDGER_H
#define ARCA_FRONT_LEDGER_H

#include "heap/usage.h"

/* What looks may take. */
struct ledger_terms {
    uint64_t share;     /* of a processor, one of so many parts; kept for later: */
    int64_t most_us;    /* no more than this */
    int64_t advance_us; /* of that, once the first look is over, which is free */
};

/* Of an arena, as it is now. */
struct ledger_head {
    uintptr_t base;
    uint32_t slices, used, dirty; /* 0 for a record without memory */
};

ARCA_INLINE struct ledger_head ledger_head_of(const struct arena *arena)
{
    return (struct ledger_head){ arena->base, arena->slices, arena->slices - arena->free_slices, arena->dirty_slices };
}

struct ledger_entry {
    const struct arena *record;
    struct usage usage;
    uint64_t seen_ms; /* when it was gone through */
    uint64_t look;    /* the last one that has met the record */
    struct ledger_head head; /* then */
    uint32_t used_now, changed; /* slices; since then, no less */
    bool due; /* whatever it costs */
};

struct ledger {
    const struct ledger_terms *terms;
    struct ledger_entry *entries;
    struct ledger_entry **queue; /* of this look: those that are due first, then by urgency */
    size_t count, met, capacity, hint, queued;
    struct usage total; /* Σ of the entries */
    uint64_t look, now_ms;
    uint64_t kernel_bytes; /* what the kernel counts of the process, now */
    int64_t others;
    int64_t used_since; /* slices that are used now, less those that were when their arenas were gone through */
    int64_t credit_us; /* may be below zero */
    uint64_t started_us;
};

/* A look begins; kernel_bytes: what the kernel counts of the process now. */
void ledger_begin(struct ledger *ledger, const struct ledger_terms *terms, uint64_t kernel_bytes);
/* It has met this record.  False without memory, and for what it has met before. */
bool ledger_meet(struct ledger *ledger, const struct arena *record, const struct ledger_head *head);
/* In a ledger of this process: of a record that will be met soon. */
ARCA_INLINE void ledger_prefetch(const struct ledger *ledger)
{
    size_t soon = ledger->hint + 8;
    if (soon < ledger->count) {
        __builtin_prefetch(&ledger->entries[soon].record->base);
        __builtin_prefetch(&ledger->entries[soon].record->all_next);
    }
}
/* Once all are met: false without memory, and where one that was there is no more: it is another process' ledger. */
bool ledger_sort(struct ledger *ledger);
/* What is to be gone through next; NULL: no more. */
struct ledger_entry *ledger_next(struct ledger *ledger);
/* It was. */
void ledger_enter(struct ledger *ledger, struct ledger_entry *entry, const struct ledger_head *head, const struct usage *usage);
/* The look ends: adds all up.  Returns how long ago the oldest part was seen. */
uint64_t ledger_add_up(struct ledger *ledger, struct usage *usage);

void ledger_forget(struct ledger *ledger);

#endif
