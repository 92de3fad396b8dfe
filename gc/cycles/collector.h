/*
 * When to collect.
 *
 * Law: at most one collection at a time (keeper_exclusively).  Birth and death never wait for one, but for births
 * that outrun it: they sleep a little, the more the further they are ahead, and never long.
 */
#ifndef ARCA_GC_COLLECTOR_H
#define ARCA_GC_COLLECTOR_H

#include "arca/gc.h"
#include "base/atomic.h"

struct collector {
    _Atomic bool enabled;
    _Atomic uint32_t thresholds[ARCA_GC_GENERATIONS];

    /* Of who collects; others read them as figures. */
    _Atomic int64_t base, base_bytes;              /* watch_blocks, watch_bytes of what the last collection left, or less since */
    _Atomic int64_t unwatched, unwatched_bytes;    /* what came while it was disabled: nobody outran it with that */
    _Atomic int64_t old_bytes;                     /* what of them the last full one left */
    _Atomic uint32_t runs[ARCA_GC_GENERATIONS];    /* [g]: collections of g - 1 since the last one of g */
    _Atomic size_t old_total, old_pending;         /* survivors of the last full one; what joined them since */
};

extern struct collector collector;

/* Between them what dies stays readable: for whoever looks at objects that nobody keeps alive for him. */
void collector_activate(void);
void collector_deactivate(void);

void collector_enable(bool enabled);

/* After a change of the settings: when the next one is due. */
void collector_set_limits(void);

/* -1: memory was short. */
long collector_collect(unsigned generation);

/* Objects made since the last collection, less those freed; never below 0. */
int64_t collector_young(void);

#endif
