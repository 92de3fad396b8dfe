/* Blocks for objects. */
#include "front/objects.h"

#include "arenas/arena.h"
#include "arenas/large.h"
#include "base/poison.h"
#include "front/background.h"
#include "front/process.h"
#include "front/supply.h"
#include "front/thread.h"
#include "heap/retired.h"
#include "heap/watch.h"

#include <errno.h>
#include <string.h>

static void *object_small_try(unsigned class)
{
    struct heap *heap = thread_enter(&object_door);
    struct block *block;
    if (heap == NULL && thread_earn_object_heap())
        heap = thread_enter(&object_door);
    if (likely(heap != NULL)) {
        block = supply_block(heap, class);
        door_leave(&object_door);
        return block;
    }
    heap = thread_shared_heap_lock(true);
    if (heap == NULL)
        return NULL;
    block = supply_block(heap, class);
    store_rlx(&heap->swept, false);
    lock_release(&heap->lock);
    return block;
}

static void *object_large_try(size_t size)
{
    bool zeroed;
    process_start();
    struct span *span = large_create(size, 1, &zeroed);
    if (span == NULL)
        return NULL;
    if (!zeroed)
        memset((void *)span->start, 0, size);
    block_init((struct block *)span->start, true);
    store_rlx(&span->side, NULL);
    store_rlx(&span->young, true);
    large_make_object(span);
    watch_add(1, (int64_t)span_bytes(span));
    return (void *)span->start;
}

static void *object_own_try(struct heap *heap, unsigned class)
{
    struct block *block = NULL;
    lock_acquire(&heap->lock);
    store_rlx(&heap->swept, false);
    if (load_rlx(&heap->state) == HEAP_SHARED)
        block = supply_block(heap, class);
    lock_release(&heap->lock);
    return block;
}

static void *object_block_try(struct heap *own, size_t size)
{
    if (size > SMALL_MAX)
        return object_large_try(size);
    return own != NULL ? object_own_try(own, size_class_of(size)) : object_small_try(size_class_of(size));
}

ARCA_NOINLINE static void *object_alloc_slow(struct heap *own, size_t size)
{
    void *block = NULL;
    process_start(); /* the class table */
    process_after_fork();
    for (int attempt = 0; attempt < 2 && block == NULL && size <= PTRDIFF_MAX; attempt++) {
        if (attempt != 0)
            supply_reclaim();
        block = object_block_try(own, size);
    }
    if (block != NULL)
        unpoison(block, bits_round_up(size, BLOCK_ALIGN));
    else
        errno = ENOMEM;
    background_poke();
    return block;
}

void *object_alloc(size_t size)
{
    if (likely(size <= SMALL_MAX)) {
        struct heap *heap = door_enter(&object_door);
        struct block *block = bin_pop(bin_at(heap, bin_place_of(size)));
        door_leave(&object_door);
        if (likely(block != NULL)) {
            unpoison(block, bits_round_up(size, BLOCK_ALIGN));
            return block;
        }
    }
    return object_alloc_slow(NULL, size);
}

struct heap *object_heap_create(void)
{
    process_start();
    process_after_fork();
    return heap_create_shared(true, true);
}

struct heap *object_heap_after_fork(struct heap *heap)
{
    process_after_fork();
    struct heap *fresh = load_rlx(&heap->state) == HEAP_DEAD ? object_heap_create() : NULL;
    return fresh != NULL ? fresh : heap;
}

void *object_alloc_own(struct heap *heap, size_t size)
{
    return object_alloc_slow(heap, size);
}

/* ---- free ------------------------------------------------------------------------------------------- */

/* The header stays readable: stale readers and the free list want it. */
ARCA_INLINE void poison_body(const struct span *span, struct block *block)
{
#ifdef POISON_ON
    size_t bytes = load_rlx(&span->kind) == SPAN_OBJECT ? load_rlx(&span->large_size) : span->block_size;
    poison(block + 1, bytes - sizeof *block);
#endif
    (void)span;
    (void)block;
}

