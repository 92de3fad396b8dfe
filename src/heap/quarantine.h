/*
 * Freed blocks that are kept from being reused, first in first out.
 *
 * Law: at most QUARANTINE_BLOCKS blocks, of at most hardening.quarantine bytes in all (or one block).  Each is marked and
 * filled (freed_fill), and is looked at again before it leaves.  Its pool counts it as used.
 *
 * It belongs to the holder of its heap.
 */
#ifndef ARCA_HEAP_QUARANTINE_H
#define ARCA_HEAP_QUARANTINE_H

#include "arenas/span.h"
#include "heap/block.h"

#define QUARANTINE_BLOCKS 1024u

struct quarantine {
    struct block **blocks; /* NULL before the first */
    uint64_t random; /* for the places of blocks of its heap; 0 before */
    size_t bytes;
    uint32_t left, added; /* ever; what is in between is here */
    uint32_t seen_added;  /* sweeper: at its last visit */
};

/* Makes it ready; false without memory. */
bool quarantine_open(struct quarantine *quarantine);

ARCA_INLINE bool quarantine_is_empty(const struct quarantine *quarantine)
{
    return quarantine->left == quarantine->added;
}

/* Of an open one, with room. */
void quarantine_add(struct quarantine *quarantine, struct block *block, size_t bytes);
/* True when bytes more would be too much. */
bool quarantine_is_full(const struct quarantine *quarantine, size_t bytes);
/* The oldest block of one that is not empty, and its pool. */
struct block *quarantine_leave(struct quarantine *quarantine, struct span **pool);

#endif
