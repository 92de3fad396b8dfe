/* Canaries, guard pages and a quarantine around the heaps of threads. */
#include "front/hardened.h"

#include "arenas/arena.h"
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

/* The size to ask of a class: more than the least block, which has no room for a trailer. */
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
    struct block *block = supply_block(heap, class);
    visit_end(visit);
    return block;
}

/* Of a pool from before the options were read, too: nobody looks at the trailer there. */
ARCA_NOINLINE static void *small_finish(struct block *block, size_t bytes, size_t size)
{
    block->link = 0;
    trailer_write(block, bytes, size);
    fresh_fill(block, size);
    return block;
}

/* What the thread's own bin has: as lean as it can be. */
void *hardened_malloc(size_t size)
{
    if (likely(size <= SMALL_MAX - TRAILER_BYTES)) {
        struct heap *heap = door_enter(&thread_door); /* the sentinel's bins are empty */
        unsigned place = bin_place_of(small_bytes(size));
        struct bin *bin = bin_at(heap, place);
        struct block *block = bin_take(bin);
        bin_ask(bin); /* it was looked at when it left the quarantine, a while ago */
        door_leave(&thread_door);
        if (likely(block != NULL)) {
            size_t bytes = size_classes[place / BIN_BYTES].block_size;
            block->link = 0; /* it led somewhere */
            if (unlikely(hardening.junk) || unlikely(!trailer_write_fresh(block, bytes, size)))
                return small_finish(block, bytes, size);
            return block;
        }
    }
    return hardened_alloc(1, size);
}

/* Of a quarantine one part of so many leaves at once: then each block waits for its bytes while the next is looked at. */
#define PORTIONS 32

/* A checked block to a bin with room, of whose first two it becomes either: where its two chains get to be of one length. */
static void bin_push_shuffled(struct bin *bin, struct block *block, uint64_t random)
{
    uintptr_t mark = block_mark(block), head = bin->head;
    block->link = bin->second;
    bin->room--;
    uint64_t change = random >> 63 & ~bin_count(bin);
    uintptr_t difference = (head ^ mark) & -(change & 1);
    bin->head = mark ^ difference;
    bin->second = head ^ difference;
}

/* For one block more.  False where none is kept back. */
static bool let_leave(struct heap *heap, size_t bytes)
{
    struct quarantine *quarantine = &heap->quarantine;
    size_t portion = quarantine->limit / PORTIONS, most = quarantine->limit - portion;
    uint64_t random = quarantine->random;
    if (quarantine->limit == 0)
        return false;
    most -= bytes < most ? bytes : most;
    while (quarantine_blocks(quarantine) > QUARANTINE_BLOCKS - QUARANTINE_BLOCKS / PORTIONS || quarantine->bytes > most) {
        uintptr_t class;
        struct block *block = quarantine_leave(quarantine, &class);
        struct bin *bin = &heap->bins[class];
        random = random * 6364136223846793005u + 1442695040888963407u;
        if (likely(bin->room > 0))
            bin_push_shuffled(bin, block, random);
        else
            heap_take_back(heap, class, block);
    }
    quarantine->random = random;
    return true;
}

/* What the thread's own quarantine has no room for. */
ARCA_NOINLINE static void small_free_slow(const struct span *pool, struct block *block)
{
    int saved = errno;
    process_after_fork();
    struct visit visit = visit_begin();
    if (unlikely(visit.heap == NULL)) {
        heap_push_remote(load_rlx(&pool->heap), block, pool->block_size);
    } else {
        if (likely(let_leave(visit.heap, pool->block_size)))
            quarantine_add(&visit.heap->quarantine, block, pool->size_class, pool->block_size);
        else
            heap_take_back(visit.heap, pool->size_class, block);
        visit_end(visit);
    }
    errno = saved;
}

/* Of a small hardened block with nothing wrong about it, by one line of its span; else NULL. */
ARCA_INLINE const struct span *pool_of_live(const void *block)
{
    const struct span *pool = page_map_find((uintptr_t)block);
    if (unlikely(pool == NULL) || unlikely(!pool->hardened))
        return NULL;
    uintptr_t offset = (uintptr_t)block - pool->start;
    if (unlikely(offset * pool->divider >= pool->hardened_bound) ||
        unlikely(load_rlx(&pool->uncarved) >> offset / OS_PAGE_SIZE % 64 & 1) || unlikely(block_is_marked(block)))
        return NULL;
    return pool;
}

