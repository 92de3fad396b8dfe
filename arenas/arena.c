/* Claiming and returning spans. */
#include "arenas/arena.h"

#include "arenas/meta.h"
#include "arenas/page_map.h"
#include "base/options.h"
#include "base/probe.h"
#include "base/stats.h"

#include <string.h>

struct arenas arenas = { .alarm_slices = ARENA_ALARM_FIRST };

/* A huge block may take over a freed one that is up to a quarter larger. */
#define HUGE_SLACK(slices) ((slices) / 4)

static void list_remove(struct arena **head, struct arena *arena)
{
    if (arena->prev != NULL)
        arena->prev->next = arena->next;
    else
        *head = arena->next;
    if (arena->next != NULL)
        arena->next->prev = arena->prev;
    arena->next = arena->prev = NULL;
}

static void list_push(struct arena **head, struct arena *arena)
{
    arena->prev = NULL;
    arena->next = *head;
    if (*head != NULL)
        (*head)->prev = arena;
    *head = arena;
}

static void unlist_locked(struct arena *arena)
{
    if (arena->huge)
        list_remove(&arenas.huge_free, arena);
    else
        list_remove(&arenas.lists[arena->listed_dirty][arena->bucket], arena);
}

void arena_list_locked(struct arena *arena)
{
    if (arena->huge) {
        list_push(&arenas.huge_free, arena);
        return;
    }
    arena->bucket = (uint8_t)bits_width(arena->free_slices);
    arena->listed_dirty = arena->dirty_slices != 0;
    list_push(&arenas.lists[arena->listed_dirty][arena->bucket], arena);
}

void arena_relist_locked(struct arena *arena)
{
    if (bits_width(arena->free_slices) != arena->bucket || (arena->dirty_slices != 0) != arena->listed_dirty) {
        unlist_locked(arena);
        arena_list_locked(arena);
    }
}

static uint32_t slice_index(const struct arena *arena, const struct span *span)
{
    return (uint32_t)(span - arena->spans);
}

/* ---- mapping ------------------------------------------------------------------------------- */

static struct arena *record_take(void)
{
    lock_acquire(&arenas.lock);
    struct arena *arena = arenas.spares;
    if (arena != NULL)
        arenas.spares = arena->spare_next;
    lock_release(&arenas.lock);
    if (arena != NULL)
        return arena;
    arena = meta_create(sizeof *arena);
    if (arena == NULL)
        return NULL;
    struct arena *first = load_rlx(&arenas.all);
    do {
        arena->all_next = first;
    } while (!cas_weak_rel(&arenas.all, &first, arena)); /* P:arena record release: with the walks over all */
    return arena;
}

/* An arena with room for at least this many slices; smaller ones where address space is short. */
static struct arena *arena_map(uint32_t slices, uint32_t align_slices)
{
    struct arena *arena = record_take();
    if (arena == NULL)
        return NULL;
    bool huge = slices > ARENA_SLICES / 2;
    const struct arca_arena_source *source = load_acq(&arena_source); /* P:arena source acquire: with arca_arena_source_set */
    uint32_t reserved = (uint32_t)(options.arena >> SLICE_SHIFT), size = huge || slices > reserved ? slices : reserved;
    void *base = NULL;
    for (;; size = size / 4 > slices ? size / 4 : slices) {
        uint32_t align = size >= HUGE_PAGE_SLICES && align_slices < HUGE_PAGE_SLICES ? HUGE_PAGE_SLICES : align_slices;
        base = source_map(source, (size_t)size << SLICE_SHIFT, (size_t)align << SLICE_SHIFT);
        if (base != NULL || size == slices)
            break;
    }
    if (base != NULL && !page_map_reserve((uintptr_t)base, (size_t)size << SLICE_SHIFT)) {
        source_unmap(source, base, (size_t)size << SLICE_SHIFT);
        base = NULL;
    }
    if (base == NULL) {
        lock_acquire(&arenas.lock);
        arena_spare_locked(arena);
        lock_release(&arenas.lock);
        return NULL;
    }
    if (options.huge_pages && !huge)
        os_forbid_huge_pages(base, (size_t)size << SLICE_SHIFT);
    arena->base = arena->huge_pages.base = (uintptr_t)base;
    store_rlx(&arena->huge_pages.whole, 0u);
    arena->huge = huge;
    arena->source = source;
    arena->free_slices = size;
    arena->dirty_slices = 0;
    if (!huge) {
        memset(arena->free_bits, 0, sizeof arena->free_bits);
        memset(arena->dirty_bits, 0, sizeof arena->dirty_bits);
        bitmap_set_range(arena->free_bits, 0, size);
    }
    lock_acquire(&arenas.lock);
    arena->slices = size;
    lock_release(&arenas.lock);
    add_rlx(&arenas.mapped_slices, size);
    stats_add(arenas_mapped, 1);
    PROBE2(arena_map, base, (size_t)size << SLICE_SHIFT);
    return arena;
}

