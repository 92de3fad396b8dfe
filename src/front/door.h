/* The calling thread's door, and the two fast paths that go through it. */
#ifndef ARCA_FRONT_DOOR_H
#define ARCA_FRONT_DOOR_H

#include "arenas/page_map.h"
#include "heap/heap.h"

extern ARCA_TLS struct heap_door thread_door;

/* For blocks that the fast path does not have; the door is entered and heap is what it showed. */
void *malloc_slow(struct heap *heap, size_t size);
/* For blocks that the fast path does not know; as above. */
void free_slow(struct heap *heap, void *block);
/* A bin is over its limit; as above. */
void free_flush(struct heap *heap, unsigned class);

/* True at the start of a block of this pool. */
ARCA_INLINE bool pool_is_block(const struct span *pool, uintptr_t address)
{
    return (address - pool->start) * pool->divider < pool->divider;
}

ARCA_INLINE void *malloc_fast(size_t size)
{
    struct heap *heap = door_enter(&thread_door);
    if (likely(size <= SMALL_MAX)) {
        struct bin *bin = bin_at(heap, bin_offset_of(size));
        struct block *block = bin->head;
        if (likely(block != NULL)) {
            bin->head = block->next;
            bin->room++;
            block->mark = 0;
            door_leave(&thread_door);
            return block;
        }
    }
    return malloc_slow(heap, size);
}

ARCA_INLINE void free_fast(void *address)
{
    struct heap *heap = door_enter(&thread_door);
    struct span *pool = page_map_find((uintptr_t)address);
    struct block *block = address;
    if (likely(pool != NULL && load_rlx(&pool->heap) == heap) && likely(pool_is_block(pool, (uintptr_t)block)) &&
        likely(block->mark != block_mark(block))) {
        struct bin *bin = bin_at(heap, pool->bin_offset);
        block->next = bin->head;
        block->mark = block_mark(block);
        bin->head = block;
        if (likely(--bin->room >= 0)) {
            door_leave(&thread_door);
            return;
        }
        free_flush(heap, pool->size_class);
        return;
    }
    free_slow(heap, address);
}

#endif