/* To the thread's own quarantine. */
ARCA_INLINE void small_keep(const struct span *pool, struct block *block, size_t bytes)
{
    struct heap *heap = door_enter(&thread_door); /* the sentinel's quarantine has no room */
    bool full = quarantine_is_full(&heap->quarantine, bytes);
    if (likely(!full))
        quarantine_add(&heap->quarantine, block, pool->size_class, bytes);
    door_leave(&thread_door);
    if (unlikely(full))
        small_free_slow(pool, block);
}

/* One that was written to behind its end, and one that more has to be done with than the short way has registers for. */
ARCA_NOINLINE static void small_free_any(const struct span *pool, struct block *block)
{
    size_t bytes = pool->block_size;
    if (unlikely(!trailer_is_well(block, bytes)))
        trailer_read("free", block, bytes);
    freed_fill(block, bytes);
    small_keep(pool, block, bytes);
}

void hardened_free(void *address, void (*otherwise)(void *address))
{
    const struct span *pool = pool_of_live(address);
    struct block *block = address;
    if (unlikely(pool == NULL)) {
        otherwise(address);
        return;
    }
    size_t bytes = pool->block_size;
    if (unlikely(hardening.junk) || bytes > FILL_PAIRS * sizeof(pair) || unlikely(!trailer_is_well(block, bytes))) {
        small_free_any(pool, block);
        return;
    }
    freed_fill(block, bytes);
    small_keep(pool, block, bytes);
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
        return small_finish(block, size_classes[size_class_of(small)].block_size, size);
    background_poke();
    return block;
}

void *hardened_alloc_growing(size_t size, size_t room)
{
    unsigned class = size_class_of(room);
    process_after_fork();
    struct block *block = small_try_hardened(class);
    if (unlikely(block == NULL))
        return hardened_malloc(size);
    background_poke();
    return small_finish(block, size_classes[class].block_size, size);
}

void hardened_free_large(struct span *span)
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

bool hardened_size_fast(const char *function, const void *block, size_t *size)
{
    const struct span *pool = pool_of_live(block);
    if (unlikely(pool == NULL))
        return false;
    *size = trailer_read(function, block, pool->block_size);
    return true;
}

size_t hardened_size(const char *function, const struct span *span, const void *block)
{
    if (load_rlx(&span->kind) != SPAN_LARGE)
        return trailer_read(function, block, span->block_size);
    canary_check(function, block, data_bytes(span), load_rlx(&span->large_size));
    return load_rlx(&span->large_size);
}

bool hardened_resize_fast(void *block, size_t size)
{
    const struct span *pool = pool_of_live(block);
    return likely(pool != NULL) && trailer_move("realloc", block, pool->block_size, size);
}

/* As many slices as data and a guard take, with the guard behind data: not while they change. */
static bool large_refit(struct span *span, size_t data)
{
    uint32_t slices = slices_for(data + OS_PAGE_SIZE);
    size_t old_data = data_bytes(span);
    bool guarded = span->guarded, done = true;
    if (guarded && !guard_remove(span->start + old_data, span_bytes(span) - old_data))
        return false;
    if (span->arena->huge)
        done = slices > ARENA_SLICES / 2 && arena_resize_huge(span, slices);
    else if (slices > span->slices)
        done = arena_extend(span, slices);
    else
        arena_shrink(span, slices, os_now_ms());
    if (!done)
        data = old_data;
    span->guarded = guarded && guard_put(span->start + data, span_bytes(span) - data);
    return done;
}

void *hardened_resize_large(struct span *span, size_t size)
{
    size_t old_data = data_bytes(span), data = bits_round_up(size, OS_PAGE_SIZE);
    hardened_size("realloc", span, (void *)span->start);
    if (size <= old_data / 2 || size >> PAGE_MAP_ADDRESS_BITS != 0)
        return NULL;
    if (slices_for(data + OS_PAGE_SIZE) != span->slices) {
        if (!large_refit(span, data))
            return NULL;
    } else if (span->guarded && data > old_data) {
        if (!os_protect((void *)(span->start + old_data), data - old_data, true))
            return NULL;
    } else if (span->guarded && data < old_data) { /* where the kernel refuses, the guard begins where it did */
        os_protect((void *)(span->start + data), old_data - data, false);
    }
    store_rlx(&span->large_size, size);
    canary_write((void *)span->start, data, size);
    return (void *)span->start;
}
