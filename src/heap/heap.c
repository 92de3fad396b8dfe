/* Refill, flush, send: what the slow paths do inside one heap. */
#include "heap/heap.h"

#include "arenas/arena.h"
#include "arenas/page_map.h"
#include "base/log.h"
#include "heap/harden.h"
#include "heap/retired.h"
#include "heap/watch.h"

struct heap heap_sentinel ARCA_SPARSE;

/* ---- pools of a heap ------------------------------------------------------------------------- */

static void unlink_pool(struct heap *heap, struct span *pool)
{
    if (pool->prev != NULL)
        pool->prev->next = pool->next;
    else
        heap->pools[pool->size_class][pool->bucket] = pool->next;
    if (pool->next != NULL)
        pool->next->prev = pool->prev;
    pool->next = pool->prev = NULL;
    pool->bucket = BUCKET_NONE;
}

static void link_pool(struct heap *heap, struct span *pool, unsigned bucket)
{
    struct span **head = &heap->pools[pool->size_class][bucket];
    pool->bucket = (uint8_t)bucket;
    pool->prev = NULL;
    pool->next = *head;
    if (*head != NULL)
        (*head)->prev = pool;
    *head = pool;
}

static void give_up_pool(struct heap *heap, struct span *pool, uint32_t now_ms)
{
    if (heap->objects)
        retired_add(pool);
    else if (!pool->hardened || pool_soften(pool))
        pool_return(pool, now_ms);
}

ARCA_NOINLINE static void move_pool(struct heap *heap, struct span *pool, unsigned bucket, uint32_t now_ms)
{
    if (pool->bucket != BUCKET_NONE)
        unlink_pool(heap, pool);
    if (bucket != BUCKET_NONE)
        link_pool(heap, pool, bucket);
    else
        give_up_pool(heap, pool, now_ms);
}

/* Puts a pool where its fullness belongs, or back to its arena when it is empty. */
ARCA_INLINE void settle_pool(struct heap *heap, struct span *pool, uint32_t now_ms)
{
    uint32_t used = load_rlx(&pool->used);
    unsigned bucket = !pool_has_room(pool) ? BUCKET_FULL : used == 0 ? BUCKET_NONE : used >> size_classes[pool->size_class].bucket_shift;
    if (unlikely(bucket != pool->bucket) || unlikely(used == 0))
        move_pool(heap, pool, bucket, now_ms);
}

/* Blocks of objects, to be counted together. */
struct batch_count {
    int64_t blocks, bytes;
};

/* The first blocks of a chain that are of one pool go back to it in one piece; returns the rest. */
static struct block *return_run(struct heap *heap, struct block *first, struct batch_count *returned)
{
    struct span *pool = page_map_find((uintptr_t)first);
    struct block *last, *next = first;
    uint32_t count = 0;
    struct heap *owner = pool == NULL ? NULL : load_rlx(&pool->heap);
    if (unlikely(owner == NULL))
        log_abort("free(): %p: double free", (void *)first);
    if (owner != heap) { /* it was borrowed */
        next = block_next(first);
        parcel_add(heap_parcel(heap, owner), &owner->remote, first, pool->block_size);
        return next;
    }
    uintptr_t start = pool->start, extent = pool_extent(pool);
    do {
        last = next;
        next = block_next(last);
        count++;
    } while ((uintptr_t)next - start < extent && count < pool->capacity);
    pool_put(pool, first, last, count);
    returned->blocks += count;
    returned->bytes += (int64_t)count * pool->block_size;
    pool->touched_ms = heap->now_ms;
    ARCA_WALK(pool_check(pool));
    settle_pool(heap, pool, heap->now_ms);
    return next;
}

/* Of two chains in turn: while one is at work, the next block of the other comes from memory. */
static void return_chains(struct heap *heap, struct block *block, struct block *other)
{
    struct batch_count returned = { 0, 0 };
    while (block != NULL) {
        struct block *rest = return_run(heap, block, &returned);
        block = other != NULL ? other : rest;
        other = other != NULL ? rest : NULL;
        __builtin_prefetch(other);
    }
    if (heap->objects && returned.blocks != 0)
        watch_add(-returned.blocks, -returned.bytes);
}

