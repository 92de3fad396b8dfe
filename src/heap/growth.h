/*
 * Room behind the large block that a thread is growing, so that it need not move.
 *
 * Law: one block a heap at most, heap->growing, and only while that span's holder names the heap.  Another thread that
 * has got the block, and resizes or frees it, takes the room off it first; so does the heap when its thread grows
 * another block, and when it is swept.
 *
 *   operation             start, continue, leave (who holds the heap)    drop, or a free elsewhere (who has the block)
 *   start & co.           excluded by holding the heap                   by the arena lock; a block has one owner
 */
#ifndef ARCA_HEAP_GROWTH_H
#define ARCA_HEAP_GROWTH_H

#include "arenas/arena.h"
#include "arenas/large.h"
#include "heap/heap.h"

#define GROWTH_SLICES 16u /* room and all */
#define GROWTH_BYTES ((size_t)GROWTH_SLICES << SLICE_SHIFT)

ARCA_INLINE bool growth_is_held(const struct heap *heap, const struct span *span)
{
    return heap->growing == span && load_rlx(&span->holder) == heap->index + 1;
}

/* A block of so many bytes, GROWTH_BYTES at most, with room behind it; NULL without memory. */
struct span *growth_start(struct heap *heap, size_t bytes);
/* Into the room behind the block; false when it is not this heap that holds it, or it is too small. */
ARCA_INLINE bool growth_continue(const struct heap *heap, struct span *span, size_t bytes)
{
    if (!growth_is_held(heap, span) || bytes > span_bytes(span))
        return false;
    uint32_t room = arena_room(span);
    large_set_size(span, bytes);
    if (room != arena_room(span))
        arena_use_room(room - arena_room(span));
    return true;
}
/* The room becomes the block's own, as it is; false when another heap holds it, and may be cutting it just now. */
bool growth_leave(struct heap *heap, struct span *span);
/* Whoever holds room behind the block loses it.  By who has the block. */
void growth_drop(struct span *span);

#endif
