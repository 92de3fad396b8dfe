/* Carving, taking, putting, trimming. */
#include "heap/pool.h"

#include "arenas/arena.h"
#include "arenas/page_map.h"
#include "base/log.h"
#include "heap/harden.h"
#include "heap/size_class.h"

#include <string.h>

#define POOL_BLOCKS_MAX (SLICE_SIZE / BLOCK_ALIGN)

static uint64_t low_mask(unsigned bits)
{
    return bits >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << bits) - 1;
}

/* The pages that a block overlaps, as a mask. */
static uint64_t pages_of_block(const struct span *pool, uint32_t index)
{
    uint32_t offset = index * pool->block_size;
    uint32_t first = offset / OS_PAGE_SIZE, last = (uint32_t)((offset + pool->block_size - 1) / OS_PAGE_SIZE);
    return low_mask(last + 1) & ~low_mask(first);
}

/* The blocks that overlap a page: [*first, *last]. */
static void blocks_of_page(const struct span *pool, unsigned page, uint32_t *first, uint32_t *last)
{
    uint32_t offset = (uint32_t)(page * OS_PAGE_SIZE);
    *first = pool_index(pool, offset);
    *last = pool_index(pool, (uint32_t)(offset + OS_PAGE_SIZE - 1));
    if (*last >= pool->capacity)
        *last = pool->capacity - 1u;
}

void pool_init(struct span *pool, unsigned class, bool objects, bool clean)
{
    const struct size_class *info = &size_classes[class];
    pool->divider = info->divider;
    pool->start_bound = info->start_bound;
    pool->block_size = info->block_size;
    pool->size_class = (uint8_t)class;
    pool->pages = info->pages;
    pool->free_list = NULL;
    pool->free_count = 0;
    store_rlx(&pool->used, 0u);
    pool->capacity = info->capacity;
    pool->objects = pool->exclusive = objects;
    pool->stained = !clean;
    pool->settled = clean;
    pool->portion = 0;
    store_rlx(&pool->put_last, 0);
    store_rlx(&pool->uncarved, low_mask(info->pages));
    store_rlx(&pool->side, NULL);
    store_rlx(&pool->young, false);
    store_rlx(&pool->lost, false);
    pool->next = pool->prev = NULL;
}

void pool_publish(struct span *pool, struct heap *heap)
{
    store_rel(&pool->heap, heap); /* P:pool release: its sizes, to walks that hold the arena lock */
}

bool pool_starts_block(const struct span *pool, uintptr_t address)
{
    uintptr_t offset = address - pool->start;
    return offset * pool->divider < size_classes[pool->size_class].start_bound && offset < pool_extent(pool);
}

static uintptr_t guard_page(const struct span *pool)
{
    return pool->start + span_bytes(pool) - OS_PAGE_SIZE;
}

void pool_harden(struct span *pool)
{
    uint32_t room = (uint32_t)(span_bytes(pool) - OS_PAGE_SIZE);
    pool->hardened = true;
    pool->start_bound = 0;
    pool->capacity = (uint16_t)(room / pool->block_size);
    pool->hardened_bound = (uint32_t)(pool->block_size * pool->divider) * (pool->capacity - 1u) + 1;
    pool->pages = (uint16_t)((pool_extent(pool) + OS_PAGE_SIZE - 1) / OS_PAGE_SIZE);
    store_rlx(&pool->uncarved, low_mask(pool->pages));
    pool->guarded = guard_put(guard_page(pool), OS_PAGE_SIZE);
}

bool pool_soften(struct span *pool)
{
    return !pool->guarded || guard_remove(guard_page(pool), OS_PAGE_SIZE);
}

/* The block that is carved first.  Pools start at multiples of 64 KiB: if all began with their first blocks, the
 * blocks in use of a program that uses few would fight for the same few sets of its caches. */
static uint32_t first_carved(const struct span *pool)
{
    uint32_t mixed = (uint32_t)(pool->start >> SLICE_SHIFT) * 0x85ebca6bu; /* odd, and its multiples spread well */
    if (unlikely(pool->hardened))
        mixed ^= (uint32_t)(block_secret >> 8);
    return (uint32_t)((uint64_t)mixed * pool->capacity >> 32);
}

