/*
 * Blocks change their size: where they are, into room that was kept behind them, or by a move.
 *
 * A block that grows again and again, as a text does that is read, is to be copied few times: see grow_elsewhere().
 */
#include "arca/arca.h"

#include "arenas/arena.h"
#include "arenas/large.h"
#include "base/options.h"
#include "front/background.h"
#include "front/door.h"
#include "front/hardened.h"
#include "front/pointer.h"
#include "front/process.h"
#include "front/profile.h"
#include "front/thread.h"
#include "heap/growth.h"

#include <errno.h>
#include <string.h>

/* Into slices that the thread's heap holds behind a block that it has grown before. */
ARCA_INLINE bool grow_into_room(struct span *span, size_t size)
{
    struct heap *heap = door_enter(&thread_door); /* nothing is held by the sentinel */
    bool done = growth_continue(heap, span, size);
    door_leave(&thread_door);
    return done;
}

/* A block that is no more than twice as large as it need be had better not move. */
ARCA_INLINE bool stays(size_t size, size_t usable)
{
    return size <= usable && size > usable / 2;
}

/* In place, or NULL.  frame: of the function that the program called. */
static void *resize_large(struct span *span, size_t size, const void *frame)
{
    size_t before = load_rlx(&span->large_size);
    if (unlikely(options.profile != 0) && size > before && load_rlx(&span->holder) != 0 && grow_into_room(span, size)) {
        profile_resize(span, before, size, frame);
        return (void *)span->start;
    }
    if (size <= SMALL_MAX)
        return NULL;
    growth_drop(span);
    struct heap *heap = load_rlx(&span->heap);
    struct span *same = NULL;
    if (heap == NULL || !span->arena->huge) /* else a move would have to be seen by its heap's list */
        same = large_resize(span, size, os_now_ms());
    if (same == NULL)
        return stays(size, before) ? (void *)span->start : NULL;
    if (unlikely(options.profile != 0))
        profile_resize(span, before, size, frame);
    background_poke_for(size);
    return (void *)span->start;
}

/* What it would give back is worth neither a lock nor, in an arena of its own, a call to the system. */
ARCA_INLINE bool shrinks_little(size_t size, size_t usable)
{
    return usable - size < SLICE_SIZE || usable - size < usable / 8;
}

/* As it is, or into its room, where no profile wants to know. */
static bool large_fits(struct span *span, size_t size)
{
    size_t usable = load_rlx(&span->large_size);
    if (size <= usable || load_rlx(&span->holder) == 0)
        return stays(size, usable) && shrinks_little(size, usable) && (size > SMALL_MAX || usable <= SMALL_MAX);
    return likely(options.profile == 0) && grow_into_room(span, size);
}

/* A block that has moved so often in a row, and no other in between, is going to grow on. */
#define GROWTH_MOVES 4
/* Up to here it gets a block of nearly twice its size; beyond, a span, with room that takes no memory before it is used,
 * and if it is small still, only where the heap's last one became large: those that stay small would keep a slice each. */
#define GROWTH_BLOCK_MAX OS_PAGE_SIZE

/* frame: of the function that the program called. */
static void *growing_alloc(size_t size, const void *frame)
{
    struct span *span = NULL;
    process_after_fork();
    struct heap *heap = size < LARGE_MOVABLE_MIN ? thread_enter(&thread_door) : NULL;
    if (heap != NULL) {
        heap_note_slow_op(heap);
        if (size > SMALL_MAX / 2 || heap->grows_far)
            span = growth_start(heap, size);
        door_leave(&thread_door);
    } else if (size >= LARGE_MOVABLE_MIN) {
        span = large_create_movable(size);
    }
    background_poke_for(size);
    if (unlikely(span == NULL))
        return malloc_for(size, frame);
    if (unlikely(options.profile != 0))
        profile_large((void *)span->start, size, frame);
    return (void *)span->start;
}