static void return_chain(struct heap *heap, struct block *block)
{
    return_chains(heap, block, NULL);
}

/* A heap that has filled so many pools of a class will fill the next one, too; small processes fault in only
 * what they touch. */
#define POPULATE_AFTER_POOLS 8

static bool populate_worth(const struct heap *heap, unsigned class)
{
    const struct span *pool = heap->pools[class][BUCKET_FULL];
    for (unsigned i = 1; pool != NULL && i < POPULATE_AFTER_POOLS; i++)
        pool = pool->next;
    return pool != NULL;
}

/* The fullest pool with room, or a new one. */
static struct span *find_pool(struct heap *heap, unsigned class)
{
    for (unsigned bucket = BUCKET_FULL; bucket-- > 0;) {
        struct span *pool = heap->pools[class][bucket];
        if (pool != NULL)
            return pool;
    }
    bool zeroed, growing = populate_worth(heap, class);
    uint32_t slices = size_classes[class].slices;
    /* A huge page at once takes a thread milliseconds: too long for one that makes objects. */
    bool ahead = growing && !heap->objects;
    struct span *pool = ahead ? arena_claim_ahead(slices, &zeroed) : arena_claim(slices, 1, SPAN_POOL, &zeroed);
    if (pool != NULL) {
        pool_init(pool, class, heap->objects, zeroed);
        pool->bucket = BUCKET_NONE;
        pool->exclusive |= heap->explicit_heap;
        if (unlikely(hardening.on) && !heap->objects && !heap->explicit_heap)
            pool_harden(pool);
        pool_publish(pool, heap);
        if (growing && zeroed && heap->objects)
            pool_populate_slowly(pool);
        else if (growing && zeroed)
            pool_populate(pool);
    }
    return pool;
}

/* ---- bins ------------------------------------------------------------------------------------ */

static struct block *bin_first(uintptr_t link)
{
    return block_of_link(link, NULL);
}

/* Looked at in one go: bounds what one malloc, or a sweep that its thread waits for, can cost.  Objects come by the
 * thousand from a collector, out of another processor's cache. */
#define REMOTE_PORTION 512
#define REMOTE_PORTION_OBJECTS 64

bool heap_has_remote(struct heap *heap)
{
    return heap->backlog != NULL || !remote_is_empty(&heap->remote);
}

static void take_pool(struct heap *heap, struct span *pool)
{
    pool_put_all(pool);
    pool->touched_ms = heap->now_ms;
    ARCA_WALK(pool_check(pool));
    settle_pool(heap, pool, heap->now_ms);
}

/* A portion of them, or what fills the bin that is wanted: to the bins while they have room, warm as they are.
 * Objects among them were counted off when they were sent; those of a pool that comes as a whole stay so. */
static void take_remote(struct heap *heap, const struct bin *wanted)
{
    if (heap->backlog == NULL)
        heap->backlog = remote_drain(&heap->remote);
    struct block *block = heap->backlog, *rest = NULL;
    int64_t taken = 0, bytes = 0, portion = heap->objects ? REMOTE_PORTION_OBJECTS : REMOTE_PORTION;
    struct batch_count whole = { 0, 0 };
    for (; taken < portion && block != NULL && (wanted == NULL || wanted->room > 0); taken++) {
        struct block *next = block_next(block);
        struct span *pool = page_map_find((uintptr_t)block);
        if (unlikely(pool == NULL || load_rlx(&pool->heap) != heap))
            log_abort("free(): %p: double free", (void *)block);
        if (unlikely(load_rlx(&pool->lost))) {
            whole.blocks++;
            whole.bytes += (int64_t)pool_extent(pool);
            take_pool(heap, pool);
            block = next;
            continue;
        }
        struct bin *bin = &heap->bins[pool->size_class];
        bytes += pool->block_size;
        if (!heap->objects && block_is_roomy(pool->block_size))
            block_ask_for_later(block);
        if (bin->room > 0) {
            bin_push(bin, block);
            if (heap->objects && !load_rlx(&pool->young))
                store_rlx(&pool->young, true);
        } else {
            block_set_next(block, rest);
            rest = block;
        }
        block = next;
    }
    heap->backlog = block;
    return_chain(heap, rest);
    sub_rlx(&heap->remote.bytes, bytes + whole.bytes);
    if (heap->objects && taken != whole.blocks)
        watch_add(taken - whole.blocks, bytes);
}