/* To the end of the free list, which is NULL as long as that is empty; the list stays open. */
static void append(struct span *pool, struct block *end, struct block *block)
{
    if (end != NULL)
        block_set_next(end, block);
    else
        pool->free_list = block;
}

/* [first, end) in an order that nobody foretells. */
static void shuffle_blocks(const struct span *pool, uint32_t first, uint32_t end, uint16_t *order)
{
    for (uint32_t i = first; i < end; i++)
        order[i - first] = (uint16_t)i;
    uint64_t random = os_random() ^ (pool->start + first) * 0x9e3779b97f4a7c15u;
    for (uint32_t i = end - first; i-- > 1;) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        uint32_t other = (uint32_t)((random >> 32) * (i + 1) >> 32);
        uint16_t index = order[i];
        order[i] = order[other];
        order[other] = index;
    }
}

static struct block *carve_block(struct span *pool, struct block *block, struct block *tail)
{
    block_init(block, pool->objects);
    append(pool, tail, block);
    pool->free_count++;
    return block;
}

/* The blocks of [first, end), all of one page, to the end of a list, in the order in which they are handed out. */
static struct block *carve_blocks(struct span *pool, uint32_t first, uint32_t end, struct block *tail)
{
    if (likely(!pool->hardened)) {
        for (uint32_t i = first; i < end; i++)
            tail = carve_block(pool, pool_block(pool, i), tail);
        return tail;
    }
    uint16_t order[OS_PAGE_SIZE / BLOCK_ALIGN + 1];
    shuffle_blocks(pool, first, end, order);
    for (uint32_t i = first; i < end; i++)
        tail = carve_block(pool, pool_block(pool, order[i - first]), tail);
    return tail;
}

/* The blocks of a page that overlap none of the uncarved ones, to the end of a list; from start on, if that is one. */
static struct block *carve_page(struct span *pool, unsigned page, uint64_t uncarved, uint32_t start, struct block *tail)
{
    uint32_t first, last;
    blocks_of_page(pool, page, &first, &last);
    uint32_t end = last + 1;
    if (pages_of_block(pool, last) & uncarved) /* only the outer ones reach beyond the page */
        end--;
    if (first < end && (pages_of_block(pool, first) & uncarved))
        first++;
    if (start <= first || start >= end)
        return carve_blocks(pool, first, end, tail);
    return carve_blocks(pool, first, start, carve_blocks(pool, start, end, tail));
}

/* The uncarved page that comes next, round from that of the block that is carved first. */
static unsigned next_page(const struct span *pool, uint64_t uncarved, uint32_t start)
{
    uint64_t later = uncarved & ~low_mask(start * pool->block_size / OS_PAGE_SIZE);
    return bits_lowest(later != 0 ? later : uncarved);
}

/* For free_fast(), which finds none in a hardened pool. */
static unsigned pool_bin(const struct span *pool)
{
    return pool->hardened ? 0 : bin_place(pool->size_class);
}

/* Turns so many uncarved pages, and as many after them as the first block needs, into free blocks in address order,
 * round from the one that is carved first. */
static void carve(struct span *pool, unsigned pages)
{
    struct block *tail = NULL;
    uint64_t uncarved = load_rlx(&pool->uncarved);
    uint32_t start = first_carved(pool);
    assert(pool->free_list == NULL);
    for (; uncarved != 0 && (pages != 0 || pool->free_count == 0); pages -= pages != 0) {
        unsigned page = next_page(pool, uncarved, start);
        uncarved &= ~((uint64_t)1 << page);
        tail = carve_page(pool, page, uncarved, start, tail);
    }
    if (tail != NULL)
        block_set_next(tail, NULL);
    page_map_set_bins(pool, load_rlx(&pool->uncarved) & ~uncarved, pool_bin(pool));
    store_rel(&pool->uncarved, uncarved); /* P:carve release: first words of blocks, to pool_uncarved */
}

bool pool_is_carved(uint64_t uncarved, const struct span *pool, uint32_t index)
{
    return !(pages_of_block(pool, index) & uncarved);
}

void pool_populate(struct span *pool)
{
    os_populate((void *)pool->start, pool->pages * OS_PAGE_SIZE);
    carve(pool, pool->pages);
    pool->settled = false;
}

