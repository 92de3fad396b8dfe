/*
 * Pools: spans carved into blocks of one size class.  Only who holds the owning heap calls these.
 *
 * Law: used + free_count + uncarved blocks = capacity, where a block is uncarved when it overlaps a page
 * of the mask `uncarved`.  Carving clears bits of the mask, trimming sets them.
 */
#ifndef ARCA_HEAP_POOL_H
#define ARCA_HEAP_POOL_H

#include "arenas/span.h"
#include "base/os.h"
#include "heap/block.h"
#include "heap/size_class.h"

/* clean: none of its pages is resident. */
void pool_init(struct span *pool, unsigned class, bool objects, bool clean);
/* All that is set once is: walks may see it. */
void pool_publish(struct span *pool, struct heap *heap);

/* Faults a fresh pool in with one trap instead of one a page, and carves all of it. */
void pool_populate(struct span *pool);

/* The same a few pages at a time, as they are needed. */
void pool_populate_slowly(struct span *pool);

/* Bytes from its start that its blocks take. */
ARCA_INLINE uintptr_t pool_extent(const struct span *pool)
{
    return (uintptr_t)pool->capacity * pool->block_size;
}

ARCA_INLINE struct block *pool_block(const struct span *pool, uint32_t index)
{
    return (struct block *)(pool->start + (uintptr_t)index * pool->block_size);
}

/* True at the start of one of its blocks, which may be on an uncarved page. */
bool pool_starts_block(const struct span *pool, uintptr_t address);

/* The same, of a page that has been carved: what was trimmed since has lost its mark. */
ARCA_INLINE bool pool_is_carved_block(const struct span *pool, uintptr_t address)
{
    return pool_starts_block(pool, address) && !(load_rlx(&pool->uncarved) >> (address - pool->start) / OS_PAGE_SIZE & 1);
}

/* Before it is published: its last page becomes one that nobody may touch, if that is wanted, and free_fast() finds no block in it. */
void pool_harden(struct span *pool);
/* Before it goes to its arena; false where the kernel refuses, and it must not. */
bool pool_soften(struct span *pool);

/* offset / block_size without a division. */
ARCA_INLINE uint32_t pool_index(const struct span *pool, uint32_t offset)
{
    return (uint32_t)(((unsigned __int128)offset * pool->divider) >> 64);
}

/* For walks over a pool of objects by another thread than its holder: blocks of pages that it has not seen carved
 * have no header words yet. */
ARCA_INLINE uint64_t pool_uncarved(const struct span *pool)
{
    return load_acq(&pool->uncarved); /* P:carve acquire: with carve */
}

/* None of its blocks is. */
ARCA_INLINE bool pool_is_uncarved(const struct span *pool)
{
    return ~pool_uncarved(pool) << (64 - pool->pages) == 0;
}

bool pool_is_carved(uint64_t uncarved, const struct span *pool, uint32_t index) ARCA_SHARED(pool_is_carved);

/* Moves up to count blocks into two chains that end in NULL, in turn; returns how many. */
uint32_t pool_take(struct span *pool, uint32_t count, struct block **first, struct block **second);

/* Aborts where a block of a chain is on an uncarved page: it was freed twice. */
ARCA_COLD void pool_check_carved(const struct span *pool, const struct block *block, uint32_t count);

/* Blocks that came back in no order lie in as many cache lines, none of which is known before the one in front of it has come: each
 * names one that was put earlier, and pool_take() asks for that in time. */
ARCA_INLINE bool pool_names_later(const struct span *pool)
{
    return !pool->objects && !pool->hardened && block_is_roomy(pool->block_size);
}

ARCA_INLINE void pool_name_later(struct span *pool, struct block *block)
{
    uint64_t last = load_rlx(&pool->put_last);
    block_set_later(block, (struct block *)(pool->start + (last >> 48) * BLOCK_ALIGN));
    store_rlx(&pool->put_last, last << 16 | ((uintptr_t)block - pool->start) / BLOCK_ALIGN);
}

/* Takes a chain of blocks back.  Aborts where one is on an uncarved page: it was freed twice. */
ARCA_INLINE void pool_put(struct span *pool, struct block *first, struct block *last, uint32_t count)
{
    if (unlikely(load_rlx(&pool->uncarved) != 0))
        pool_check_carved(pool, first, count);
    if (pool_names_later(pool))
        pool_name_later(pool, first);
    block_set_next(last, pool->free_list);
    pool->free_list = first;
    pool->free_count += count;
    pool->settled = false;
    store_rlx(&pool->used, load_rlx(&pool->used) - count);
}

/* Takes all blocks back at once, of which each was outside.  None is looked at: they are uncarved. */
void pool_put_all(struct span *pool);

ARCA_INLINE bool pool_has_room(const struct span *pool)
{
    return pool->free_list != NULL || load_rlx(&pool->uncarved) != 0;
}

struct trim_batch {
    struct os_range ranges[OS_RANGES_MAX];
    unsigned count;
};

/* A pool can yield a range for every second page. */
#define TRIM_RANGES_PER_POOL (POOL_SLICES_MAX * 16 / 2)

/* Uncarves the pages that hold no live block and adds them (of a stained pool, all that are uncarved as well) to the batch, which must have room for
 * TRIM_RANGES_PER_POOL more.  The caller purges before the pool is used again. */
void pool_trim(struct span *pool, struct trim_batch *batch);

/* To its arena: nobody finds a block in it any more. */
void pool_return(struct span *pool, uint32_t now_ms);

/* Recomputes the law; aborts with a line where it is broken. */
void pool_check(const struct span *pool);

#endif
