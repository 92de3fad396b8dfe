/* Claiming and returning spans. */
#include "arenas/arena.h"

#include "arenas/page_map.h"
#include "base/options.h"

#include <string.h>

struct arenas arenas = { .alarm_slices = ARENA_ALARM_FIRST };

void arena_relist_locked(struct arena *arena)
{
    if (bits_width(arena->free_slices) != arena->bucket || (arena->dirty_slices != 0) != arena->listed_dirty) {
        arena_unlist_locked(arena);
        arena_list_locked(arena);
    }
}

static uint32_t slice_index(const struct arena *arena, const struct span *span)
{
    return (uint32_t)(span - arena->spans);
}

/* ---- figures ---------------------------------------------------------------------------------- */

static void alarm_if_due(void)
{
    if (unlikely(arena_resident_slices(&arenas) >= load_rlx(&arenas.alarm_slices)))
        store_rlx(&arenas.alarm, true);
}

void arena_count_used(size_t slices)
{
    add_rlx(&arenas.used_slices, slices);
    alarm_if_due();
}

void arena_use_room(uint32_t slices)
{
    sub_rlx(&arenas.room_slices, slices);
    alarm_if_due();
}

/* ---- claim --------------------------------------------------------------------------------- */

/* The slices [index, index + count) leave the free ones. */
static void take_slices_locked(struct arena *arena, uint32_t index, uint32_t count)
{
    uint32_t dirty = bitmap_count_range(arena->dirty_bits, index, count);
    bitmap_clear_range(arena->free_bits, index, count);
    bitmap_clear_range(arena->dirty_bits, index, count);
    arena->free_slices -= count;
    arena->dirty_slices -= dirty;
    sub_rlx(&arenas.dirty_slices, dirty);
    arena_count_used(count);
    arena_relist_locked(arena);
    ARCA_WALK(arena_check_locked(arena));
}

static struct span *take_span_locked(struct arena *arena, uint32_t index, uint32_t slices, enum span_kind kind, bool *zeroed)
{
    struct span *span = &arena->spans[index];
    /* Lazily purged pages read as zeros only once the kernel has taken them. */
    *zeroed = !options.lazy && (arena->dirty_slices == 0 || bitmap_count_range(arena->dirty_bits, index, slices) == 0);
    span->arena = arena;
    span->start = arena->base + ((uintptr_t)index << SLICE_SHIFT);
    span->slices = slices;
    span->start_bound = 0;
    span->hardened_bound = 0;
    span->hardened = false;
    assert(load_rlx(&span->holder) == 0); /* since it was returned: whoever thinks that he holds what it was is wrong */
    store_rlx(&span->kind, (uint8_t)kind);
    take_slices_locked(arena, index, slices);
    return span;
}

enum claim_from { FROM_DIRTY, FROM_CLEAN, FROM_ANY };

static const uint64_t *clean_bits(const struct arena *arena, uint64_t *bits)
{
    for (unsigned i = 0; i < BITMAP_WORDS(ARENA_SLICES); i++)
        bits[i] = arena->free_bits[i] & ~arena->dirty_bits[i];
    return bits;
}

static struct span *claim_in_locked(struct arena *arena, enum claim_from from, uint32_t slices, uint32_t align,
                                    enum span_kind kind, bool *zeroed)
{
    uint64_t clean[BITMAP_WORDS(ARENA_SLICES)];
    uint32_t dirty = arena->dirty_slices, room = arena->free_slices;
    if ((from == FROM_DIRTY ? dirty : from == FROM_CLEAN ? room - dirty : room) < slices)
        return NULL;
    const uint64_t *bits = from == FROM_DIRTY ? arena->dirty_bits : from == FROM_CLEAN ? clean_bits(arena, clean) : arena->free_bits;
    uint32_t index;
    if (slices == 1 && align == 1) {
        index = bitmap_next_set(bits, 0, arena->slices);
        if (index == arena->slices)
            return NULL;
    } else {
        uint32_t phase = (uint32_t)(arena->base >> SLICE_SHIFT) & (align - 1);
        index = bitmap_find_run(bits, arena->slices, slices, align, phase);
        if (index == BITMAP_NONE)
            return NULL;
    }
    return take_span_locked(arena, index, slices, kind, zeroed);
}

/* How many arenas of a list a claim of several slices looks at: the rest is as fragmented, most likely. */
#define SEARCH_ARENAS_MAX 8

