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

#define QUARANTINE_BLOCKS 1024

struct quarantine {
    uint64_t random; /* for the places of blocks of its heap */
    size_t bytes;
    uint32_t first, count;
    struct block *blocks[QUARANTINE_BLOCKS];
};

/* NULL without memory. */
struct quarantine *quarantine_create(void);

void quarantine_add(struct quarantine *quarantine, struct block *block, size_t bytes);
/* The oldest block, and its pool, when bytes more would be too much, else NULL; it has left then. */
struct block *quarantine_leave(struct quarantine *quarantine, size_t bytes, struct span **pool);

#endif
