/* Explicit heaps: blocks that can be destroyed together. */
#include "arca/arca.h"

#include "arenas/large.h"
#include "base/log.h"
#include "front/background.h"
#include "front/process.h"
#include "front/profile.h"
#include "front/supply.h"

#include <errno.h>
#include <string.h>

/* apart: as a block of its own, whatever its size. */
static void *heap_alloc_locked(struct heap *heap, size_t size, size_t align, bool apart, bool *zeroed)
{
    size_t small = apart ? 0 : align <= BLOCK_ALIGN && size <= SMALL_MAX ? (size != 0 ? size : 1) : supply_aligned_size(align, size);
    *zeroed = false;
    store_rlx(&heap->swept, false);
    if (small != 0)
        return supply_block(heap, size_class_of(small));
    struct span *span = large_create(size != 0 ? size : 1, align, zeroed);
    if (span == NULL)
        return NULL;
    heap_add_large(heap, span);
    return (void *)span->start;
}

/* Another one, for the child of a fork that caught it half way; NULL without memory. */
ARCA_COLD static struct heap *stand_in(struct heap *heap)
{
    struct heap *present = load_acq(&heap->stand_in); /* P:stand-in acquire: with the exchange below, the heap's fields */
    if (present != NULL)
        return present;
    struct heap *fresh = heap_create_shared(true, false);
    if (fresh == NULL || cas_acqrel(&heap->stand_in, &present, fresh)) /* P:stand-in release: the heap's fields */
        return fresh;
    heap_destroy_shared(fresh);
    return present;
}

static void *heap_alloc(arca_heap *public_heap, size_t size, size_t align, bool *zeroed, const void *frame)
{
    struct heap *heap = (struct heap *)public_heap;
    void *block = NULL;
    process_after_fork();
    for (struct heap *other; unlikely(load_rlx(&heap->state) == HEAP_DEAD) && (other = stand_in(heap)) != NULL;)
        heap = other;
    bool sampled = options.profile != 0 && size <= PTRDIFF_MAX && profile_is_due(size);
    for (int attempt = 0; attempt < 2 && block == NULL && size <= PTRDIFF_MAX; attempt++) {
        if (attempt != 0)
            supply_reclaim();
        lock_acquire(&heap->lock);
        if (unlikely(load_rlx(&heap->state) == HEAP_UNUSED))
            log_abort("arca_heap_malloc(): %p: not a heap (destroyed before)", (void *)heap);
        if (load_rlx(&heap->state) == HEAP_SHARED)
            block = heap_alloc_locked(heap, size, align, sampled, zeroed);
        lock_release(&heap->lock);
    }
    if (block == NULL)
        errno = ENOMEM;
    else if (sampled)
        profile_take(block, size, frame);
    else if (options.profile != 0 && load_rlx(&page_map_find((uintptr_t)block)->kind) == SPAN_LARGE)
        profile_pass(block, size);
    background_poke();
    return block;
}

arca_heap *arca_heap_create(void)
{
    process_start();
    process_after_fork();
    struct heap *heap = heap_create_shared(true, false);
    if (heap == NULL)
        errno = ENOMEM;
    return (arca_heap *)heap;
}

void arca_heap_destroy(arca_heap *heap)
{
    process_after_fork();
    for (struct heap *each = (struct heap *)heap, *next; each != NULL; each = next) {
        next = exchange_acq(&each->stand_in, NULL); /* P:stand-in acquire: as above */
        heap_destroy_shared(each);
    }
    background_poke();
}

void *arca_heap_malloc(arca_heap *heap, size_t size)
{
    bool zeroed;
    return heap_alloc(heap, size, LARGE_ANYWHERE, &zeroed, ARCA_FRAME());
}

void *arca_heap_calloc(arca_heap *heap, size_t count, size_t size)
{
    size_t bytes;
    bool zeroed;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    void *block = heap_alloc(heap, bytes, LARGE_ANYWHERE, &zeroed, ARCA_FRAME());
    if (block != NULL && !zeroed)
        memset(block, 0, bytes);
    return block;
}

void *arca_heap_aligned_alloc(arca_heap *heap, size_t alignment, size_t size)
{
    bool zeroed;
    if (!bits_is_pow2(alignment)) {
        errno = EINVAL;
        return NULL;
    }
    return heap_alloc(heap, size, alignment, &zeroed, ARCA_FRAME());
}
