/* Adding up, span by span. */
#include "heap/usage.h"

#include "arenas/page_map.h"

#include <string.h>

struct strip {
    const unsigned char *resident;
    uint32_t from, to; /* slices of the arena */
};

/* Eight at a time: there are 262,144 in a gigabyte. */
static size_t count_pages(const unsigned char *resident, size_t pages)
{
    size_t count = 0, i = 0;
    for (; i + 8 <= pages; i += 8) {
        uint64_t word;
        memcpy(&word, resident + i, sizeof word);
        count += (size_t)((word & UINT64_C(0x0101010101010101)) * UINT64_C(0x0101010101010101) >> 56); /* the sum of its bytes */
    }
    for (; i < pages; i++)
        count += resident[i] & 1;
    return count;
}

/* Resident bytes of some pages of a span, as far as they are in the strip. */
static uint64_t resident_bytes(const struct strip *strip, uint32_t span, size_t from_page, size_t to_page)
{
    size_t base = (size_t)span * USAGE_PAGES_PER_SLICE, first = (size_t)strip->from * USAGE_PAGES_PER_SLICE;
    size_t last = (size_t)strip->to * USAGE_PAGES_PER_SLICE;
    size_t from = base + from_page < first ? first : base + from_page, to = base + to_page > last ? last : base + to_page;
    return from >= to ? 0 : count_pages(strip->resident + (from - first), to - from) * OS_PAGE_SIZE;
}

static void add_pool(struct usage *usage, const struct span *span, uint64_t resident)
{
    uint32_t used = load_rlx(&span->used), capacity = span->capacity;
    uint64_t held = (uint64_t)(used < capacity ? used : capacity) * span->block_size;
    uint64_t live = held < resident ? held : resident;
    usage->allocated += held;
    usage->live += live;
    usage->slack += resident - live;
    usage->pools_free += (uint64_t)capacity * span->block_size - held;
    if (span->size_class >= SIZE_CLASSES)
        return;
    struct usage_class *class = &usage->classes[span->size_class];
    class->pools++;
    class->blocks += used;
    class->pinned += used != 0 ? resident - live : 0;
}

static void add_large(struct usage *usage, const struct strip *strip, const struct span *span, uint32_t at, uint32_t slices, bool begins)
{
    size_t pages = (size_t)slices * USAGE_PAGES_PER_SLICE, offset = span->start % OS_PAGE_SIZE, most = pages * OS_PAGE_SIZE - offset;
    size_t bytes = load_rlx(&span->large_size);
    bytes = bytes < most ? bytes : most;
    size_t end = offset + bytes;
    size_t held = end / OS_PAGE_SIZE, part = end % OS_PAGE_SIZE; /* of a sample, and of a hardened block: not by whole pages */
    uint64_t first = resident_bytes(strip, at, 0, 1), last = part != 0 ? resident_bytes(strip, at, held, held + 1) : 0;
    uint64_t live = resident_bytes(strip, at, 0, held) + (last != 0 ? part : 0) - (first != 0 ? offset : 0);
    usage->live += live;
    usage->slack += resident_bytes(strip, at, 0, pages) - live;
    if (begins) {
        usage->allocated += bytes;
        usage->large_bytes += bytes > SMALL_MAX ? bytes : 0;
    }
}

static void usage_span(struct usage *usage, const struct strip *strip, const struct span *span, uint32_t at, uint32_t slices, bool begins)
{
    uint64_t resident = resident_bytes(strip, at, 0, (size_t)slices * USAGE_PAGES_PER_SLICE);
    switch (load_rlx(&span->kind)) {
    case SPAN_POOL:
        if (load_acq(&span->heap) != NULL) /* P:pool acquire: with pool_publish */
            add_pool(usage, span, resident);
        else
            usage->slack += resident;
        break;
    case SPAN_LARGE:
    case SPAN_OBJECT:
        add_large(usage, strip, span, at, slices, begins);
        break;
    case SPAN_SPARE:
        usage->spare += resident;
        break;
    default:
        usage->dirty += resident;
        break;
    }
}

static bool is_free(const struct arena *arena, uint32_t slice)
{
    return arena->huge ? load_rlx(&arena->spans[0].kind) == SPAN_FREE : bitmap_get(arena->free_bits, slice);
}

