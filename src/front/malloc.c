/* Blocks of threads: slow paths, large ones, alignment, sizes. */
#include "arca/arca.h"

#include "arenas/arena.h"
#include "arenas/large.h"
#include "arenas/sample.h"
#include "base/log.h"
#include "base/options.h"
#include "front/background.h"
#include "front/door.h"
#include "front/hardened.h"
#include "front/pointer.h"
#include "front/process.h"
#include "front/profile.h"
#include "front/supply.h"
#include "front/thread.h"
#include "heap/growth.h"

#include <errno.h>
#include <string.h>

/* ---- blocks ------------------------------------------------------------------------------------- */

static void *small_try(size_t size)
{
    struct heap *heap = thread_enter_earned();
    struct block *block;
    if (likely(heap != NULL)) {
        block = supply_block(heap, size_class_of(size));
        door_leave(&thread_door);
    } else {
        heap = thread_shared_heap_lock(false);
        if (heap == NULL)
            return NULL;
        block = supply_block(heap, size_class_of(size));
        store_rlx(&heap->swept, false);
        lock_release(&heap->lock);
    }
    return block;
}

/* What the thread freed last, if that fits; NULL for a thread without a heap, too: the sentinel keeps nothing. */
static void *large_take(size_t size)
{
    if (size > SPAN_CACHE_SLICES * SLICE_SIZE)
        return NULL;
    struct heap *heap = door_enter(&thread_door);
    struct span *span = span_cache_take(&heap->spares, slices_for(size));
    if (likely(span != NULL)) {
        bump_rlx(&heap->slow_ops, 1u);
        large_set_size(span, size);
    }
    door_leave(&thread_door);
    return span == NULL ? NULL : (void *)span->start;
}

/* A large block to the thread's spares, while they have room.  No lock is taken. */
static bool large_put(void *address)
{
    struct heap *heap = door_enter(&thread_door);
    struct span *span = page_map_find((uintptr_t)address);
    bool kept = heap != &heap_sentinel && span != NULL && load_rlx(&span->kind) == SPAN_LARGE &&
                span->start == (uintptr_t)address && load_rlx(&span->heap) == NULL && span->site == SITE_NONE && !span->hardened &&
                growth_leave(heap, span) && span_cache_has_room(&heap->spares, span);
    if (likely(kept)) {
        heap_note_slow_op(heap); /* when it was last used: a sweep dates it by that */
        span_cache_put(&heap->spares, span);
    }
    door_leave(&thread_door);
    return kept;
}

static void *large_try(size_t size, size_t align, bool *zeroed)
{
    process_start();
    process_after_fork();
    struct span *span = large_create(size, align, zeroed);
    return span == NULL ? NULL : (void *)span->start;
}

static void *large_make(size_t size, size_t align, bool *zeroed)
{
    void *block = large_try(size, align, zeroed);
    if (unlikely(block == NULL) && size <= PTRDIFF_MAX) {
        supply_reclaim();
        block = large_try(size, align, zeroed);
    }
    if (unlikely(block == NULL))
        errno = ENOMEM;
    background_poke_for(block != NULL ? size : 0);
    return block;
}

/* frame: of the function that the program called. */
ARCA_NOINLINE static void *large_alloc(size_t size, size_t align, bool *zeroed, const void *frame)
{
    void *block = align <= SLICE_SIZE ? large_take(size) : NULL;
    *zeroed = false;
    if (block == NULL) {
        block = large_make(size, align, zeroed);
    } else {
        process_after_fork();
        background_poke(); /* the rounds of a process that can have no other thread */
    }
    if (unlikely(options.profile != 0) && block != NULL)
        profile_large(block, size, frame);
    return block;
}

/* A sample, when there is memory; else NULL. */
static void *sampled_alloc(size_t size, const void *frame)
{
    bool zeroed;
    process_after_fork();
    size_t usable = size_classes[size_class_of(size)].block_size; /* as any block of this size has */
    void *block = large_take(usable);
    if (block == NULL)
        block = large_try(usable, 1, &zeroed);
    if (block != NULL) {
        store_rlx(&page_map_find((uintptr_t)block)->large_size, usable);
        profile_take(block, size, frame);
    }
    background_poke();
    return block;
}

