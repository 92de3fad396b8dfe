/* Canaries, guard pages and a quarantine around the heaps of threads. */
#include "front/hardened.h"

#include "arenas/large.h"
#include "arenas/page_map.h"
#include "front/background.h"
#include "front/process.h"
#include "front/supply.h"
#include "front/thread.h"

#include <errno.h>

/* ---- the heap of the thread, or the shared one ------------------------------------------------------ */

struct visit {
    struct heap *heap; /* NULL without memory */
    uint32_t slow_ops;
};

static struct visit visit_begin(void)
{
    struct heap *heap = thread_enter_earned();
    if (unlikely(heap == NULL))
        heap = thread_shared_heap_lock(false);
    return (struct visit){ heap, heap == NULL ? 0 : load_rlx(&heap->slow_ops) };
}

static void visit_end(struct visit visit)
{
    bool slow = load_rlx(&visit.heap->slow_ops) != visit.slow_ops;
    if (likely(visit.heap == thread_door.own)) {
        door_leave(&thread_door);
    } else {
        store_rlx(&visit.heap->swept, false);
        lock_release(&visit.heap->lock);
    }
    if (unlikely(slow))
        background_poke();
}

/* ---- small blocks ---------------------------------------------------------------------------------- */

static uint64_t shuffle_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* Its first two blocks change places, or do not: only where its two chains are of one length. */
static void shuffle_bin(struct bin *bin, uint64_t *random)
{
    if (bin_count(bin) % 2 == 0 && shuffle_random(random) >> 63) {
        uintptr_t head = bin->head;
        bin->head = bin->second;
        bin->second = head;
    }
}

/* The size to ask of a class: more than the least block, so that the bin of that stays empty, and the fast path finds
 * nothing for malloc(0). */
static size_t small_bytes(size_t size)
{
    return size <= BLOCK_ALIGN - TRAILER_BYTES ? BLOCK_ALIGN + 1 : size + TRAILER_BYTES;
}

static struct block *small_try_hardened(unsigned class)
{
    struct visit visit = visit_begin();
    struct heap *heap = visit.heap;
    if (unlikely(heap == NULL))
        return NULL;
    if (unlikely(heap->quarantine.blocks == NULL))
        quarantine_open(&heap->quarantine);
    shuffle_bin(&heap->bins[class], &heap->quarantine.random);
    struct block *block = supply_block(heap, class);
    visit_end(visit);
    return block;
}

static void *small_finish(struct block *block, size_t size)
{
    const struct span *pool = page_map_find((uintptr_t)block);
    fresh_fill(block, size);
    if (likely(pool->hardened)) /* not of a pool from before the options were read */
        trailer_write(block, pool->block_size, size);
    return block;
}

/* What the thread's own bin has: as lean as it can be. */
void *hardened_malloc(size_t size)
{
    if (likely(size <= SMALL_MAX - TRAILER_BYTES)) {
        struct heap *heap = door_enter(&thread_door); /* the sentinel's bins are empty */
        struct bin *bin = bin_at(heap, bin_place_of(small_bytes(size)));
        if (likely(bin->head != 0))
            shuffle_bin(bin, &heap->quarantine.random);
        struct block *block = bin_take(bin);
        door_leave(&thread_door);
        if (likely(block != NULL))
            return small_finish(block, size);
    }
    return hardened_alloc(1, size);
}

/* Blocks leave the quarantine for one that comes. */
static void keep_back(struct heap *heap, struct span *pool, struct block *block)
{
    struct quarantine *quarantine = &heap->quarantine;
    if (unlikely(hardening.quarantine == 0 || quarantine->blocks == NULL)) {
        heap_take_back(heap, pool, block);
        return;
    }
    while (!quarantine_is_empty(quarantine) && quarantine_is_full(quarantine, pool->block_size)) {
        struct span *old_pool;
        struct block *old = quarantine_leave(quarantine, &old_pool);
        heap_take_back(heap, old_pool, old);
    }
    quarantine_add(quarantine, block, pool->block_size);
}

ARCA_NOINLINE static void keep_back_slow(struct span *pool, struct block *block)
{
    struct visit visit = visit_begin();
    if (unlikely(visit.heap == NULL)) {
        heap_push_remote(load_rlx(&pool->heap), block, pool->block_size);
        return;
    }
    keep_back(visit.heap, pool, block);
    visit_end(visit);
}

static void small_free_hardened(struct span *pool, struct block *block)
{
    trailer_read("free", block, pool->block_size);
    freed_fill(block, pool->block_size);
    struct heap *heap = door_enter(&thread_door);
    if (likely(heap != &heap_sentinel)) {
        uint32_t slow_ops = load_rlx(&heap->slow_ops);
        keep_back(heap, pool, block);
        bool slow = load_rlx(&heap->slow_ops) != slow_ops;
        door_leave(&thread_door);
        if (unlikely(slow))
            background_poke();
    } else {
        door_leave(&thread_door);
        keep_back_slow(pool, block);
    }
}

