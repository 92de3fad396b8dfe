/* Large blocks. */
#include "arenas/large.h"

#include "arenas/arena.h"
#include "arenas/page_map.h"
#include "arenas/sample.h"

/* Below half of its span a block had better move to a span that fits. */
static bool worth_keeping(const struct span *span, uint32_t slices)
{
    return slices >= span->slices / 2;
}

/* 0 on overflow or for more than the address space has. */
static uint32_t checked_slices(size_t offset, size_t bytes)
{
    return bytes > (size_t)1 << 47 ? 0 : slices_for(offset + bytes);
}

/* zeroed: heeded when there is a span. */
static struct span *large_begin(struct span *span, size_t offset, size_t bytes, const bool *zeroed)
{
    if (span != NULL) {
        arena_set_offset(span, offset);
        span->stained = !*zeroed;
        span->site = SITE_NONE;
        sample_pass(span, 0, 0);
        large_set_size(span, bytes);
    }
    return span;
}

struct span *large_create(size_t bytes, size_t align, bool *zeroed)
{
    size_t offset = large_offset(bytes, align);
    uint32_t slices = checked_slices(offset, bytes);
    if (slices == 0 || align > (size_t)1 << 46)
        return NULL;
    uint32_t align_slices = align <= SLICE_SIZE ? 1 : (uint32_t)(align >> SLICE_SHIFT);
    struct span *span = slices > ARENA_SLICES / 2 ? arena_claim_huge(slices, align_slices, zeroed)
                                                  : arena_claim(slices, align_slices, SPAN_LARGE, zeroed);
    return large_begin(span, offset, bytes, zeroed);
}

struct span *large_create_movable(size_t bytes)
{
    bool zeroed = false;
    uint32_t slices = checked_slices(0, bytes);
    struct span *span = slices == 0 ? NULL : arena_claim_huge(slices, 1, &zeroed);
    return large_begin(span, 0, bytes, &zeroed);
}

void large_make_object(struct span *span)
{
    page_map_set(span->start, span->slices, span);
    store_rel(&span->kind, (uint8_t)SPAN_OBJECT); /* P:large object release: its header word, to walks over objects */
}

void large_destroy(struct span *span, uint32_t now_ms)
{
    if (unlikely(span->site != SITE_NONE))
        sample_drop(span);
    arena_return(span, now_ms);
}

static bool large_grow(struct span *span, uint32_t slices)
{
    if (span->arena->huge)
        return arena_resize_huge(span, slices);
    bool becomes_movable = slices >= slices_for(LARGE_MOVABLE_MIN) && span->slices < slices_for(LARGE_MOVABLE_MIN);
    return !becomes_movable && arena_extend(span, slices);
}

static bool large_shrink(struct span *span, uint32_t slices, uint32_t now_ms)
{
    if (span->arena->huge)
        return slices >= ARENA_HUGE_SLICES_MIN && arena_resize_huge(span, slices);
    if (!worth_keeping(span, slices))
        return false;
    arena_shrink(span, slices, now_ms);
    return true;
}

struct span *large_resize(struct span *span, size_t bytes, uint32_t now_ms)
{
    uint32_t slices = checked_slices(span_offset(span), bytes);
    if (slices == 0)
        return NULL;
    bool grows = bytes > load_rlx(&span->large_size);
    if (grows ? slices > span->slices && !large_grow(span, slices) : slices < span->slices && !large_shrink(span, slices, now_ms))
        return NULL;
    large_set_size(span, bytes);
    return span;
}