void arena_spare_locked(struct arena *arena)
{
    arena->slices = 0;
    arena->spare_next = arenas.spares;
    arenas.spares = arena;
}

/* The caller unmaps the memory after releasing the lock, then makes the record a spare. */
void arena_forget_locked(struct arena *arena)
{
    unlist_locked(arena);
    sub_rlx(&arenas.mapped_slices, arena->slices);
    sub_rlx(&arenas.dirty_slices, arena->dirty_slices);
}

static void alarm_if_due(void)
{
    if (unlikely(arena_resident_slices(&arenas) >= load_rlx(&arenas.alarm_slices)))
        store_rlx(&arenas.alarm, true);
}

static void count_used(size_t slices)
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
    count_used(count);
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
    store_rlx(&span->holder, 0u); /* whoever thinks that he holds what it was is wrong now */
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

static struct span *fill_huge_span(struct arena *arena, enum span_kind kind)
{
    struct span *span = &arena->spans[0];
    span->arena = arena;
    span->start = arena->base;
    span->slices = arena->slices;
    span->start_bound = 0;
    span->hardened_bound = 0;
    span->hardened = false;
    store_rlx(&span->holder, 0u);
    store_rlx(&span->kind, (uint8_t)kind);
    return span;
}

static struct span *claim_huge_locked(uint32_t slices, uint32_t align, enum span_kind kind, bool *zeroed)
{
    struct arena *best = NULL;
    for (struct arena *a = arenas.huge_free; a != NULL; a = a->next) {
        bool fits = a->slices >= slices && a->slices - slices <= HUGE_SLACK(slices);
        bool aligned = (a->base >> SLICE_SHIFT & (align - 1)) == 0;
        if (fits && aligned && (best == NULL || a->slices < best->slices))
            best = a;
    }
    if (best == NULL)
        return NULL;
    list_remove(&arenas.huge_free, best);
    sub_rlx(&arenas.dirty_slices, best->dirty_slices);
    count_used(best->slices);
    best->free_slices = best->dirty_slices = 0;
    *zeroed = false;
    return fill_huge_span(best, kind);
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
    if (slices > ARENA_SLICES / 2)
        return claim_huge_locked(slices, align, kind, zeroed);
    if (slices >= SEARCH_SLICES_MIN)
        return claim_best_locked(slices, align, kind, zeroed);
    struct span *span = claim_dirty_locked(slices, align, kind, zeroed);
    return span != NULL ? span : claim_first_locked(FROM_ANY, slices, align, kind, zeroed);
}

/* The first span of an arena that nobody else knows yet. */
static struct span *claim_new_locked(struct arena *arena, uint32_t slices, uint32_t align, enum span_kind kind, bool *zeroed)
{
    if (!arena->huge) {
        arena_list_locked(arena);
        return claim_in_locked(arena, FROM_ANY, slices, align, kind, zeroed);
    }
    arena->free_slices = 0;
    count_used(slices);
    *zeroed = true;
    return fill_huge_span(arena, kind);
}

struct span *arena_claim(uint32_t slices, uint32_t align_slices, enum span_kind kind, bool *zeroed)
{
    lock_acquire(&arenas.lock);
    struct span *span = claim_locked(slices, align_slices, kind, zeroed);
    lock_release(&arenas.lock);
    if (span == NULL) {
        struct arena *arena = arena_map(slices, align_slices);
        if (arena == NULL)
            return NULL;
        lock_acquire(&arenas.lock);
        span = claim_new_locked(arena, slices, align_slices, kind, zeroed);
        lock_release(&arenas.lock);
    }
    if (span != NULL)
        page_map_set(span->start, kind == SPAN_POOL ? slices : 1, span);
    return span;
}