/* In a virtual machine a page takes a microsecond and more: so few that nobody waits long for a block. */
#define PORTION_PAGES 4

void pool_populate_slowly(struct span *pool)
{
    pool->portion = (uint8_t)(PORTION_PAGES + pool->block_size / OS_PAGE_SIZE);
}

static void carve_portion(struct span *pool)
{
    uint64_t uncarved = load_rlx(&pool->uncarved);
    unsigned page = next_page(pool, uncarved, first_carved(pool)), pages = 1;
    while (pages < pool->portion && page + pages < pool->pages && (uncarved >> (page + pages) & 1) != 0)
        pages++;
    os_populate((void *)(pool->start + page * OS_PAGE_SIZE), pages * OS_PAGE_SIZE);
    carve(pool, pages);
    pool->settled = false;
}

/* A block that says nothing has anything there. */
ARCA_INLINE void ask_for_later(const struct span *pool, const struct block *block)
{
    if (pool_names_later(pool) && block_later(block) - pool->start < span_bytes(pool))
        __builtin_prefetch((const void *)block_later(block), 1);
}

uint32_t pool_take(struct span *pool, uint32_t count, struct block **first, struct block **second)
{
    if (pool->free_list == NULL && pool->portion != 0)
        carve_portion(pool);
    else if (pool->free_list == NULL)
        carve(pool, 1);
    uint32_t taken = count < pool->free_count ? count : pool->free_count;
    struct block *block = pool->free_list, *last = taken > 1 ? block_next(block) : block;
    *first = block;
    *second = taken > 1 ? last : NULL;
    for (uint32_t i = 2; i < taken; i++) {
        struct block *next = block_next(last);
        ask_for_later(pool, next);
        block->link = last->link;
        block = last;
        last = next;
    }
    pool->free_list = block_next(last);
    block->link = last->link = 0;
    pool->free_count -= taken;
    store_rlx(&pool->used, load_rlx(&pool->used) + taken);
    return taken;
}

void pool_check_carved(const struct span *pool, const struct block *block, uint32_t count)
{
    uint64_t uncarved = load_rlx(&pool->uncarved);
    for (uint32_t i = 0; i < count; i++) {
        if (i != 0)
            block = block_next(block);
        uint32_t index = pool_index(pool, (uint32_t)((uintptr_t)block - pool->start));
        if (unlikely(pages_of_block(pool, index) & uncarved))
            log_abort("free(): %p: double free", (const void *)block);
    }
}

void pool_put_all(struct span *pool)
{
    uint64_t pages = low_mask(pool->pages);
    assert(pool->free_count == 0 && load_rlx(&pool->used) == pool->capacity);
    page_map_set_bins(pool, pages, 0);
    pool->portion = 0;
    pool->settled = false;
    pool->stained = true;
    store_rlx(&pool->used, 0u);
    store_rel(&pool->uncarved, pages); /* P:carve release: here, that there are no words, to pool_uncarved */
    store_rel(&pool->lost, false);     /* P:lost release: the same, to object_walk */
}

/* One bit per block that is free or uncarved. */
static void mark_free(const struct span *pool, uint64_t *bits)
{
    memset(bits, 0, (pool->capacity + 63u) / 64 * sizeof *bits);
    for (struct block *b = pool->free_list; b != NULL; b = block_next(b)) {
        uint32_t index = pool_index(pool, (uint32_t)((uintptr_t)b - pool->start));
        bits[index / 64] |= (uint64_t)1 << index % 64;
    }
    for (uint64_t mask = load_rlx(&pool->uncarved); mask != 0; mask &= mask - 1) {
        uint32_t first, last;
        blocks_of_page(pool, bits_lowest(mask), &first, &last);
        for (uint32_t i = first; i <= last; i++)
            bits[i / 64] |= (uint64_t)1 << i % 64;
    }
}

static uint64_t live_pages(const struct span *pool, const uint64_t *free_bits)
{
    uint64_t pages = 0;
    for (uint32_t base = 0; base < pool->capacity; base += 64) {
        uint64_t live = ~free_bits[base / 64] & low_mask(pool->capacity - base);
        for (; live != 0; live &= live - 1)
            pages |= pages_of_block(pool, base + bits_lowest(live));
    }
    return pages;
}