/* A large block is worth a search for the place that fits best and is paid for. */
#define SEARCH_SLICES_MIN 5

static struct span *claim_best_locked(uint32_t slices, uint32_t align, enum span_kind kind, bool *zeroed)
{
    struct arena *best = NULL;
    uint32_t best_index = 0;
    uint64_t cost = UINT64_MAX;
    for (unsigned bucket = bits_width(slices); bucket < ARENA_BUCKETS; bucket++) {
        for (unsigned dirty = 2; dirty-- > 0;) {
            unsigned searched = 0;
            for (struct arena *a = arenas.lists[dirty][bucket]; a != NULL && searched++ < SEARCH_ARENAS_MAX; a = a->next) {
                uint32_t phase = (uint32_t)(a->base >> SLICE_SHIFT) & (align - 1);
                uint32_t index = bitmap_find_dirtiest(a->free_bits, a->dirty_bits, a->slices, slices, align, phase, &cost);
                if (index != BITMAP_NONE) {
                    best = a;
                    best_index = index;
                }
            }
        }
    }
    return best == NULL ? NULL : take_span_locked(best, best_index, slices, kind, zeroed);
}

/* The fullest arena first. */
static struct span *claim_first_locked(enum claim_from from, uint32_t slices, uint32_t align, enum span_kind kind, bool *zeroed)
{
    for (unsigned bucket = bits_width(slices); bucket < ARENA_BUCKETS; bucket++) {
        for (unsigned dirty = from == FROM_DIRTY; dirty < 2; dirty++) {
            unsigned searched = 0;
            for (struct arena *a = arenas.lists[dirty][bucket]; a != NULL && searched++ < SEARCH_ARENAS_MAX; a = a->next) {
                struct span *span = claim_in_locked(a, from, slices, align, kind, zeroed);
                if (span != NULL)
                    return span;
            }
        }
    }
    return NULL;
}

static struct span *claim_dirty_locked(uint32_t slices, uint32_t align, enum span_kind kind, bool *zeroed)
{
    return load_rlx(&arenas.dirty_slices) < slices ? NULL : claim_first_locked(FROM_DIRTY, slices, align, kind, zeroed);
}

static struct span *claim_locked(uint32_t slices, uint32_t align, enum span_kind kind, bool *zeroed)
{
    if (slices >= SEARCH_SLICES_MIN)
        return claim_best_locked(slices, align, kind, zeroed);
    struct span *span = claim_dirty_locked(slices, align, kind, zeroed);
    return span != NULL ? span : claim_first_locked(FROM_ANY, slices, align, kind, zeroed);
}

struct span *arena_claim(uint32_t slices, uint32_t align_slices, enum span_kind kind, bool *zeroed)
{
    lock_acquire(&arenas.lock);
    size_t paid = load_rlx(&arenas.dirty_slices);
    struct span *span = claim_locked(slices, align_slices, kind, zeroed);
    paid -= load_rlx(&arenas.dirty_slices);
    uint32_t due = span != NULL ? arena_due_way_locked(slices - (uint32_t)paid) : 0;
    lock_release(&arenas.lock);
    if (span == NULL) {
        struct arena *arena = arena_map(slices, align_slices, false);
        if (arena == NULL)
            return NULL;
        lock_acquire(&arenas.lock);
        arena_list_locked(arena);
        span = claim_in_locked(arena, FROM_ANY, slices, align_slices, kind, zeroed);
        due = arena_due_way_locked(slices);
        lock_release(&arenas.lock);
    }
    if (span != NULL)
        page_map_set(span->start, kind == SPAN_POOL ? slices : 1, span);
    if (unlikely(due != 0))
        arena_make_way(due);
    return span;
}

struct span *arena_claim_ahead(uint32_t slices, bool *zeroed)
{
    struct span *span = NULL, *fresh = NULL;
    uint32_t due = 0;
    if (huge_page_worth(load_rlx(&arenas.used_slices))) {
        uint32_t whole = (uint32_t)bits_round_up(slices, HUGE_PAGE_SLICES);
        lock_acquire(&arenas.lock);
        span = claim_dirty_locked(slices, 1, SPAN_POOL, zeroed);
        if (span == NULL)
            span = fresh = claim_first_locked(FROM_CLEAN, whole, HUGE_PAGE_SLICES, SPAN_POOL, zeroed);
        if (fresh != NULL)
            due = arena_due_way_locked(whole);
        lock_release(&arenas.lock);
    }
    if (span == NULL) {
        span = arena_claim(slices, 1, SPAN_POOL, zeroed);
        if (span != NULL && *zeroed)
            huge_page_pass(slices);
        return span;
    }
    if (fresh != NULL) {
        arena_make_way(due);
        huge_page_fault(&span->arena->huge_pages, span);
        arena_shrink(span, slices, os_now_ms());
        *zeroed = false; /* there is nothing left to fault in */
    }
    page_map_set(span->start, slices, span);
    return span;
}

