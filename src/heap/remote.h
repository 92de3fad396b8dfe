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
#define PARCEL_BYTES (32u << 10)

struct remote_list {
    _Atomic(struct block *) head;
};

struct parcel {
    struct remote_list *destination; /* NULL: empty */
    struct block *first, *last;
    uint32_t count;
    uint32_t bytes;
};

/* Sends what is in it. */
void parcel_leave(struct parcel *parcel);
/* What is in it for another destination leaves first, and all when it is full; true in the second case. */
bool parcel_add(struct parcel *parcel, struct remote_list *destination, struct block *block, uint32_t block_size);

void remote_push(struct remote_list *list, struct block *first, struct block *last);
struct block *remote_drain(struct remote_list *list);

ARCA_INLINE bool remote_is_empty(struct remote_list *list)
{
    return load_rlx(&list->head) == NULL;
}

#endif
