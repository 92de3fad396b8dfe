/* What a heap has and its thread does not use goes back: from the bins to the pools, and whole pages of pools to the system. */
#include "heap/heap.h"

#include "arenas/arena.h"
#include "arenas/page_map.h"
#include "base/probe.h"
#include "heap/retired.h"

/* Fewer slow operations than this in a window of at least so long: idle enough to lose its bins. */
#define IDLE_SLOW_OPS 32
#define IDLE_WINDOW_MS 50

static void judge_idle(struct heap *heap, uint32_t now_ms)
{
    uint32_t ops = load_rlx(&heap->slow_ops);
    if (now_ms - heap->seen_ms < IDLE_WINDOW_MS)
        return;
    heap->idle = ops - heap->seen_slow_ops < IDLE_SLOW_OPS;
    heap->seen_slow_ops = ops;
    heap->seen_ms = now_ms;
}

static bool pool_trim_due(const struct span *pool, uint32_t now_ms, uint32_t hold_ms)
{
    return (int32_t)(now_ms - pool->touched_ms) >= (int32_t)hold_ms;
}

static size_t purge_batch(struct trim_batch *batch)
{
    size_t bytes = 0;
    if (batch->count == 0)
        return 0;
    for (unsigned i = 0; i < batch->count; i++) {
        bytes += batch->ranges[i].bytes;
        huge_page_break(&page_map_find((uintptr_t)batch->ranges[i].address)->arena->huge_pages, &batch->ranges[i]);
    }
    /* A refusal costs nothing but the memory: uncarved pages promise no zeros. */
    bool done = os_purge_ranges(batch->ranges, batch->count);
    if (done)
        PROBE2(trim, bytes, batch->count);
    batch->count = 0;
    return done ? bytes : 0;
}

/* Trims due pools; *pending tells whether some are left for later. */
static size_t trim_pools(struct heap *heap, uint32_t now_ms, uint32_t hold_ms, bool *pending)
{
    struct trim_batch batch = { .count = 0 };
    size_t bytes = 0;
    for (unsigned class = 0; class < SIZE_CLASSES; class++) {
        for (unsigned bucket = 0; bucket < BUCKET_FULL; bucket++) {
            for (struct span *pool = heap->pools[class][bucket]; pool != NULL; pool = pool->next) {
                if (pool->settled)
                    continue;
                if (!pool_trim_due(pool, now_ms, hold_ms)) {
                    *pending = true;
                    continue;
                }
                if (lock_is_wanted(&heap->lock)) {
                    *pending = true;
                    return bytes + purge_batch(&batch);
                }
                pool_trim(pool, &batch);
                ARCA_WALK(pool_check(pool));
                if (batch.count + TRIM_RANGES_PER_POOL > OS_RANGES_MAX)
                    bytes += purge_batch(&batch);
            }
        }
    }
    return bytes + purge_batch(&batch);
}

/* What was freed is kept back for as long as its thread frees more.  False: something is left. */
static bool flush_quarantine(struct heap *heap)
{
    struct quarantine *quarantine = &heap->quarantine;
    bool busy = quarantine->added != quarantine->seen_added;
    quarantine->seen_added = quarantine->added;
    while (!busy && !quarantine_is_empty(quarantine) && !lock_is_wanted(&heap->lock)) {
        uintptr_t class;
        struct block *block = quarantine_leave(quarantine, &class);
        heap_take_back(heap, class, block);
    }
    return quarantine_is_empty(quarantine);
}

size_t heap_sweep_locked(struct heap *heap, uint32_t now_ms, uint32_t since_ms, uint32_t hold_ms)
{
    judge_idle(heap, now_ms);
    bool pending = !heap->idle;
    if (heap->idle)
        heap_flush_bins(heap); /* as of its last slow operation: the hold began then, not now */
    if (heap_has_remote(heap)) /* these came after the last visit */
        heap->now_ms = since_ms;
    if (heap->idle) {
        pending |= !flush_quarantine(heap);
        pending |= !heap_flush_all(heap);
    } else { /* a thread that never refills does not look at what others return */
        heap_take_remote(heap);
    }
    size_t bytes = 0;
    if (!heap->objects) {
        bytes = trim_pools(heap, now_ms, hold_ms, &pending);
    } else if (lock_try(&retired_window)) {
        bytes = trim_pools(heap, now_ms, hold_ms, &pending);
        if (bytes != 0)
            bump_rlx(&retired_purges, 1u);
        lock_release(&retired_window);
    } else {
        pending = true;
    }
    store_rlx(&heap->swept, !pending);
    return bytes;
}

bool heap_needs_sweep(struct heap *heap)
{
    return !load_rlx(&heap->swept) || !remote_is_empty(&heap->remote);
}