/* Where what begins at, or goes through, this slice ends. */
static uint32_t end_of(const struct arena *arena, const struct usage_place *place, uint32_t limit)
{
    if (arena->huge)
        return arena->slices;
    if (is_free(arena, place->slice))
        return bitmap_next_clear(arena->free_bits, place->slice, limit);
    uint32_t slices = arena->spans[place->span].slices, rest = arena->slices - place->span;
    uint32_t end = place->span + (slices < rest ? slices : rest);
    return end > place->slice ? end : place->slice + 1; /* what has changed since the last strip */
}

/* The two lines of a span so many slices ahead: they have long left the caches. */
#define SLICES_AHEAD 16

ARCA_INLINE void prefetch_span(const struct arena *arena, uint32_t slice)
{
    __builtin_prefetch(&arena->spans[slice]);
    __builtin_prefetch(&arena->spans[slice].free_list);
}

void usage_slices(struct usage *usage, const struct arena *arena, struct usage_place *place, const unsigned char *resident)
{
    uint32_t from = place->slice, limit = arena->slices - from > USAGE_SLICES ? from + USAGE_SLICES : arena->slices;
    struct strip strip = { resident, from, limit };
    while (place->slice < limit) {
        uint32_t end = end_of(arena, place, limit);
        const struct span *span = &arena->spans[place->span];
        if (end + SLICES_AHEAD < arena->slices && !arena->huge)
            prefetch_span(arena, end + SLICES_AHEAD);
        bool free = is_free(arena, place->slice), pool = !free && !arena->huge && load_rlx(&span->kind) == SPAN_POOL;
        if (pool && end > limit && place->slice > from)
            return; /* whole, in the next strip */
        if (free)
            usage->dirty += resident_bytes(&strip, place->slice, 0, (size_t)(end - place->slice) * USAGE_PAGES_PER_SLICE);
        else
            usage_span(usage, &strip, span, place->span, end - place->span, place->span == place->slice);
        bool goes_on = end > limit && !pool;
        place->slice = end < limit ? end : limit;
        if (!goes_on)
            place->span = place->slice;
    }
}

void usage_meta(struct usage *usage, const unsigned char *resident, size_t pages)
{
    usage->meta += count_pages(resident, pages) * OS_PAGE_SIZE;
}

static uint64_t within(int64_t bytes, uint64_t most)
{
    return bytes < 0 ? 0 : (uint64_t)bytes < most ? (uint64_t)bytes : most;
}

void usage_heap(struct usage *usage, const struct heap *heap)
{
    uint64_t most = (uint64_t)1 << PAGE_MAP_ADDRESS_BITS;
    usage->heaps++;
    for (unsigned class = 0; class < SIZE_CLASSES; class++)
        usage->cached += within((int64_t)heap->bins[class].limit - heap->bins[class].room, UINT16_MAX) * size_classes[class].block_size;
    for (unsigned i = 0; i < PARCELS; i++) {
        if (heap->parcels[i].destination != NULL)
            usage->cached += heap->parcels[i].bytes;
    }
    usage->cached += within(load_rlx(&heap->remote.bytes), most);
    usage->cached += heap->quarantine.bytes < most ? heap->quarantine.bytes : most;
}

_Static_assert(sizeof(struct usage) % sizeof(uint64_t) == 0 && _Alignof(struct usage) == _Alignof(uint64_t), "all words");

void usage_add(struct usage *usage, const struct usage *part)
{
    uint64_t *sums = (uint64_t *)(void *)usage;
    const uint64_t *words = (const uint64_t *)(const void *)part;
    for (size_t i = 0; i < sizeof *usage / sizeof *words; i++)
        sums[i] += words[i];
}

void usage_replace(struct usage *usage, const struct usage *old, const struct usage *fresh)
{
    uint64_t *sums = (uint64_t *)(void *)usage;
    const uint64_t *gone = (const uint64_t *)(const void *)old, *come = (const uint64_t *)(const void *)fresh;
    for (size_t i = 0; i < sizeof *usage / sizeof *sums; i++)
        sums[i] += come[i] - gone[i];
}

void usage_end(struct usage *usage)
{
    uint64_t resident = usage->cached < usage->live ? usage->cached : usage->live;
    usage->cached = resident + usage->spare;
    usage->live -= resident;
    usage->allocated -= resident < usage->allocated ? resident : usage->allocated;
}
