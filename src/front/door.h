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
/* A block of a pool of another heap, and the place of its bin; the door is entered. */
void free_remote(struct heap *heap, struct span *pool, struct block *block, uintptr_t bin);

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
    struct block *block = bin_take(bin_at(heap, bin_place_of(size)));
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

/* A block of a pool whose address is in the leaf's region, or in another where it has a namesake: the start bound
 * refuses it there.  False, with the door left, for all else. */
ARCA_INLINE bool free_small(struct page_map_leaf *leaf, void *address)
{
    struct heap *heap = door_enter(&thread_door);
    struct block *block = address;
    size_t page = page_map_page_of((uintptr_t)address);
    uintptr_t bin = load_rlx(&leaf->bins[page]);
    if (likely(bin != 0)) {
        /* P:page map entry acquire: with page_map_set */
        struct span *pool = load_acq(&leaf->spans[page / PAGE_MAP_SLICE_PAGES]);
        uintptr_t offset = (uintptr_t)address - pool->start;
        if (likely(offset * pool->divider < pool->start_bound) && likely(!block_is_marked(block))) {
            uintptr_t mark = block_mark(block);
            block->mark = mark;
            if (unlikely(load_rlx(&pool->heap) != heap)) {
                free_remote(heap, pool, block, bin);
                return true;
            }
            if (unlikely(bin_push_link(bin_at(heap, bin), block, mark) < 0)) {
                free_flush(heap, pool->size_class);
                return true;
            }
            door_leave(&thread_door);
            return true;
        }
    }
    door_leave(&thread_door);
    return false;
}

ARCA_INLINE void free_fast(void *address)
{
    if (unlikely(!free_small(&page_map_first, address)))
        free_slow(address);
}

#endif
