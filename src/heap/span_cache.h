/*
 * Large blocks that a thread freed last, for its next ones of their size.
 *
 * Law: each is a SPAN_SPARE that is in no page map, and `slices` are those of all of them, SPAN_CACHE_SLICES at most.
 * Part of a heap: who holds the heap calls these.
 */
#ifndef ARCA_HEAP_SPAN_CACHE_H
#define ARCA_HEAP_SPAN_CACHE_H

#include "arenas/span.h"

#define SPAN_CACHE_SPANS 8
#define SPAN_CACHE_SLICES 16u /* 1 MiB: as far as blocks start at their spans */

struct span_cache {
    struct span *spans[SPAN_CACHE_SPANS]; /* the last one freed is the last */
    uint32_t count, slices;
};

/* A large block of exactly so many slices, or NULL. */
struct span *span_cache_take(struct span_cache *cache, uint32_t slices);
ARCA_INLINE bool span_cache_has_room(const struct span_cache *cache, const struct span *span)
{
    return cache->count < SPAN_CACHE_SPANS && cache->slices + span->slices <= SPAN_CACHE_SLICES;
}
/* Those that were freed first go to their arenas, until there is room for so many slices: SPAN_CACHE_SLICES at most. */
void span_cache_make_room(struct span_cache *cache, uint32_t slices, uint32_t now_ms);
/* A large block that there is room for. */
void span_cache_put(struct span_cache *cache, struct span *span);
/* All to their arenas; they were last used at now_ms. */
void span_cache_flush(struct span_cache *cache, uint32_t now_ms);

void span_cache_check(const struct span_cache *cache);

#endif
