/* The walk over arenas, heaps and records; what the kernel says is asked for with no lock held. */
#include "front/census.h"

#include "arenas/meta.h"
#include "arenas/page_map.h"
#include "base/memory.h"
#include "front/ledger.h"
#include "front/process.h"

#include <pthread.h>
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

/* Beside what is known of the arenas. */
static void census_finish(struct usage *usage)
{
    add_all_records(usage);
    add_heaps(usage);
    usage_end(usage);
}

void census_take(struct usage *usage)
{
    process_after_fork();
    memset(usage, 0, sizeof *usage);
    for (struct arena *a = load_acq(&arenas.all); a != NULL; a = a->all_next) { /* P:arena record acquire: with arena_take_record */
        add_arena(usage, a);
        add_records(usage, a, sizeof *a);
    }
    census_finish(usage);
}

/* ---- by turns ---------------------------------------------------------------------------------------------------------- */

/* Of so much all is looked at: that is no more. */
#define EXACT_SLICES ((size_t)4 * ARENA_SLICES)

/* A look a second may take a thousandth of a processor, of which a fifth is for all that is not an arena.  A minute of it in advance,
 * and kept, so that who does not look all the time sees all. */
#define CENSUS_SHARE 1250
#define CENSUS_MOST_US ((int64_t)60 * 1000000 / CENSUS_SHARE)
static const struct ledger_terms census_terms = { .share = CENSUS_SHARE, .most_us = CENSUS_MOST_US, .advance_us = CENSUS_MOST_US };

static struct {
    struct lock lock; /* one looks by turns, others at all */
    struct ledger ledger;
} census_turns;

/* A look that a fork caught half way is forgotten, with the room of its ledger. */
static void census_fork_child(void)
{
    if (lock_is_held(&census_turns.lock))
        memset(&census_turns, 0, sizeof census_turns);
}

__attribute__((constructor(102))) static void census_construct(void)
{
    pthread_atfork(NULL, NULL, census_fork_child);
}

static struct ledger_head arena_head(const struct arena *arena)
{
    struct ledger_head head = { .slices = 0 };
    lock_acquire(&arenas.lock);
    if (arena->slices != 0) /* else the rest is its next owner's */
        head = ledger_head_of(arena);
    lock_release(&arenas.lock);
    return head;
}

static bool walk_by_turns(struct ledger *ledger, struct usage *usage, uint64_t *age_ms)
{
    uint64_t kernel_bytes = memory_anonymous();
    if (kernel_bytes == UINT64_MAX)
        return false;
    ledger_begin(ledger, &census_terms, kernel_bytes);
    for (struct arena *a = load_acq(&arenas.all); a != NULL; a = a->all_next) { /* P:arena record acquire: with arena_take_record */
        ledger_prefetch(ledger);
        struct ledger_head head = arena_head(a);
        if (!ledger_meet(ledger, a, &head))
            return false;
    }
    if (!ledger_sort(ledger))
        return false;
    for (struct ledger_entry *entry; (entry = ledger_next(ledger)) != NULL;) {
        struct usage part = { .live = 0 };
        struct arena *arena = (struct arena *)entry->record;
        struct ledger_head head = arena_head(arena);
        add_arena(&part, arena);
        add_records(&part, arena, sizeof *arena);
        ledger_enter(ledger, entry, &head, &part);
    }
    *age_ms = ledger_add_up(ledger, usage);
    return true;
}

uint64_t census_take_by_turns(struct usage *usage)
{
    uint64_t age_ms = 0;
    process_after_fork();
    memset(usage, 0, sizeof *usage);
    if (load_rlx(&arenas.mapped_slices) <= EXACT_SLICES || !lock_try(&census_turns.lock)) {
        census_take(usage);
        return 0;
    }
    bool done = walk_by_turns(&census_turns.ledger, usage, &age_ms);
    if (!done)
        ledger_forget(&census_turns.ledger);
    lock_release(&census_turns.lock);
    if (done)
        census_finish(usage);
    else
        census_take(usage);
    return done ? age_ms : 0;
}