/* What no bin has.  due: it is to be a sample.  frame: of the function that the program called; NULL: this one stands in its
 * place. */
ARCA_NOINLINE static void *malloc_any(size_t size, bool due, const void *frame)
{
    bool zeroed;
    if (frame == NULL)
        frame = ARCA_FRAME();
    process_start();
    if (unlikely(hardening.on)) /* since now */
        return hardened_alloc(1, size);
    if (size > SMALL_MAX)
        return large_alloc(size, LARGE_ANYWHERE, &zeroed, frame);
    if (unlikely(due)) {
        void *sampled = sampled_alloc(size, frame);
        if (sampled != NULL)
            return sampled;
    }
    process_after_fork();
    void *block = small_try(size);
    if (unlikely(block == NULL)) {
        supply_reclaim();
        block = small_try(size);
        if (block == NULL)
            errno = ENOMEM;
    }
    background_poke();
    return block;
}

ARCA_INLINE void *malloc_cold(size_t size, const void *frame)
{
    if (unlikely(hardening.on))
        return hardened_malloc(size);
    if (likely(size > SMALL_MAX || size <= malloc_fast_max))
        return malloc_any(size, false, frame);
    if (unlikely(profile_is_due(size)))
        return malloc_any(size, true, frame);
    void *block = small_pop(size);
    return likely(block != NULL) ? block : malloc_any(size, false, frame);
}

/* Without a frame: it is left before malloc_any() is entered. */
void *malloc_slow(size_t size)
{
    return malloc_cold(size, NULL);
}

void *malloc_slow_for(size_t size, const void *frame)
{
    return malloc_cold(size, frame);
}

/* ---- free ---------------------------------------------------------------------------------------- */

void free_flush(struct heap *heap, unsigned class)
{
    int saved = errno;
    if (unlikely(os_fork_state() == OS_FORK_CHILD)) { /* no lock before the repair, and no repair with the door entered */
        door_leave(&thread_door);
        process_after_fork();
        heap = thread_enter(&thread_door);
    }
    if (heap != NULL && heap->bins[class].room < 0)
        heap_flush(heap, class);
    if (heap != NULL)
        door_leave(&thread_door);
    background_poke();
    errno = saved;
}

static void large_free(struct span *span)
{
    struct heap *heap = load_rlx(&span->heap);
    if (unlikely(span->site != SITE_NONE))
        sample_drop(span);
    if (heap != NULL) {
        lock_acquire(&heap->lock);
        bool alive = load_rlx(&heap->state) == HEAP_SHARED;
        if (alive)
            heap_remove_large(heap, span);
        lock_release(&heap->lock);
        if (!alive) /* lost in a fork, and the block with it */
            return;
    } else if ((heap = thread_enter_earned()) != NULL) {
        heap_note_slow_op(heap);
        bool kept = growth_leave(heap, span) && span->slices <= SPAN_CACHE_SLICES;
        if (kept) {
            span_cache_make_room(&heap->spares, span->slices, heap->now_ms);
            span_cache_put(&heap->spares, span);
        }
        door_leave(&thread_door);
        if (kept)
            return;
    }
    large_destroy(span, os_now_ms());
}

/* A marked block of a heap with a lock: no parcel may outlive an explicit heap. */
static void shared_free(struct heap *heap, struct span *pool, struct block *block)
{
    lock_acquire(&heap->lock);
    if (load_rlx(&heap->state) == HEAP_SHARED) { /* else it was lost in a fork, and the block with it */
        heap_put(heap, pool, block);
        store_rlx(&heap->swept, false);
    }
    lock_release(&heap->lock);
}

ARCA_NOINLINE static void free_remote_slow(struct span *pool, struct heap *owner, struct block *block)
{
    int saved = errno;
    struct heap *heap;
    door_leave(&thread_door);
    if (unlikely(pool->objects))
        pointer_bad("free", block);
    process_after_fork();
    if (owner->explicit_heap) {
        shared_free(owner, pool, block);
    } else if ((heap = thread_enter_earned()) == NULL) {
        heap_push_remote(owner, block, pool->block_size);
    } else if (heap == owner) { /* our own, swept meanwhile */
        heap_put(heap, pool, block);
        door_leave(&thread_door);
    } else {
        heap_send(heap, owner, block, pool->block_size);
        door_leave(&thread_door);
    }
    background_poke();
    errno = saved;
}

