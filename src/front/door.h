/* The calling thread's door, and the two fast paths that go through it. */
#ifndef ARCA_FRONT_DOOR_H
#define ARCA_FRONT_DOOR_H

#include "arenas/page_map.h"
#include "heap/heap.h"

extern ARCA_TLS struct heap_door thread_door;
/* To the heap of the thread's objects; only libarcagc opens it. */
extern ARCA_TLS struct heap_door object_door;

/* Larger requests are not served unseen: SMALL_MAX, or 0 where every request is to be looked at.  Set before the
 * second thread exists. */
extern size_t malloc_fast_max;

/*
 * The credit of a thread: bytes that its requests may come to before malloc_slow() is to look at one although
 * malloc_fast_max is 0.  A heap profile gives out the bytes to the next sample; who looks at every request gives none.
 */
#define CREDIT_MAX SIZE_TABLE_MAX

/* The count that overflows with a byte more than the credit has. */
#define ASKED_FOR(credit) (~(size_t)(credit))

ARCA_INLINE size_t credit_left(void)
{
    return ASKED_FOR(thread_door.asked);
}

ARCA_INLINE void credit_set(size_t bytes)
{
    thread_door.asked = ASKED_FOR(bytes);
}

ARCA_INLINE void credit_pay_back(size_t bytes)
{
    fence_compiler(); /* or the count would be kept in a register for this, and stored apart where it need not be */
    thread_door.asked -= bytes;
}

/* False when it is less, and what it was.  One instruction counts, and its carry tells. */
ARCA_INLINE bool credit_pay(size_t bytes)
{
    if (likely(!__builtin_add_overflow(thread_door.asked, bytes, &thread_door.asked)))
        return true;
    credit_pay_back(bytes);
    return false;
}

/* For requests that malloc_warm() does not serve; the door is left. */
void *malloc_slow(size_t size);
/* The same, and arca_memalign(), for functions that are called by the program and go on when it returns: frame is theirs, so that a
 * profile shows who called them. */
void *malloc_slow_for(size_t size, const void *frame);
void *memalign_for(size_t align, size_t size, const void *frame);
/* For blocks that the fast path does not know; the door is left. */
void free_slow(void *block);
/* A bin is over its limit; the door is entered. */
void free_flush(struct heap *heap, unsigned class);
/* A block of a pool of another heap, and the place of its bin; the door is entered. */
void free_remote(struct heap *heap, struct span *pool, struct block *block, uintptr_t bin);

/* True at the start of a block of this pool whose page has been carved: what was trimmed since has lost its mark. */
ARCA_INLINE bool pool_is_block(const struct span *pool, uintptr_t address)
{
    uintptr_t offset = address - pool->start;
    return offset * pool->divider < pool->start_bound && !(load_rlx(&pool->uncarved) >> (offset / OS_PAGE_SIZE) % 64 & 1);
}

/* NULL when the bin is empty, or there is none; size <= SIZE_TABLE_MAX. */
ARCA_INLINE void *small_pop(size_t size)
{
    struct heap *heap = door_enter(&thread_door);
    struct block *block = bin_take(bin_at(heap, bin_place_of(size)));
    door_leave(&thread_door);
    return block;
}

/* NULL, with nothing paid, for malloc_slow(). */
ARCA_INLINE void *malloc_warm(size_t size)
{
    if (unlikely(size > malloc_fast_max) && !credit_pay(size))
        return NULL;
    void *block = small_pop(size);
    if (unlikely(block == NULL) && size > malloc_fast_max)
        credit_pay_back(size);
    return block;
}

ARCA_INLINE void *malloc_fast(size_t size)
{
    void *block = malloc_warm(size);
    return likely(block != NULL) ? block : malloc_slow(size);
}

/* frame: of the function that the program called. */
ARCA_INLINE void *malloc_for(size_t size, const void *frame)
{
    void *block = malloc_warm(size);
    return likely(block != NULL) ? block : malloc_slow_for(size, frame);
}

/* A block of a pool whose address is in the leaf's region, or in another where it has a namesake: the start bound
 * refuses it there.  False, with the door left, for all else. */
ARCA_INLINE bool free_small(struct page_map_leaf *leaf, void *address)
{
    struct heap *heap = door_enter(&thread_door);
    struct block *block = address;
    size_t page = page_map_page_of((uintptr_t)address);
    uintptr_t bin = load_rlx(&leaf->bins[page]);
    if (likely(bin != 0)) {
        /* P:page map entry acquire: with page_map_set */
        struct span *pool = load_acq(&leaf->spans[page / PAGE_MAP_SLICE_PAGES]);
        uintptr_t offset = (uintptr_t)address - pool->start;
        if (likely(offset * pool->divider < pool->start_bound) && likely(!block_is_marked(block))) {
            uintptr_t mark = block_mark(block);
            block->mark = mark;
            if (unlikely(load_rlx(&pool->heap) != heap)) {
                free_remote(heap, pool, block, bin);
                return true;
            }
            if (unlikely(bin_push_link(bin_at(heap, bin), block, mark) < 0)) {
                free_flush(heap, pool->size_class);
                return true;
            }
            door_leave(&thread_door);
            return true;
        }
    }
    door_leave(&thread_door);
    return false;
}

ARCA_INLINE void free_fast(void *address)
{
    if (unlikely(!free_small(&page_map_first, address)))
        free_slow(address);
}

#endif
