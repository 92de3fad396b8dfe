/* The purger: collects what is due, gives it back, hands the clean slices over. */
#include "arenas/purge.h"

#include "arenas/arena.h"
#include "base/options.h"
#include "base/probe.h"
#include "base/stats.h"

struct batch {
    struct span *spans[OS_RANGES_MAX];
    struct os_range ranges[OS_RANGES_MAX];
    unsigned count;
    struct arena *unmap; /* an empty arena, out of all lists; excludes ranges */
};

static struct lock purger = LOCK_INIT;

/* Dirty slices when the kernel last refused a purge; there is no use in trying again before that changes. */
static _Atomic size_t refused_slices;

static bool slice_due(const struct arena *arena, uint32_t index, uint32_t now_ms, uint32_t hold_ms)
{
    return (int32_t)(now_ms - arena->freed_ms[index]) >= (int32_t)hold_ms;
}

/* Sentence by sentence: nothing lives in it; another empty arena stays, for the next burst and so that a heap that
 * gave everything back can serve small requests when the system maps nothing more; and all of it has been unused
 * for the hold. */
static bool arena_releasable_locked(const struct arena *arena, bool have_reserve, uint32_t now_ms, uint32_t hold_ms)
{
    if (arena->free_slices != arena->slices || !have_reserve)
        return false;
    for (uint32_t i = bitmap_next_set(arena->dirty_bits, 0, arena->slices); i < arena->slices;
         i = bitmap_next_set(arena->dirty_bits, i + 1, arena->slices)) {
        if (!slice_due(arena, i, now_ms, hold_ms))
            return false;
    }
    return true;
}

/* Takes one run of due slices out of the free ones. */
static void take_run_locked(struct batch *batch, struct arena *arena, uint32_t from, uint32_t to)
{
    struct span *span = &arena->spans[from];
    uint32_t count = to - from;
    span->arena = arena;
    span->slices = count;
    span->start = arena->base + ((uintptr_t)from << SLICE_SHIFT);
    store_rlx(&span->kind, (uint8_t)SPAN_PURGING);
    bitmap_clear_range(arena->free_bits, from, count);
    bitmap_clear_range(arena->dirty_bits, from, count);
    arena->free_slices -= count;
    arena->dirty_slices -= count;
    sub_rlx(&arenas.dirty_slices, count);
    arenas.purging++;
    batch->spans[batch->count] = span;
    batch->ranges[batch->count] = (struct os_range){ (void *)span->start, span_bytes(span) };
    batch->count++;
}

/* Huge pages that are wholly free but not unused for long enough throughout: they go back whole, or are claimed
 * again, which costs a fraction of breaking them up. */
static uint32_t waiting_huge_pages(const struct arena *arena, uint32_t now_ms, uint32_t hold_ms)
{
    uint32_t waiting = 0;
    for (uint32_t rest = load_rlx(&arena->huge_pages.whole); rest != 0; rest &= rest - 1) {
        uint32_t page = bits_lowest(rest), from = page * HUGE_PAGE_SLICES, to = from + HUGE_PAGE_SLICES;
        if (bitmap_next_clear(arena->dirty_bits, from, to) != to)
            continue;
        while (from < to && slice_due(arena, from, now_ms, hold_ms))
            from++;
        if (from < to)
            waiting |= 1u << page;
    }
    return waiting;
}

static void collect_arena_locked(struct batch *batch, struct arena *arena, uint32_t now_ms, uint32_t hold_ms)
{
    uint32_t limit = arena->slices, waiting = waiting_huge_pages(arena, now_ms, hold_ms);
    for (uint32_t from = bitmap_next_set(arena->dirty_bits, 0, limit); from < limit && batch->count < OS_RANGES_MAX;) {
        uint32_t end = bitmap_next_clear(arena->dirty_bits, from, limit), to = from;
        while (to < end && !(waiting >> to / HUGE_PAGE_SLICES & 1) && slice_due(arena, to, now_ms, hold_ms))
            to++;
        if (to > from)
            take_run_locked(batch, arena, from, to);
        from = bitmap_next_set(arena->dirty_bits, to == from ? to + 1 : to, limit);
    }
}