/* An empty bin, from the free blocks of a pool. */
static uint32_t bin_fill(struct bin *bin, struct span *pool)
{
    struct block *first, *second;
    uint32_t taken = pool_take(pool, bin->batch, &first, &second);
    bin->room = bin->limit - (int32_t)taken;
    bin->head = block_mark(first);
    bin->second = block_link_to(second);
    return taken;
}

struct block *heap_refill(struct heap *heap, unsigned class)
{
    struct bin *bin = &heap->bins[class];
    if (unlikely((bin->head | bin->second) != 0))
        block_broken(NULL);
    heap_note_slow_op(heap);
    heap->refilled[class] = true;
    if (heap_has_remote(heap)) {
        take_remote(heap, bin);
        if (bin->head != 0)
            return heap_pop(heap, class);
    }
    struct span *pool = find_pool(heap, class);
    if (pool == NULL)
        return NULL;
    uint32_t taken = bin_fill(bin, pool);
    if (heap->objects) {
        store_rlx(&pool->young, true);
        watch_add(taken, (int64_t)taken * pool->block_size);
    }
    pool->touched_ms = heap->now_ms;
    ARCA_WALK(pool_check(pool));
    settle_pool(heap, pool, heap->now_ms);
    unsigned batch = bin->batch * 2u, most = size_classes[class].bin_limit / 2u;
    bin->batch = (uint16_t)(batch < most ? batch : most);
    return heap_pop(heap, class);
}

static struct block *cut_chain(struct block *last)
{
    struct block *rest = block_next(last);
    block_set_next(last, NULL);
    return rest;
}

/* A bin that is emptied and overflows again and again serves a program that frees in bursts: room for the burst costs
 * less than the way to the pools and back.  Bounded by class and by thread, and taken back by the next sweep.  Of who
 * frees and frees, small bins go back to the pools while the blocks are in the caches; so do those of bursts for which there is no
 * room, or the blocks that stay would keep all pools from being empty, and their lists in the order of the frees. */
#define BIN_GROWN_BYTES (1u << 20)
#define BIN_GROWN_BLOCKS 32768u
#define HEAP_GROWN_BYTES (4u << 20)

static uint32_t grown_most(unsigned class)
{
    uint32_t most = BIN_GROWN_BYTES / size_classes[class].block_size;
    return most < BIN_GROWN_BLOCKS ? most : BIN_GROWN_BLOCKS;
}

/* A burst half of which has no room.  Not of objects, which a collector frees in bursts of any size beside the program's threads:
 * one that is used to its bins keeps them. */
static bool is_too_much(const struct heap *heap, unsigned class, uint32_t flushed)
{
    return !heap->objects && flushed > grown_most(class);
}

static bool grow_bin(struct heap *heap, struct bin *bin, unsigned class)
{
    uint32_t more = bin->limit, bytes = more * size_classes[class].block_size, flushed = heap->flushed[class];
    bool refilled = heap->refilled[class];
    heap->refilled[class] = false;
    if (!refilled)
        return false;
    heap->flushed[class] = 0;
    if (is_too_much(heap, class, flushed) || 2 * more > grown_most(class) || heap->grown_bytes + bytes > HEAP_GROWN_BYTES)
        return false;
    heap->grown_bytes += bytes;
    bin->limit = (uint16_t)(bin->limit + more);
    bin->room += (int32_t)more;
    return true;
}