/* Of the largest class whose blocks are less than twice as large: shrinking a block to this size would leave it there. */
static size_t size_below_twice(size_t size)
{
    unsigned class = size_class_of(2 * size);
    return size_classes[class].block_size / 2 < size ? size_classes[class].block_size : size_classes[class - 1].block_size;
}

/* A larger place for a block.  A profile counts a small one with its room: to see each step it would have to move each time. */
static void *grow_elsewhere(const void *block, size_t size, const void *frame)
{
    static ARCA_TLS struct {
        const void *block; /* that was moved last */
        unsigned moves;
    } last;
    void *fresh;
    last.moves = last.block == block ? last.moves + 1 : 1;
    if (size >= LARGE_MOVABLE_MIN && likely(!hardening.on))
        fresh = growing_alloc(size, frame);
    else if (last.moves < GROWTH_MOVES || size > GROWTH_BYTES / 2)
        fresh = malloc_for(size, frame);
    else if (unlikely(hardening.on))
        fresh = size >= GROWING_MIN && size <= GROWING_MAX ? hardened_alloc_growing(size, size_below_twice(size)) : malloc_for(size, frame);
    else if (size <= GROWTH_BLOCK_MAX / 2)
        fresh = malloc_for(size_below_twice(size), frame);
    else
        fresh = growing_alloc(size, frame);
    last.block = fresh;
    return fresh;
}

static void *alloc_elsewhere(const struct span *span, const void *block, size_t old, size_t size, const void *frame)
{
    struct heap *owner = load_rlx(&span->heap);
    if (unlikely(owner != NULL && owner->explicit_heap))
        return arca_heap_malloc((arca_heap *)owner, size);
    return size > old ? grow_elsewhere(block, size, frame) : malloc_for(size, frame);
}

/* frame: as in malloc_any(). */
ARCA_NOINLINE static void *move_block(struct span *span, void *block, size_t size, const void *frame)
{
    size_t old = pointer_usable("realloc", span, block);
    void *fresh = alloc_elsewhere(span, block, old, size, frame != NULL ? frame : ARCA_FRAME());
    if (likely(fresh != NULL)) {
        memcpy(fresh, block, old < size ? old : size);
        free_fast(block);
    }
    return fresh;
}

ARCA_NOINLINE static void *realloc_slow(void *block, size_t size)
{
    ARCA_KEEP_FRAME();
    if (unlikely(hardening.on) && size != 0 && hardened_resize_fast(block, size))
        return block;
    process_after_fork();
    struct span *span = pointer_span("realloc", block);
    if (size == 0) {
        free_fast(block);
        return NULL;
    }
    void *same = load_rlx(&span->kind) != SPAN_LARGE ? NULL
                 : unlikely(span->hardened)          ? hardened_resize_large(span, size)
                                                     : resize_large(span, size, ARCA_FRAME());
    return same != NULL ? same : move_block(span, block, size, ARCA_FRAME());
}

/* Small blocks that need not move, or that grow, and large ones that grow into their room, come by no lock.  Lua and
 * other languages know no other way to a new block. */
void *arca_realloc(void *block, size_t size)
{
    if (block == NULL)
        return malloc_fast(size);
    struct span *span = page_map_find((uintptr_t)block);
    if (unlikely(span == NULL || size == 0))
        return realloc_slow(block, size);
    if (pool_is_block(span, (uintptr_t)block) && !block_is_marked(block) && !span->objects) {
        bool fits = size <= span->block_size && (size > span->block_size / 2 || span->block_size <= BLOCK_ALIGN);
        return fits ? block : move_block(span, block, size, NULL);
    }
    if (span->start == (uintptr_t)block && load_rlx(&span->kind) == SPAN_LARGE && !span->hardened && large_fits(span, size))
        return block;
    return realloc_slow(block, size);
}

void *arca_reallocarray(void *block, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return arca_realloc(block, bytes);
}
