/* The calling thread's door, and the two fast paths that go through it. */
#ifndef ARCA_FRONT_DOOR_H
#define ARCA_FRONT_DOOR_H

#include "arenas/page_map.h"
#include "heap/heap.h"

extern ARCA_TLS struct heap_door thread_door;
/* To the heap of the thread's objects; only libarcagc opens it. */
extern ARCA_TLS struct heap_door object_door;

/* Larger requests leave the fast path: SMALL_MAX, or 0 where every block is to be looked at (malloc_slow).  Set before
 * the second thread exists. */
extern size_t malloc_fast_max;

/* For blocks that the fast path does not have; the door is left. */
void *malloc_slow(size_t size);
/* For blocks that the fast path does not know; the door is left. */
void free_slow(void *block);
/* A bin is over its limit; the door is entered. */
void free_flush(struct heap *heap, unsigned class);
/* A block of a pool of another heap; the door is entered. */
void free_remote(struct heap *heap, struct span *pool, struct block *block);

/* True at the start of a block of this pool whose page has been carved: what was trimmed since has lost its mark. */
ARCA_INLINE bool pool_is_block(const struct span *pool, uintptr_t address)
{
    uintptr_t offset = address - pool->start;
    return offset * pool->divider < pool->start_bound && !(load_rlx(&pool->uncarved) >> (offset / OS_PAGE_SIZE) % 64 & 1);
}

/* NULL when the bin is empty; size <= malloc_fast_max. */
ARCA_INLINE void *small_pop(size_t size)
{
    struct heap *heap = door_enter(&thread_door);
    struct block *block = bin_take(bin_at(heap, bin_offset_of(size)));
    door_leave(&thread_door);
    return block;
}

ARCA_INLINE void *malloc_fast(size_t size)
{
    if (likely(size <= malloc_fast_max)) {
        void *block = small_pop(size);
        if (likely(block != NULL))
            return block;
    }
    return malloc_slow(size);
}

ARCA_INLINE void free_fast(void *address)
{
    struct heap *heap = door_enter(&thread_door);
    size_t slice;
    struct page_map_leaf *leaf = page_map_leaf_of((uintptr_t)address, &slice);
    struct span *pool = page_map_find_in(leaf, slice);
    struct block *block = address;
    /* The start bound of a large block is 0, so that nothing is a block of it here. */
    if (likely(pool != NULL) && likely(pool_is_block(pool, (uintptr_t)block)) && likely(!block_is_marked(block))) {
        uintptr_t mark = block_mark(block);
        block->mark = mark;
        if (unlikely(load_rlx(&pool->heap) != heap)) {
            free_remote(heap, pool, block);
            return;
        }
        if (unlikely(bin_push_link(bin_at(heap, load_rlx(&leaf->bin_offsets[slice])), block, mark) < 0)) {
            free_flush(heap, pool->size_class);
            return;
        }
        door_leave(&thread_door);
        return;
    }
    door_leave(&thread_door);
    free_slow(address);
}

#endif
