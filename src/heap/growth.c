/* Starting to hold room, using it, letting it go. */
#include "heap/growth.h"

#include "arenas/arena.h"

struct span *growth_start(struct heap *heap, size_t bytes)
{
    bool zeroed;
    heap_cut_growing(heap);
    struct span *span = span_cache_take(&heap->spares, GROWTH_SLICES);
    if (span == NULL)
        span = large_create(GROWTH_BYTES, 1, &zeroed);
    if (span == NULL)
        return NULL;
    large_set_size(span, bytes);
    heap->growing = span; /* first: what is held is found, in the child of a fork */
    add_rlx(&arenas.room_slices, arena_room(span));
    store_rlx(&span->holder, heap->index + 1);
    return span;
}

bool growth_leave(struct heap *heap, struct span *span)
{
    if (load_acq(&span->holder) == 0) /* P:holder acquire: with arena_cut */
        return true;
    if (!growth_is_held(heap, span))
        return false;
    if (arena_room(span) != 0)
        arena_use_room(arena_room(span));
    store_rlx(&span->holder, 0u);
    heap->grows_far = load_rlx(&span->large_size) > SMALL_MAX;
    heap->growing = NULL;
    return true;
}

void growth_drop(struct span *span)
{
    uint32_t holder = load_acq(&span->holder); /* P:holder acquire: with arena_cut */
    if (holder != 0)
        arena_cut(span, holder, os_now_ms());
}