ARCA_INLINE void forget_age(struct span *span, const struct block *block)
{
    struct span_side *side = load_acq(&span->side); /* P:side acquire: with who makes it */
    if (side != NULL)
        store_rlx(&side->ages[pool_index(span, (uint32_t)((uintptr_t)block - span->start))], 0);
}

static void object_own_free(struct heap *heap, struct span *pool, struct block *block)
{
    lock_acquire(&heap->lock);
    if (load_rlx(&heap->state) == HEAP_SHARED) { /* else it was lost in a fork, and the block with it */
        heap_put(heap, pool, block);
        store_rlx(&heap->swept, false);
    }
    lock_release(&heap->lock);
}

ARCA_NOINLINE static void object_free_slow(struct span *span, struct block *block)
{
    int saved = errno;
    process_after_fork();
    struct heap *owner = load_rlx(&span->heap), *heap;
    if (load_rlx(&span->kind) == SPAN_OBJECT) {
        watch_add(-1, -(int64_t)span_bytes(span));
        retired_add(span);
    } else if (owner->explicit_heap) {
        object_own_free(owner, span, block);
    } else if ((heap = thread_enter(&object_door)) == NULL) {
        heap_push_remote(owner, block, span->block_size);
    } else {
        if (heap == owner)
            heap_put(heap, span, block);
        else
            heap_send(heap, owner, block, span->block_size);
        door_leave(&object_door);
    }
    background_poke();
    errno = saved;
}

void object_free(void *address)
{
    struct heap *heap = door_enter(&object_door);
    struct span *pool = page_map_find((uintptr_t)address);
    struct block *block = address;
    poison_body(pool, block);
    forget_age(pool, block);
    /* A large object's span has no heap, and the sentinel owns nothing. */
    if (likely(load_rlx(&pool->heap) == heap)) {
        struct bin *bin = &heap->bins[pool->size_class];
        if (likely(bin->room > 0)) {
            bin_push(bin, block);
            if (!load_rlx(&pool->young))
                store_rlx(&pool->young, true);
            door_leave(&object_door);
            return;
        }
    }
    door_leave(&object_door);
    object_free_slow(pool, block);
}

/* ---- free, many at a time ------------------------------------------------------------------------------ */

static void object_own_put_run(struct heap *heap, struct block *first)
{
    lock_acquire(&heap->lock);
    if (load_rlx(&heap->state) == HEAP_SHARED) {
        heap_put_run(heap, first);
        store_rlx(&heap->swept, false);
    }
    lock_release(&heap->lock);
}

void object_batch_end(struct object_batch *batch)
{
    if (batch->count == 0)
        return;
    process_after_fork();
    struct heap *owner = load_rlx(&batch->pool->heap);
    struct heap *heap = owner->explicit_heap ? NULL : thread_enter(&object_door);
    block_set_next(batch->last, NULL);
    store_rlx(&batch->pool->young, true);
    if (owner->explicit_heap)
        object_own_put_run(owner, batch->first);
    else if (heap == owner)
        heap_put_run(heap, batch->first);
    else
        heap_push_remote_run(owner, batch->first, batch->last, batch->count, batch->pool->block_size);
    if (heap != NULL)
        door_leave(&object_door);
    batch->count = 0;
    background_poke();
}

/* The blocks from the first on that are of the batch's pool; returns how many. */
static size_t batch_run(struct object_batch *batch, void *const *blocks, size_t count)
{
    struct span *pool = batch->pool;
    struct span_side *side = load_acq(&pool->side); /* P:side acquire: with who makes it */
    uintptr_t extent = pool_extent(pool);
    size_t i = 0;
    for (; i < count && (uintptr_t)blocks[i] - pool->start < extent; i++) {
        struct block *block = blocks[i];
        poison_body(pool, block);
        if (likely(side != NULL))
            store_rlx(&side->ages[pool_index(pool, (uint32_t)((uintptr_t)block - pool->start))], 0);
        block_set_next(batch->last, block);
        batch->last = block;
    }
    batch->count += (uint32_t)i;
    return i;
}