/* An empty arena whose time has come; pieces first, they have no reserve. */
static struct arena *find_releasable_locked(uint32_t now_ms, uint32_t hold_ms)
{
    for (struct arena *a = arenas.pieces; a != NULL; a = a->next) {
        if (slice_due(a, 0, now_ms, hold_ms))
            return a;
    }
    unsigned top = bits_width(ARENA_SLICES);
    bool have_reserve = options.arenas != 0 && hold_ms == 0; /* none is kept from what else may want to be mapped within the bound */
    for (unsigned dirty = 2; dirty-- > 0;) {
        for (unsigned bucket = top + 1; bucket-- > 0;) {
            for (struct arena *a = arenas.lists[dirty][bucket]; a != NULL; a = a->next) {
                if (arena_releasable_locked(a, have_reserve, now_ms, hold_ms))
                    return a;
                have_reserve |= a->free_slices == a->slices;
            }
        }
    }
    return NULL;
}

static bool collect(struct batch *batch, uint32_t now_ms, uint32_t hold_ms)
{
    batch->count = 0;
    lock_acquire(&arenas.lock);
    batch->unmap = find_releasable_locked(now_ms, hold_ms);
    if (batch->unmap != NULL) {
        arena_forget_locked(batch->unmap);
        arenas.purging++;
    } else {
        for (unsigned bucket = ARENA_BUCKETS; bucket-- > 0 && batch->count < OS_RANGES_MAX;) {
            struct arena *next;
            for (struct arena *a = arenas.lists[1][bucket]; a != NULL && batch->count < OS_RANGES_MAX; a = next) {
                next = a->next;
                collect_arena_locked(batch, a, now_ms, hold_ms);
                arena_relist_locked(a);
            }
        }
    }
    lock_release(&arenas.lock);
    return batch->unmap != NULL || batch->count != 0;
}

/* Back to the free slices, clean, or dirty as of now when the kernel refused. */
static void hand_back(const struct batch *batch, bool purged, uint32_t now_ms)
{
    lock_acquire(&arenas.lock);
    for (unsigned i = 0; i < batch->count; i++) {
        struct span *span = batch->spans[i];
        struct arena *arena = span->arena;
        uint32_t index = (uint32_t)(span - arena->spans), count = span->slices;
        store_rlx(&span->kind, (uint8_t)SPAN_FREE);
        bitmap_set_range(arena->free_bits, index, count);
        arena->free_slices += count;
        if (!purged) {
            bitmap_set_range(arena->dirty_bits, index, count);
            arena->dirty_slices += count;
            add_rlx(&arenas.dirty_slices, count);
            for (uint32_t k = 0; k < count; k++)
                arena->freed_ms[index + k] = now_ms;
        }
        arena_relist_locked(arena);
    }
    arenas.purging -= batch->count;
    lock_release(&arenas.lock);
}

/* Why less went than there was. */
static void note_last(size_t asked, size_t refused)
{
    size_t left = load_rlx(&arenas.dirty_slices) << SLICE_SHIFT;
    stats_set(last_asked_bytes, asked);
    stats_set(last_returned_bytes, asked > left ? asked - left : 0);
    stats_set(last_refused_bytes, refused);
    stats_set(last_waiting_bytes, left > refused ? left - refused : 0);
}

size_t purge_free_slices(uint32_t now_ms, uint32_t hold_ms)
{
    size_t total = 0, refused = 0, asked = load_rlx(&arenas.dirty_slices) << SLICE_SHIFT;
    struct batch batch;
    if (!lock_try(&purger))
        return 0;
    while (collect(&batch, now_ms, hold_ms)) {
        if (batch.unmap != NULL) {
            total += arena_unmap(batch.unmap);
            continue;
        }
        size_t bytes = 0;
        for (unsigned i = 0; i < batch.count; i++) {
            huge_page_break(&batch.spans[i]->arena->huge_pages, &batch.ranges[i]);
            bytes += batch.ranges[i].bytes;
        }
        bool purged = os_purge_ranges(batch.ranges, batch.count);
        hand_back(&batch, purged, now_ms);
        if (!purged) {
            refused = bytes;
            stats_add(purge_failures, 1);
            store_rlx(&refused_slices, load_rlx(&arenas.dirty_slices));
            break;
        }
        stats_add(purge_runs, 1);
        stats_add(purged_bytes, bytes);
        PROBE2(purge, bytes, batch.count);
        total += bytes;
    }
    if (asked != 0)
        note_last(asked, refused);
    lock_release(&purger);
    return total;
}

void purge_fork_child(void)
{
    lock_reset(&purger);
}

bool purge_has_work(void)
{
    size_t dirty = load_rlx(&arenas.dirty_slices);
    return dirty != 0 && dirty != load_rlx(&refused_slices);
}
