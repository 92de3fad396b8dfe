/* The spare large blocks of a heap. */
#include "heap/span_cache.h"

#include "arenas/arena.h"
#include "arenas/page_map.h"
#include "base/log.h"

static struct span *remove_at(struct span_cache *cache, uint32_t index)
{
    struct span *span = cache->spans[index];
    cache->count--;
    cache->slices -= span->slices;
    for (uint32_t i = index; i < cache->count; i++)
        cache->spans[i] = cache->spans[i + 1];
    return span;
}

struct span *span_cache_take(struct span_cache *cache, uint32_t slices)
{
    for (uint32_t i = cache->count; i-- > 0;) {
        if (cache->spans[i]->slices != slices)
            continue;
        struct span *span = remove_at(cache, i);
        span->stained = true;
        store_rlx(&span->kind, (uint8_t)SPAN_LARGE);
        page_map_set(span->start, 1, span);
        return span;
    }
    return NULL;
}

void span_cache_make_room(struct span_cache *cache, uint32_t slices, uint32_t now_ms)
{
    while (cache->count == SPAN_CACHE_SPANS || cache->slices + slices > SPAN_CACHE_SLICES)
        arena_return(remove_at(cache, 0), now_ms);
}

void span_cache_put(struct span_cache *cache, struct span *span)
{
    page_map_set(span->start, 1, NULL);
    store_rlx(&span->kind, (uint8_t)SPAN_SPARE);
    arena_set_offset(span, 0); /* no block of the size that it will have has one */
    cache->spans[cache->count++] = span;
    cache->slices += span->slices;
}

void span_cache_flush(struct span_cache *cache, uint32_t now_ms)
{
    while (cache->count != 0)
        arena_return(remove_at(cache, cache->count - 1), now_ms);
}

void span_cache_check(const struct span_cache *cache)
{
    uint32_t slices = 0;
    for (uint32_t i = 0; i < cache->count; i++) {
        const struct span *span = cache->spans[i];
        slices += span->slices;
        if (load_rlx(&span->kind) != SPAN_SPARE || page_map_find(span->start) != NULL)
            log_abort("check: span %p is kept as a spare and in use", (void *)span->start);
    }
    if (slices != cache->slices || slices > SPAN_CACHE_SLICES)
        log_abort("check: %u spare slices, counted %u", cache->slices, slices);
}
