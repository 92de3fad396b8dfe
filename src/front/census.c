/* The walk over arenas, heaps and records; what the kernel says is asked for with no lock held. */
#include "front/census.h"

#include "arenas/meta.h"
#include "arenas/page_map.h"
#include "front/process.h"

#include <string.h>

/* Where the next strip lies; false at the end of the arena.  A record without slices is being given others: nothing
 * else of it may be read. */
static bool next_strip(struct arena *arena, const struct usage_place *place, struct os_range *range)
{
    lock_acquire(&arenas.lock);
    uint32_t left = arena->slices > place->slice ? arena->slices - place->slice : 0;
    if (left != 0) {
        range->address = (void *)(arena->base + ((uintptr_t)place->slice << SLICE_SHIFT));
        range->bytes = (size_t)(left < USAGE_SLICES ? left : USAGE_SLICES) << SLICE_SHIFT;
    }
    lock_release(&arenas.lock);
    return left != 0;
}

/* False where the arena is another one by now. */
static bool add_strip(struct usage *usage, struct arena *arena, struct usage_place *place, const struct os_range *range,
                      const unsigned char *resident)
{
    lock_acquire(&arenas.lock);
    size_t end = ((size_t)place->slice << SLICE_SHIFT) + range->bytes;
    bool same = end <= (size_t)arena->slices << SLICE_SHIFT &&
                (uintptr_t)range->address == arena->base + ((uintptr_t)place->slice << SLICE_SHIFT);
    if (same)
        usage_slices(usage, arena, place, resident);
    lock_release(&arenas.lock);
    return same;
}

static void add_arena(struct usage *usage, struct arena *arena)
{
    struct usage_place place = { 0, 0 };
    struct os_range range;
    unsigned char resident[USAGE_PAGES];
    while (next_strip(arena, &place, &range)) {
        if (!os_resident(range.address, range.bytes, resident) || !add_strip(usage, arena, &place, &range, resident))
            return;
    }
}

static void add_records(struct usage *usage, void *address, size_t bytes)
{
    unsigned char resident[USAGE_PAGES];
    for (size_t at = 0; at < bytes; at += sizeof resident * OS_PAGE_SIZE) {
        size_t part = bits_round_up(bytes - at, OS_PAGE_SIZE), most = sizeof resident * OS_PAGE_SIZE;
        part = part < most ? part : most;
        if (os_resident((char *)address + at, part, resident))
            usage_meta(usage, resident, part / OS_PAGE_SIZE);
    }
}

static void add_all_records(struct usage *usage)
{
    for (struct meta_chunk *chunk = load_acq(&meta_chunks); chunk != NULL; chunk = chunk->next) /* P:meta chunk acquire: with refill_locked */
        add_records(usage, chunk, chunk->bytes);
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(page_map_root); i++) {
        struct page_map_leaf *leaf = load_acq(&page_map_root[i]); /* P:page map leaf acquire: with page_map_reserve */
        if (leaf != NULL)
            add_records(usage, leaf, sizeof *leaf);
    }
    add_records(usage, &page_map_first, sizeof page_map_first);
}

static void add_heaps(struct usage *usage)
{
    struct heap copy;
    struct heap_entry *at = heap_first();
    for (struct heap *heap; (heap = heap_next(&at)) != NULL;) {
        if (os_copy_racing(&copy, heap, sizeof copy))
            usage_heap(usage, &copy);
    }
}

void census_take(struct usage *usage)
{
    process_after_fork();
    memset(usage, 0, sizeof *usage);
    for (struct arena *a = load_acq(&arenas.all); a != NULL; a = a->all_next) { /* P:arena record acquire: with record_take */
        add_arena(usage, a);
        add_records(usage, a, sizeof *a);
    }
    add_all_records(usage);
    add_heaps(usage);
    usage_end(usage);
}
