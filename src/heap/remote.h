/*
 * Blocks on their way home: many threads push, one heap drains.
 *
 *   operation   push (any thread)        drain (who holds the heap)
 *   push        compare-and-swap         push: P:remote, drain takes all that was pushed before it
 *   drain       as left                  excluded by holding the heap
 *
 * No ABA: nobody pops single blocks.  A freeing thread collects blocks for one destination in a parcel
 * and pays one atomic operation for all of it.
 */
#ifndef ARCA_HEAP_REMOTE_H
#define ARCA_HEAP_REMOTE_H

#include "base/atomic.h"
#include "heap/block.h"

#define PARCELS 16
#define PARCEL_BLOCKS 64
#define PARCEL_BYTES (32 << 10)

struct remote_list {
    _Atomic(struct block *) head;
    _Atomic int64_t bytes; /* in it or drained and not looked at yet; a figure, counted before and after */
};

/* A block names the one so many further on, of this parcel or of the one before. */
#define PARCEL_AHEAD 8

struct parcel {
    struct remote_list *destination; /* NULL: empty */
    uintptr_t first; /* a link */
    struct block *last;
    int32_t room;   /* bytes until it is full; a small block takes its share of PARCEL_BLOCKS */
    uint32_t bytes; /* in it */
    uint32_t named;
    struct block *recent[PARCEL_AHEAD]; /* that were put in last, and are to be named next */
};

/* Sends what is in it. */
void parcel_leave(struct parcel *parcel);
/* What is in it leaves, and this one will be its last block. */
void parcel_open(struct parcel *parcel, struct remote_list *destination, struct block *last);

/* False, and nothing has changed, when something would have to leave. */
ARCA_INLINE bool parcel_try(struct parcel *parcel, const struct remote_list *destination, struct block *block, uint32_t block_size)
{
    int32_t share = PARCEL_BYTES / PARCEL_BLOCKS, room = parcel->room - ((int32_t)block_size > share ? (int32_t)block_size : share);
    if (unlikely(parcel->destination != destination) || unlikely(room <= 0))
        return false;
    if (likely(block_is_roomy(block_size))) {
        struct block **place = &parcel->recent[parcel->named++ % PARCEL_AHEAD];
        block_set_later(block, *place);
        *place = block;
    }
    block->link = parcel->first;
    parcel->first = block_mark(block);
    parcel->bytes += block_size;
    parcel->room = room;
    return true;
}

/* What is in it for another destination leaves first, and all when it is full; true in the second case. */
ARCA_INLINE bool parcel_add(struct parcel *parcel, struct remote_list *destination, struct block *block, uint32_t block_size)
{
    int32_t share = PARCEL_BYTES / PARCEL_BLOCKS;
    if (unlikely(parcel->destination != destination))
        parcel_open(parcel, destination, block);
    block->link = parcel->first;
    parcel->first = block_mark(block);
    parcel->bytes += block_size;
    parcel->room -= (int32_t)block_size > share ? (int32_t)block_size : share;
    if (likely(parcel->room > 0))
        return false;
    parcel_leave(parcel);
    return true;
}

void remote_push(struct remote_list *list, struct block *first, struct block *last);
struct block *remote_drain(struct remote_list *list);

ARCA_INLINE bool remote_is_empty(struct remote_list *list)
{
    return load_rlx(&list->head) == NULL;
}

#endif