void free_remote(struct heap *heap, struct span *pool, struct block *block, uintptr_t bin)
{
    struct heap *owner = load_rlx(&pool->heap);
    if (likely(!pool->exclusive) &&
        (bin_borrow(bin_at(heap, bin), block) || likely(heap_send_along(heap, owner, block, pool->block_size)))) {
        door_leave(&thread_door);
        return;
    }
    free_remote_slow(pool, owner, block);
}

/* A block of a pool outside the region that free_fast() looks in. */
static bool free_far(void *address)
{
    struct page_map_leaf *leaf = page_map_leaf_of((uintptr_t)address);
    return leaf != &page_map_first && leaf != NULL && free_small(leaf, address);
}

/* Large blocks, and misuse. */
ARCA_NOINLINE static void free_any(void *address)
{
    int saved = errno;
    process_after_fork();
    struct span *span = pointer_span("free", address);
    if (load_rlx(&span->kind) != SPAN_LARGE) /* a block of a pool, and yet not on the fast path: it is marked */
        pointer_bad("free", address);
    if (unlikely(span->hardened)) {
        hardened_free_large(span);
    } else {
        large_free(span);
        background_poke();
    }
    errno = saved;
}

ARCA_NOINLINE static void free_other(void *address)
{
    if (!free_far(address) && !large_put(address))
        free_any(address);
}

ARCA_NOINLINE void free_slow(void *address)
{
    if (address == NULL)
        return;
    if (unlikely(hardening.on))
        hardened_free(address, free_other);
    else
        free_other(address);
}

void arca_free(void *block)
{
    free_fast(block);
}

void *arca_malloc(size_t size)
{
    return malloc_fast(size);
}

/* ---- calloc, alignment ------------------------------------------------------------------------------ */

/* Tables of which little is used are among the largest: writing zeros would make all of one resident.  Beyond this size
 * they have arenas of their own, whose pages nobody else keeps account of. */
#define ZERO_BY_WRITING_MAX ((size_t)ARENA_SLICES / 2 << SLICE_SHIFT)

static bool zero_by_purge(void *block, size_t bytes)
{
    bool whole_pages = bytes > ZERO_BY_WRITING_MAX && !hardening.on && !options.lazy;
    size_t offset = (uintptr_t)block % OS_PAGE_SIZE; /* what is in front of it is nobody's */
    return whole_pages && os_purge((char *)block - offset, bits_round_up(offset + bytes, OS_PAGE_SIZE));
}

ARCA_NOINLINE static void *calloc_slow(size_t bytes)
{
    bool zeroed = false;
    void *block = bytes <= SMALL_MAX || hardening.on ? malloc_cold(bytes, ARCA_FRAME()) : large_alloc(bytes, LARGE_ANYWHERE, &zeroed, ARCA_FRAME());
    if (block != NULL && !zeroed && !zero_by_purge(block, bytes))
        memset(block, 0, bytes);
    return block;
}

void *arca_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (unlikely(__builtin_mul_overflow(count, size, &bytes))) {
        errno = ENOMEM;
        return NULL;
    }
    void *block = malloc_warm(bytes);
    return likely(block != NULL) ? memset(block, 0, bytes) : calloc_slow(bytes);
}

/* frame: as in malloc_any(). */
static void *aligned_alloc_any(size_t align, size_t size, const void *frame)
{
    bool zeroed;
    if (align <= BLOCK_ALIGN)
        return malloc_for(size, frame);
    if (unlikely(hardening.on))
        return hardened_alloc(align, size);
    if (likely(size <= align && align <= SMALL_MAX)) /* a power of two is a class of its own */
        return malloc_for(align, frame);
    process_start(); /* the class table is read before a heap exists */
    size_t small = supply_aligned_size(align, size);
    if (small != 0)
        return malloc_for(small, frame);
    if (size > PTRDIFF_MAX || align > PTRDIFF_MAX / 2 + 1) {
        errno = ENOMEM;
        return NULL;
    }
    return large_alloc(size != 0 ? size : 1, align, &zeroed, frame != NULL ? frame : ARCA_FRAME());
}