/* ---- large blocks ---------------------------------------------------------------------------------- */

/* Freed, without memory, and not to be touched: a write to one ends the process. */
#define LARGE_KEPT 64

static struct {
    struct lock lock; /* only tried, so that one that was held in a fork costs no more than the rest of this */
    uint32_t next;
    struct span *spans[LARGE_KEPT];
} large_quarantine;

static size_t data_bytes(const struct span *span)
{
    return bits_round_up(load_rlx(&span->large_size), OS_PAGE_SIZE);
}

static void *large_try_hardened(size_t align, size_t size)
{
    bool zeroed;
    struct span *span = large_create((size != 0 ? size : 1) + OS_PAGE_SIZE, align, &zeroed);
    if (span == NULL)
        return NULL;
    span->hardened = true;
    store_rlx(&span->large_size, size);
    size_t data = data_bytes(span);
    span->guarded = guard_put(span->start + data, span_bytes(span) - data);
    canary_write((void *)span->start, data, size);
    return (void *)span->start;
}

static struct span *large_exchange(struct span *span)
{
    if (!lock_try(&large_quarantine.lock))
        return span;
    uint32_t place = large_quarantine.next++ % LARGE_KEPT;
    struct span *old = large_quarantine.spans[place];
    large_quarantine.spans[place] = span;
    lock_release(&large_quarantine.lock);
    return old;
}

/* Who frees it again is told; its memory is gone meanwhile. */
static void large_lay_aside(struct span *span)
{
    page_map_set(span->start, 1, NULL);
    store_rlx(&span->large_size, 0);
    os_purge((void *)span->start, span_bytes(span));
}

/* All of it may be used again.  One that the kernel has no room for now, which costs it a mapping, waits in the
 * quarantine for another try. */
static void large_release(struct span *span)
{
    for (unsigned tries = 0; span != NULL && tries < 2; tries++) {
        if (!span->guarded || guard_remove(span->start, span_bytes(span))) {
            large_destroy(span, os_now_ms());
            return;
        }
        large_lay_aside(span);
        span = large_exchange(span);
    }
}

static void large_free_hardened(struct span *span)
{
    canary_check("free", (void *)span->start, data_bytes(span), load_rlx(&span->large_size));
    if (hardening.quarantine != 0) {
        large_lay_aside(span);
        if (span->guarded)
            os_protect((void *)span->start, span_bytes(span), false);
        span = large_exchange(span);
    }
    large_release(span);
    background_poke();
}

/* ---- both -------------------------------------------------------------------------------------------- */

/* 0 where no class has such blocks. */
static size_t small_size(size_t align, size_t size)
{
    if (size > SMALL_MAX - TRAILER_BYTES)
        return 0;
    return align <= BLOCK_ALIGN ? small_bytes(size) : supply_aligned_size(align, small_bytes(size));
}

void *hardened_alloc(size_t align, size_t size)
{
    void *block = NULL;
    size_t small = small_size(align, size);
    process_start();
    process_after_fork();
    for (int attempt = 0; attempt < 2 && block == NULL && size <= PTRDIFF_MAX && align <= PTRDIFF_MAX / 2 + 1; attempt++) {
        if (attempt != 0)
            supply_reclaim();
        block = small != 0 ? (void *)small_try_hardened(size_class_of(small)) : large_try_hardened(align, size);
    }
    if (block == NULL)
        errno = ENOMEM;
    else if (small != 0)
        return small_finish(block, size);
    background_poke();
    return block;
}

void hardened_free(struct span *span, void *block)
{
    if (load_rlx(&span->kind) == SPAN_LARGE)
        large_free_hardened(span);
    else
        small_free_hardened(span, block);
}

/* A small block with nothing wrong about it: the same, without a second look at anything. */
bool hardened_free_fast(void *address)
{
    struct span *pool = page_map_find((uintptr_t)address);
    if (unlikely(pool == NULL) || unlikely(load_rlx(&pool->kind) != SPAN_POOL) || unlikely(!pool->hardened) ||
        unlikely(!pool_is_carved_block(pool, (uintptr_t)address)) || unlikely(block_is_marked(address)))
        return false;
    process_after_fork();
    small_free_hardened(pool, address);
    return true;
}

size_t hardened_size(const char *function, const struct span *span, const void *block)
{
    if (load_rlx(&span->kind) != SPAN_LARGE)
        return trailer_read(function, block, span->block_size);
    canary_check(function, block, data_bytes(span), load_rlx(&span->large_size));
    return load_rlx(&span->large_size);
}

bool hardened_resize(struct span *span, void *block, size_t size)
{
    bool large = load_rlx(&span->kind) == SPAN_LARGE;
    size_t room = large ? data_bytes(span) : span->block_size - TRAILER_BYTES;
    hardened_size("realloc", span, block);
    if (size > room || size <= room / 2)
        return false;
    if (large) {
        store_rlx(&span->large_size, size);
        canary_write(block, room, size);
    } else {
        trailer_write(block, span->block_size, size);
    }
    return true;
}
