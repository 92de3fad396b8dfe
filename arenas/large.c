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
static uint32_t checked_slices(size_t bytes)
{
    return bytes > (size_t)1 << 47 ? 0 : slices_for(bytes);
}

struct span *large_create(size_t bytes, size_t align, bool *zeroed)
{
    uint32_t slices = checked_slices(bytes);
    if (slices == 0 || align > (size_t)1 << 46)
        return NULL;
    uint32_t align_slices = align <= SLICE_SIZE ? 1 : (uint32_t)(align >> SLICE_SHIFT);
    struct span *span = arena_claim(slices, align_slices, SPAN_LARGE, zeroed);
    if (span != NULL) {
        span->stained = !*zeroed;
        span->site = SITE_NONE;
        large_set_size(span, bytes);
    }
    return span;
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

struct span *large_resize(struct span *span, size_t bytes, uint32_t now_ms)
{
    uint32_t slices = checked_slices(bytes);
    if (slices == 0)
        return NULL;
    if (slices > span->slices) {
        bool done = span->arena->huge ? arena_remap_huge(&span, slices) : arena_extend(span, slices);
        if (!done)
            return NULL;
    } else if (slices < span->slices) {
        if (span->arena->huge) {
            if (slices <= ARENA_SLICES / 2 || !arena_remap_huge(&span, slices))
                return NULL;
        } else {
            if (!worth_keeping(span, slices))
                return NULL;
            arena_shrink(span, slices, now_ms);
        }
    }
    large_set_size(span, bytes);
    return span;
}
