/*
 * Where dead blocks wait while a collector looks at objects: what it traverses was alive when it began, and is not
 * reused before it ends.
 *
 *   operation    die (any thread)                        activate (collector)
 *   die          lock-free list                          sequentially consistent on both sides: either the collector
 *                                                        sees the count 0, or the death sees limbo_active
 *   drain        exchange; the collector only, and between two objects
 */
#ifndef ARCA_GC_LIMBO_H
#define ARCA_GC_LIMBO_H

#include "gc/objects/header.h"

extern _Atomic uint32_t limbo_active;

ARCA_INLINE bool limbo_is_active(void)
{
    return load_seq(&limbo_active) != 0;
}

/* The link overlays the kind of a block whose count is 0 and which its thread is done with. */
ARCA_INLINE void limbo_link(void *object, void *next)
{
    store_rlx(kind_of(object), (uintptr_t)next);
}

/* Such blocks, linked from the first to the last. */
void limbo_push(void *first, void *last);

/* All that is in it; the next one by limbo_next. */
void *limbo_drain(void);
void *limbo_next(void *object);

#endif