/* A flush takes as long as it is large: no more than so many blocks leave a bin at a time, and what is over its limit then leaves
 * with the next frees. */
#define FLUSH_BLOCKS 2048u

static void shrink_bin(struct heap *heap, struct bin *bin, unsigned class)
{
    uint32_t less = bin->limit - size_classes[class].bin_limit;
    heap->grown_bytes -= less * size_classes[class].block_size;
    bin->limit = (uint16_t)(bin->limit - less);
    bin->room -= (int32_t)less;
}

/* So many blocks further on. */
static struct block *go_on(struct block *block, uint32_t count)
{
    while (count-- > 0)
        block = block_next(block);
    return block;
}

/* The younger blocks go where the older half is too much at a time: those are in the caches, too. */
static void flush_younger(struct heap *heap, struct bin *bin, uint32_t of_each)
{
    struct block *first = bin_first(bin->head), *second = bin_first(bin->second);
    bin->head = block_link_to(cut_chain(go_on(first, of_each - 1)));
    bin->second = block_link_to(cut_chain(go_on(second, of_each - 1)));
    return_chains(heap, first, second);
}

static void flush_older(struct heap *heap, struct bin *bin, uint32_t keep_of_each)
{
    struct block *first = go_on(bin_first(bin->head), keep_of_each - 1), *second = go_on(bin_first(bin->second), keep_of_each - 1);
    return_chains(heap, cut_chain(first), cut_chain(second));
}

void heap_flush(struct heap *heap, unsigned class)
{
    struct bin *bin = &heap->bins[class];
    heap_note_slow_op(heap);
    if (grow_bin(heap, bin, class))
        return;
    if (is_too_much(heap, class, heap->flushed[class]) && bin->limit > size_classes[class].bin_limit)
        shrink_bin(heap, bin, class);
    uint32_t keep = bin->limit / 4u, flushed = bin_count(bin) - 2 * keep;
    bool whole = flushed <= FLUSH_BLOCKS;
    flushed = whole ? flushed : FLUSH_BLOCKS;
    heap->flushed[class] += flushed;
    bin->room += (int32_t)flushed;
    if (whole)
        flush_older(heap, bin, keep);
    else
        flush_younger(heap, bin, flushed / 2);
}

void heap_put(struct heap *heap, struct span *pool, struct block *block)
{
    if (heap->objects)
        store_rlx(&pool->young, true);
    if (bin_push(&heap->bins[pool->size_class], block) < 0)
        heap_flush(heap, pool->size_class);
}

void heap_take_back_slow(struct heap *heap, struct block *block)
{
    struct span *pool = page_map_find((uintptr_t)block);
    struct heap *owner = load_rlx(&pool->heap);
    if (owner == heap)
        heap_put(heap, pool, block);
    else
        heap_send(heap, owner, block, pool->block_size);
}

void heap_put_run(struct heap *heap, struct block *first)
{
    heap_note_slow_op(heap);
    return_chain(heap, first);
}

void heap_put_pool(struct heap *heap, struct span *pool)
{
    heap_note_slow_op(heap);
    watch_add(-(int64_t)pool->capacity, -(int64_t)pool_extent(pool));
    take_pool(heap, pool);
}

/* ---- remote frees ----------------------------------------------------------------------------- */

/* Blocks of objects that have left for other heaps, or wait to. */
static void count_sent(struct heap *heap)
{
    if (heap->sent != 0)
        watch_add(-(int64_t)heap->sent, -(int64_t)heap->sent_bytes);
    heap->sent = heap->sent_bytes = 0;
}

void heap_sent(struct heap *heap, bool left, uint32_t block_size)
{
    if (heap->objects) {
        heap->sent_bytes += block_size;
        if (++heap->sent == PARCEL_BLOCKS || left)
            count_sent(heap);
    }
    if (left)
        heap_note_slow_op(heap);
}

void heap_push_remote(struct heap *heap, struct block *block, uint32_t block_size)
{
    if (heap->objects)
        watch_add(-1, -(int64_t)block_size);
    add_rlx(&heap->remote.bytes, (int64_t)block_size);
    remote_push(&heap->remote, block, block);
}

