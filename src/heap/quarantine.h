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

#include "heap/harden.h"
#include "heap/size_class.h"

#define QUARANTINE_BLOCKS 1024u

struct quarantine {
    uintptr_t *blocks; /* NULL before the first.  The class of each stands above its address */
    uint64_t random;   /* for the places of blocks of its heap */
    size_t bytes;
    size_t limit;         /* 0 before the first, or where nothing is kept back */
    uint32_t left, added; /* ever; what is in between is here */
    uint32_t seen_added;  /* sweeper: at its last visit */
};

/* Makes it ready; false without memory, or where nothing is kept back. */
bool quarantine_open(struct quarantine *quarantine);

ARCA_INLINE bool quarantine_is_empty(const struct quarantine *quarantine)
{
    return quarantine->left == quarantine->added;
}

ARCA_INLINE uint32_t quarantine_blocks(const struct quarantine *quarantine)
{
    return quarantine->added - quarantine->left;
}

/* True when one more block of so many bytes would be too much. */
ARCA_INLINE bool quarantine_is_full(const struct quarantine *quarantine, size_t bytes)
{
    return quarantine_blocks(quarantine) == QUARANTINE_BLOCKS || quarantine->bytes + bytes > quarantine->limit;
}

/* Of an open one, with room. */
ARCA_INLINE void quarantine_add(struct quarantine *quarantine, struct block *block, uintptr_t class, size_t bytes)
{
    assert(quarantine_blocks(quarantine) < QUARANTINE_BLOCKS);
    quarantine->blocks[quarantine->added++ % QUARANTINE_BLOCKS] = (uintptr_t)block | class << BLOCK_ADDRESS_BITS;
    quarantine->bytes += bytes;
}

/* The oldest block of one that is not empty, and its class. */
ARCA_INLINE struct block *quarantine_leave(struct quarantine *quarantine, uintptr_t *class)
{
    uintptr_t packed = quarantine->blocks[quarantine->left++ % QUARANTINE_BLOCKS];
    struct block *block = (struct block *)(packed & (((uintptr_t)1 << BLOCK_ADDRESS_BITS) - 1));
    *class = packed >> BLOCK_ADDRESS_BITS;
    size_t bytes = size_classes[*class].block_size;
    quarantine->bytes -= bytes;
    freed_check(block, bytes);
    return block;
}

#endif
