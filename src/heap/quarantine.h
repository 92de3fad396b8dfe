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
#define QUARANTINE_CLASS_BITS 8
/* A block is out of the nearest cache when it leaves, and is asked for while so many others do. */
#define QUARANTINE_AHEAD 4u

_Static_assert(SIZE_CLASSES <= 1 << QUARANTINE_CLASS_BITS && BLOCK_ADDRESS_BITS + QUARANTINE_CLASS_BITS <= 64, "a block and its class are one word");

struct quarantine {
    uintptr_t *blocks; /* NULL before the first.  The class of each stands below its address */
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
    quarantine->blocks[quarantine->added++ % QUARANTINE_BLOCKS] = (uintptr_t)block << QUARANTINE_CLASS_BITS | class;
    quarantine->bytes += bytes;
}

/* The oldest but so many, or one that has left. */
ARCA_INLINE uintptr_t quarantine_at(const struct quarantine *quarantine, uint32_t later)
{
    return quarantine->blocks[(quarantine->left + later) % QUARANTINE_BLOCKS];
}

/* The oldest block of one that is not empty, and its class. */
ARCA_INLINE struct block *quarantine_leave(struct quarantine *quarantine, uintptr_t *class)
{
    uintptr_t packed = quarantine_at(quarantine, 0);
    struct block *block = (struct block *)(packed >> QUARANTINE_CLASS_BITS);
    __builtin_prefetch((void *)(quarantine_at(quarantine, QUARANTINE_AHEAD) >> QUARANTINE_CLASS_BITS));
    quarantine->left++;
    *class = packed % (1u << QUARANTINE_CLASS_BITS);
    size_t bytes = size_classes[*class].block_size;
    quarantine->bytes -= bytes;
    freed_check(block, bytes);
    return block;
}

#endif