void heap_push_remote_run(struct heap *heap, struct block *first, struct block *last, uint32_t count, uint32_t block_size)
{
    watch_add(-(int64_t)count, -(int64_t)count * block_size);
    add_rlx(&heap->remote.bytes, (int64_t)count * block_size);
    remote_push(&heap->remote, first, last);
}

void heap_push_remote_pool(struct heap *heap, struct span *pool)
{
    struct block *first = pool_block(pool, 0);
    heap_push_remote_run(heap, first, first, pool->capacity, pool->block_size);
}

void heap_cut_growing(struct heap *heap)
{
    struct span *span = heap->growing;
    if (span == NULL)
        return;
    heap->grows_far = load_rlx(&span->large_size) > SMALL_MAX; /* by chance that of who has got the span meanwhile */
    arena_cut(span, heap->index + 1, heap->now_ms);
    heap->growing = NULL;
}

void heap_flush_bins(struct heap *heap)
{
    for (unsigned class = 0; class < SIZE_CLASSES; class++) {
        struct bin *bin = &heap->bins[class];
        struct block *head = bin_first(bin->head), *second = bin_first(bin->second);
        bin->head = bin->second = 0;
        bin->limit = size_classes[class].bin_limit;
        bin->room = bin->limit;
        bin->batch = 1;
        heap->flushed[class] = 0;
        return_chains(heap, head, second);
    }
    for (unsigned i = 0; i < PARCELS; i++)
        parcel_leave(&heap->parcels[i]);
    count_sent(heap);
    heap->grown_bytes = 0;
    heap_cut_growing(heap);
    span_cache_flush(&heap->spares, heap->now_ms);
}

bool heap_flush_all(struct heap *heap)
{
    for (heap_flush_bins(heap); heap_has_remote(heap) && !lock_is_wanted(&heap->lock); heap_flush_bins(heap))
        take_remote(heap, NULL);
    return !heap_has_remote(heap);
}

void heap_take_remote(struct heap *heap)
{
    while (heap_has_remote(heap) && !lock_is_wanted(&heap->lock))
        take_remote(heap, NULL);
}

/* ---- checks --------------------------------------------------------------------------------------- */

static uint32_t check_chain(const struct heap *heap, const struct block *block, unsigned class)
{
    uint32_t count = 0;
    for (; block != NULL; block = block_next(block), count++) {
        const struct span *pool = page_map_find((uintptr_t)block);
        bool marked = heap->objects || block->mark == block_mark(block);
        const struct heap *owner = pool == NULL ? NULL : load_rlx(&pool->heap);
        bool strict = heap->explicit_heap || heap->objects || owner == NULL || owner->explicit_heap || owner->objects;
        if (!marked || (strict && owner != heap) || pool->size_class != class)
            log_abort("check: heap %u: block %p does not belong into its bin", heap->index, (const void *)block);
    }
    return count;
}

void heap_check(struct heap *heap)
{
    span_cache_check(&heap->spares);
    for (unsigned class = 0; class < SIZE_CLASSES; class++) {
        const struct bin *bin = &heap->bins[class];
        uint32_t count = check_chain(heap, bin_first(bin->head), class) + check_chain(heap, bin_first(bin->second), class);
        if (count != bin_count(bin))
            log_abort("check: heap %u: bin of class %u has %u blocks, counted %u", heap->index, class, count, bin_count(bin));
        for (unsigned bucket = 0; bucket < POOL_BUCKETS; bucket++) {
            for (struct span *pool = heap->pools[class][bucket]; pool != NULL; pool = pool->next) {
                if (pool->bucket != bucket || load_rlx(&pool->heap) != heap || pool_has_room(pool) == (bucket == BUCKET_FULL))
                    log_abort("check: heap %u: pool %p stands in the wrong list", heap->index, (void *)pool->start);
                pool_check(pool);
            }
        }
    }
}