void object_batch_free(struct object_batch *batch, void *const *blocks, size_t count)
{
    size_t done = batch->count != 0 ? batch_run(batch, blocks, count) : 0;
    while (done < count) {
        struct block *block = blocks[done];
        struct span *pool = page_map_find((uintptr_t)block);
        object_batch_end(batch);
        if (load_rlx(&pool->kind) == SPAN_POOL) {
            *batch = (struct object_batch){ pool, block, block, 0 };
            done += batch_run(batch, blocks + done, count - done);
        } else {
            object_free(block);
            done++;
        }
    }
}

/* ---- free, a pool at a time ------------------------------------------------------------------------------ */

static void poison_bodies(const struct span *pool)
{
#ifdef POISON_ON
    for (uint32_t i = 0; i < pool->capacity; i++)
        poison_body(pool, pool_block(pool, i));
#endif
    (void)pool;
}

static void object_own_put_pool(struct heap *heap, struct span *pool)
{
    lock_acquire(&heap->lock);
    if (load_rlx(&heap->state) == HEAP_SHARED) {
        heap_put_pool(heap, pool);
        store_rlx(&heap->swept, false);
    }
    lock_release(&heap->lock);
}

void object_free_pool(struct span *pool)
{
    process_after_fork();
    poison_bodies(pool);
    store_rlx(&pool->lost, true);
    struct heap *owner = load_rlx(&pool->heap);
    struct heap *heap = owner->explicit_heap ? NULL : thread_enter(&object_door);
    if (owner->explicit_heap)
        object_own_put_pool(owner, pool);
    else if (heap == owner)
        heap_put_pool(heap, pool);
    else
        heap_push_remote_pool(owner, pool);
    if (heap != NULL)
        door_leave(&object_door);
    background_poke();
}

void object_return_retired(struct span *list)
{
    for (struct span *span = list; span != NULL; span = span->next)
        unpoison((void *)span->start, span_bytes(span));
    retired_return(list);
    background_poke();
}

/* ---- looking ------------------------------------------------------------------------------------------ */

void *object_find(uintptr_t address)
{
    struct span *span = object_span(address);
    if (span == NULL)
        return NULL;
    if (load_rlx(&span->kind) == SPAN_OBJECT)
        return (void *)span->start;
    uintptr_t start = address - (address - span->start) % span->block_size;
    return pool_is_block(span, start) ? (void *)start : NULL;
}

/* Spans of objects from one slice of an arena on, and where to go on. */
#define WALK_SPANS 64

static unsigned collect_spans(struct arena *arena, uint32_t *slice, struct span **spans)
{
    unsigned count = 0;
    lock_acquire(&arenas.lock);
    uint32_t i = *slice;
    for (; i < arena->slices && count < WALK_SPANS; i++) {
        struct span *span = &arena->spans[i];
        enum span_kind kind = load_acq(&span->kind); /* P:large object acquire: with large_make_object */
        bool pool = kind == SPAN_POOL && load_acq(&span->heap) != NULL && span->objects; /* P:pool acquire: with pool_publish */
        bool lost = pool && load_acq(&span->lost); /* P:lost acquire: with pool_put_all */
        if ((pool && !lost) || kind == SPAN_OBJECT)
            spans[count++] = span;
        if (kind != SPAN_FREE)
            i += span->slices - 1;
        if (arena->huge)
            i = arena->slices;
    }
    *slice = i;
    lock_release(&arenas.lock);
    return count;
}

void object_walk(void (*visit)(struct span *span, void *context), void *context)
{
    struct span *spans[WALK_SPANS];
    for (struct arena *a = load_acq(&arenas.all); a != NULL; a = a->all_next) { /* P:arena record acquire: with arena_take_record */
        unsigned count;
        for (uint32_t slice = 0; (count = collect_spans(a, &slice, spans)) != 0;) {
            for (unsigned i = 0; i < count; i++)
                visit(spans[i], context);
        }
    }
}

struct span *object_span(uintptr_t address)
{
    struct span *span = page_map_find(address);
    if (span == NULL)
        return NULL;
    if (load_acq(&span->kind) == SPAN_OBJECT) /* P:large object acquire: with large_make_object */
        return span;
    bool pool = load_rlx(&span->kind) == SPAN_POOL && load_acq(&span->heap) != NULL && span->objects; /* P:pool acquire: with pool_publish */
    return pool ? span : NULL;
}