struct span *arena_claim_ahead(uint32_t slices, bool *zeroed)
{
    struct span *span = NULL, *fresh = NULL;
    if (huge_page_worth(load_rlx(&arenas.used_slices))) {
        uint32_t whole = (uint32_t)bits_round_up(slices, HUGE_PAGE_SLICES);
        lock_acquire(&arenas.lock);
        span = claim_dirty_locked(slices, 1, SPAN_POOL, zeroed);
        if (span == NULL)
            span = fresh = claim_first_locked(FROM_CLEAN, whole, HUGE_PAGE_SLICES, SPAN_POOL, zeroed);
        lock_release(&arenas.lock);
    }
    if (span == NULL) {
        span = arena_claim(slices, 1, SPAN_POOL, zeroed);
        if (span != NULL && *zeroed)
            huge_page_pass(slices);
        return span;
    }
    if (fresh != NULL) {
        huge_page_fault(&span->arena->huge_pages, span);
        arena_shrink(span, slices, os_now_ms());
        *zeroed = false; /* there is nothing left to fault in */
    }
    page_map_set(span->start, slices, span);
    return span;
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
    if (arena->huge) {
        arena->freed_ms[0] = now_ms;
        arena->free_slices = arena->dirty_slices = arena->slices;
        sub_rlx(&arenas.used_slices, arena->slices);
        add_rlx(&arenas.dirty_slices, arena->slices);
        arena_list_locked(arena);
    } else {
        free_slices_locked(arena, slice_index(arena, span), span->slices, now_ms);
    }
    lock_release(&arenas.lock);
}

bool arena_extend(struct span *span, uint32_t slices)
{
    struct arena *arena = span->arena;
    if (arena->huge)
        return slices <= arena->slices;
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
    if (span->arena->huge)
        return;
    lock_acquire(&arenas.lock);
    shrink_locked(span, slices, now_ms);
    lock_release(&arenas.lock);
}

/* Done under the lock, though it is a system call: who frees the block, or grows it, must not meet it half way.  It is
 * one for a block that has grown again and again, and stayed small. */
static void purge_tail_locked(struct span *span, size_t used)
{
    struct os_range tail = { (void *)(span->start + used), SLICE_SIZE - used };
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
        size_t used = load_rlx(&span->large_size);
        if (slices_for(used) < span->slices)
            shrink_locked(span, slices_for(used), now_ms);
        purge_tail_locked(span, used);
        store_rel(&span->holder, 0u); /* P:holder release: its slices, to growth.c */
    }
    lock_release(&arenas.lock);
}

/* Where its pages are afterwards, in the reach of the page map, or NULL.  The new place is chosen here: the kernel knows
 * of no alignment, and once it has moved the pages it is too late to find out that they are out of reach. */
static void *remap(const struct arena *arena, size_t old_bytes, size_t new_bytes)
{
    void *base = (void *)arena->base;
    if (page_map_reserve(arena->base, new_bytes) && os_resize(base, old_bytes, new_bytes))
        return base;
    void *place = os_map(new_bytes, SLICE_SIZE);
    if (place == NULL)
        return NULL;
    if (page_map_reserve((uintptr_t)place, new_bytes) && os_move(base, old_bytes, place, new_bytes))
        return place;
    os_unmap(place, new_bytes);
    return NULL;
}

bool arena_remap_huge(struct span **span, uint32_t slices)
{
    struct arena *arena = (*span)->arena;
    size_t old_bytes = (size_t)arena->slices << SLICE_SHIFT, new_bytes = (size_t)slices << SLICE_SHIFT;
    if (arena->source != NULL)
        return false;
    /* The old address may be mapped by somebody else as soon as the kernel has moved it. */
    page_map_set(arena->base, 1, NULL);
    void *moved = remap(arena, old_bytes, new_bytes);
    if (moved == NULL) {
        page_map_set(arena->base, 1, *span);
        return false;
    }
    lock_acquire(&arenas.lock);
    count_used((size_t)slices - arena->slices);
    add_rlx(&arenas.mapped_slices, (size_t)slices - arena->slices);
    arena->base = (uintptr_t)moved;
    arena->slices = slices;
    arena->spans[0].start = arena->base;
    arena->spans[0].slices = slices;
    lock_release(&arenas.lock);
    page_map_set(arena->base, 1, &arena->spans[0]);
    return true;
}