void arena_set_offset(struct span *span, size_t offset)
{
    if (span_offset(span) == offset)
        return;
    lock_acquire(&arenas.lock);
    span->start = span_base(span) + offset;
    lock_release(&arenas.lock);
}

/* ---- return -------------------------------------------------------------------------------- */

static void free_slices_locked(struct arena *arena, uint32_t index, uint32_t count, uint32_t now_ms)
{
    bitmap_set_range(arena->free_bits, index, count);
    bitmap_set_range(arena->dirty_bits, index, count);
    for (uint32_t i = 0; i < count; i++)
        arena->freed_ms[index + i] = now_ms;
    arena->free_slices += count;
    arena->dirty_slices += count;
    sub_rlx(&arenas.used_slices, count);
    add_rlx(&arenas.dirty_slices, count);
    arena_relist_locked(arena);
    ARCA_WALK(arena_check_locked(arena));
}

void arena_return(struct span *span, uint32_t now_ms)
{
    struct arena *arena = span->arena;
    bool entered = load_rlx(&span->kind) == SPAN_POOL || load_rlx(&span->kind) == SPAN_OBJECT;
    page_map_set(span->start, entered ? span->slices : 1, NULL);
    store_rlx(&span->heap, NULL);
    lock_acquire(&arenas.lock);
    if (unlikely(load_rlx(&span->holder) != 0))
        sub_rlx(&arenas.room_slices, arena_room(span));
    store_rlx(&span->holder, 0u); /* first: a fork in between must not find what is free held */
    store_rlx(&span->kind, (uint8_t)SPAN_FREE);
    if (arena->huge)
        arena_return_huge_locked(arena, now_ms);
    else
        free_slices_locked(arena, slice_index(arena, span), span->slices, now_ms);
    lock_release(&arenas.lock);
}

bool arena_extend(struct span *span, uint32_t slices)
{
    struct arena *arena = span->arena;
    bool done = false;
    lock_acquire(&arenas.lock);
    uint32_t end = slice_index(arena, span) + span->slices, more = slices - span->slices;
    if (end + more <= arena->slices && bitmap_next_clear(arena->free_bits, end, end + more) == end + more) {
        span->slices = slices;
        take_slices_locked(arena, end, more);
        done = true;
    }
    lock_release(&arenas.lock);
    return done;
}

static void shrink_locked(struct span *span, uint32_t slices, uint32_t now_ms)
{
    uint32_t less = span->slices - slices;
    span->slices = slices;
    free_slices_locked(span->arena, slice_index(span->arena, span) + slices, less, now_ms);
}

void arena_shrink(struct span *span, uint32_t slices, uint32_t now_ms)
{
    lock_acquire(&arenas.lock);
    shrink_locked(span, slices, now_ms);
    lock_release(&arenas.lock);
}

/* Done under the lock, though it is a system call: who frees the block, or grows it, must not meet it half way.  It is
 * one for a block that has grown again and again, and stayed small. */
static void purge_tail_locked(struct span *span, size_t used)
{
    struct os_range tail = { (void *)(span_base(span) + used), SLICE_SIZE - used };
    if (!span->stained || used > SLICE_SIZE / 2)
        return;
    huge_page_break(&span->arena->huge_pages, &tail);
    os_purge(tail.address, tail.bytes);
    span->stained = false;
}

void arena_cut(struct span *span, uint32_t holder, uint32_t now_ms)
{
    lock_acquire(&arenas.lock);
    if (load_rlx(&span->holder) == holder) {
        sub_rlx(&arenas.room_slices, arena_room(span));
        size_t used = span_offset(span) + load_rlx(&span->large_size);
        if (slices_for(used) < span->slices)
            shrink_locked(span, slices_for(used), now_ms);
        purge_tail_locked(span, used);
        store_rel(&span->holder, 0u); /* P:holder release: its slices, to growth.c */
    }
    lock_release(&arenas.lock);
}