/* The free list anew, in address order, without the blocks of uncarved pages. */
static void rebuild_free_list(struct span *pool, const uint64_t *free_bits)
{
    struct block *end = NULL;
    pool->free_list = NULL;
    pool->free_count = 0;
    for (uint32_t base = 0; base < pool->capacity; base += 64) {
        for (uint64_t word = free_bits[base / 64]; word != 0; word &= word - 1) {
            uint32_t index = base + bits_lowest(word);
            if (pages_of_block(pool, index) & load_rlx(&pool->uncarved))
                continue;
            append(pool, end, pool_block(pool, index));
            end = pool_block(pool, index);
            pool->free_count++;
        }
    }
    if (end != NULL)
        block_set_next(end, NULL);
}

static void add_ranges(const struct span *pool, uint64_t pages, struct trim_batch *batch)
{
    while (pages != 0) {
        unsigned from = bits_lowest(pages);
        uint64_t rest = ~pages & ~low_mask(from);
        unsigned to = rest == 0 ? 64 : bits_lowest(rest);
        batch->ranges[batch->count++] =
            (struct os_range){ (void *)(pool->start + from * OS_PAGE_SIZE), (to - from) * OS_PAGE_SIZE };
        pages &= ~low_mask(to);
    }
}

void pool_trim(struct span *pool, struct trim_batch *batch)
{
    uint64_t free_bits[POOL_BLOCKS_MAX / 64];
    pool->settled = true;
    mark_free(pool, free_bits);
    uint64_t gone = pool->stained ? 0 : load_rlx(&pool->uncarved);
    uint64_t pages = low_mask(pool->pages) & ~gone & ~live_pages(pool, free_bits);
    pool->stained = false;
    if (pages == 0)
        return;
    store_rlx(&pool->uncarved, load_rlx(&pool->uncarved) | pages);
    page_map_set_bins(pool, pages, 0);
    rebuild_free_list(pool, free_bits);
    add_ranges(pool, pages, batch);
}

void pool_return(struct span *pool, uint32_t now_ms)
{
    page_map_set_bins(pool, low_mask(pool->pages) & ~load_rlx(&pool->uncarved), 0); /* first: what has a bin has an entry */
    arena_return(pool, now_ms);
}

static void check_bins(const struct span *pool)
{
    for (unsigned page = 0; page < pool->slices * PAGE_MAP_SLICE_PAGES; page++) {
        bool carved = page < pool->pages && !(load_rlx(&pool->uncarved) >> page & 1);
        unsigned bin = page_map_bin(pool->start + page * OS_PAGE_SIZE);
        if (bin != (carved ? pool_bin(pool) : 0))
            log_abort("check: pool %p: page %u is %s and has bin %u", (void *)pool->start, page, carved ? "carved" : "uncarved", bin);
    }
}

void pool_check(const struct span *pool)
{
    uint64_t free_bits[POOL_BLOCKS_MAX / 64];
    uint32_t listed = 0, idle = 0;
    for (struct block *b = pool->free_list; b != NULL; b = block_next(b), listed++) {
        uint32_t offset = (uint32_t)((uintptr_t)b - pool->start);
        uint32_t index = pool_index(pool, offset);
        if (!pool_starts_block(pool, (uintptr_t)b) || listed >= pool->capacity)
            log_abort("check: pool %p: %p is no block of it", (void *)pool->start, (void *)b);
        if ((!pool->objects && b->mark != block_mark(b)) || (pages_of_block(pool, index) & load_rlx(&pool->uncarved)))
            log_abort("check: pool %p: block %p is free and unmarked or uncarved", (void *)pool->start, (void *)b);
    }
    check_bins(pool);
    mark_free(pool, free_bits);
    for (uint32_t base = 0; base < pool->capacity; base += 64)
        idle += (uint32_t)__builtin_popcountll(free_bits[base / 64] & low_mask(pool->capacity - base));
    if (listed != pool->free_count || load_rlx(&pool->used) + idle != pool->capacity)
        log_abort("check: pool %p: %u used + %u free or uncarved of %u (%u listed, counted %u)", (void *)pool->start,
                  load_rlx(&pool->used), idle, (uint32_t)pool->capacity, listed, pool->free_count);
}