void *arca_aligned_alloc(size_t alignment, size_t size)
{
    if (!bits_is_pow2(alignment)) {
        errno = EINVAL;
        return NULL;
    }
    return aligned_alloc_any(alignment, size, NULL);
}

void *memalign_for(size_t alignment, size_t size, const void *frame)
{
    if (alignment > SIZE_MAX / 2 + 1) {
        errno = EINVAL;
        return NULL;
    }
    return aligned_alloc_any(bits_next_pow2(alignment), size, frame);
}

void *arca_memalign(size_t alignment, size_t size)
{
    return memalign_for(alignment, size, NULL);
}

ARCA_NOINLINE static int posix_memalign_slow(void **block, size_t alignment, size_t size)
{
    int saved = errno;
    void *fresh = aligned_alloc_any(alignment, size, ARCA_FRAME());
    errno = saved;
    if (fresh == NULL)
        return ENOMEM;
    *block = fresh;
    return 0;
}

int arca_posix_memalign(void **block, size_t alignment, size_t size)
{
    if (likely(size <= alignment && bits_is_pow2(alignment)) && alignment >= sizeof(void *)) {
        void *warm = malloc_warm(alignment); /* a power of two is a class of its own */
        if (likely(warm != NULL)) {
            *block = warm;
            return 0;
        }
    }
    if (!bits_is_pow2(alignment) || alignment % sizeof(void *) != 0)
        return EINVAL;
    return posix_memalign_slow(block, alignment, size);
}

void *arca_valloc(size_t size)
{
    return aligned_alloc_any(OS_PAGE_SIZE, size, NULL);
}

void *arca_pvalloc(size_t size)
{
    size_t rounded = bits_round_up(size, OS_PAGE_SIZE);
    if (rounded < size) {
        errno = ENOMEM;
        return NULL;
    }
    return aligned_alloc_any(OS_PAGE_SIZE, rounded, NULL);
}

/* ---- sizes ------------------------------------------------------------------------------------------------ */

ARCA_NOINLINE static size_t usable_slow(const void *block)
{
    size_t size;
    if (unlikely(hardening.on) && hardened_size_fast("malloc_usable_size", block, &size))
        return size;
    return pointer_usable("malloc_usable_size", pointer_span("malloc_usable_size", block), block);
}

size_t arca_malloc_usable_size(const void *block)
{
    const struct span *span = page_map_find((uintptr_t)block);
    if (likely(span != NULL) && likely(pool_is_block(span, (uintptr_t)block)) && likely(!block_is_marked(block)) && !span->objects) {
        return span->block_size;
    }
    return block == NULL ? 0 : usable_slow(block);
}

size_t arca_good_size(size_t size)
{
    process_start();
    if (unlikely(hardening.on))
        return size;
    if (size <= SMALL_MAX)
        return size_classes[size_class_of(size)].block_size;
    return size > PTRDIFF_MAX ? size : large_usable(large_offset(size, LARGE_ANYWHERE), size);
}

/* A block that realloc() has left in place is up to twice as large as it need be, and that of an alignment as large
 * as that. */
static void check_size(const char *function, const void *block, size_t align, size_t size)
{
    if (block == NULL)
        return;
    const struct span *span = pointer_span(function, block);
    size_t usable = pointer_usable(function, span, block);
    size_t least = span->hardened ? usable : usable > SMALL_MAX ? SMALL_MAX + 1 : usable > BLOCK_ALIGN ? usable / 2 + 1 : 0;
    if (unlikely(size > usable || (size < least && align < usable / 2)))
        log_abort("%s(): %p: a block of %zu bytes, not of %zu", function, block, usable, size);
}

void arca_free_sized(void *block, size_t size)
{
    check_size("free_sized", block, 1, size);
    free_fast(block);
}

void arca_free_aligned_sized(void *block, size_t alignment, size_t size)
{
    check_size("free_aligned_sized", block, alignment, size);
    if (unlikely(((uintptr_t)block & (alignment - 1)) != 0))
        log_abort("free_aligned_sized(): %p: not aligned to %zu bytes", block, alignment);
    free_fast(block);
}

int arca_trim(size_t keep)
{
    (void)keep;
    process_start();
    process_after_fork();
    supply_give_up_own();
    return background_round(0) != 0;
}
