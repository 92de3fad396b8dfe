/* Arenas come from the system, stand in lists, and leave. */
#include "arenas/arena.h"

#include "arenas/meta.h"
#include "arenas/page_map.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/probe.h"
#include "base/stats.h"

#include <string.h>

/* ---- lists --------------------------------------------------------------------------------------- */

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

void arena_unlist_locked(struct arena *arena)
{
    if (arena->huge)
        arena_unlist_piece_locked(arena);
    else
        list_remove(&arenas.lists[arena->listed_dirty][arena->bucket], arena);
}

void arena_list_locked(struct arena *arena)
{
    if (arena->huge) {
        arena_list_piece_locked(arena);
        return;
    }
    arena->bucket = (uint8_t)bits_width(arena->free_slices);
    arena->listed_dirty = arena->dirty_slices != 0;
    list_push(&arenas.lists[arena->listed_dirty][arena->bucket], arena);
}

/* ---- coming and going ------------------------------------------------------------------------------ */

struct arena *arena_take_record(void)
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

#define LITTLE_SLICES 64 /* 4 MiB */
#define LITTLE_SHARE 8
static _Atomic bool reserves_little;
static uint32_t drops; /* of what is unused, under the lock: who is mapping meanwhile does the same with what comes of that */

void arena_reserve_little(bool little)
{
    store_rlx(&reserves_little, little);
}

/* Where what is reserved counts as used, it is a share of what there is. */
static uint32_t reserved_slices(void)
{
    size_t reserved = (size_t)(options.arena >> SLICE_SHIFT), least = LITTLE_SLICES;
    if (reserved <= least || load_rlx(&reserves_little))
        return (uint32_t)(reserved < least ? reserved : least);
    if (!memory_reserving_is_dear())
        return (uint32_t)reserved;
    size_t share = load_rlx(&arenas.mapped_slices) / LITTLE_SHARE / least * least;
    return (uint32_t)(share < least ? least : share < reserved ? share : reserved);
}

static void drop_unused_locked(const struct arena *arena)
{
    for (uint32_t from = 0, to; from < arena->slices; from = to) {
        bool unused = bitmap_get(arena->free_bits, from) && !bitmap_get(arena->dirty_bits, from);
        for (to = from + 1; to < arena->slices && (bitmap_get(arena->free_bits, to) && !bitmap_get(arena->dirty_bits, to)) == unused; to++)
            continue;
        if (unused)
            os_discard((void *)(arena->base + ((uintptr_t)from << SLICE_SHIFT)), (size_t)(to - from) << SLICE_SHIFT);
    }
}

static bool may_drop(const struct arena *arena)
{
    return !arena->huge && arena->source == NULL;
}

void arena_drop_unused(void)
{
    lock_acquire(&arenas.lock);
    drops++;
    for (struct arena *arena = load_acq(&arenas.all); arena != NULL; arena = arena->all_next) { /* P:arena record acquire: with arena_take_record */
        if (arena->slices != 0 && may_drop(arena)) /* the rest of a spare record is its next owner's */
            drop_unused_locked(arena);
    }
    lock_release(&arenas.lock);
}

/* What does not fit is never counted: a smaller request of another thread's would be refused for it. */
bool arena_count_mapped(uint32_t slices)
{
    size_t most = options.arenas != 0 ? options.arenas * (options.arena >> SLICE_SHIFT) : SIZE_MAX, mapped = load_rlx(&arenas.mapped_slices);
    do {
        if (most < slices || mapped > most - slices)
            return false;
    } while (!cas_weak_rlx(&arenas.mapped_slices, &mapped, mapped + slices));
    return true;
}

static void *map_within_bound(const struct arca_arena_source *source, uint32_t slices, uint32_t align_slices)
{
    void *base = NULL;
    if (arena_count_mapped(slices) && (base = source_map(source, (size_t)slices << SLICE_SHIFT, (size_t)align_slices << SLICE_SHIFT)) == NULL)
        sub_rlx(&arenas.mapped_slices, slices);
    return base;
}

struct arena *arena_map(uint32_t slices, uint32_t align_slices, bool huge)
{
    struct arena *arena = arena_take_record();
    if (arena == NULL)
        return NULL;
    /* And with the lock what was set before a drop, so that an arena of after it is as little as it is to be. */
    lock_acquire(&arenas.lock);
    uint32_t drops_before = drops;
    lock_release(&arenas.lock);
    const struct arca_arena_source *source = load_acq(&arena_source); /* P:arena source acquire: with arca_arena_source_set */
    uint32_t reserved = huge ? 0 : reserved_slices(), size = slices > reserved ? slices : reserved;
    void *base = NULL;
    for (;; size = size / 4 > slices ? size / 4 : slices) {
        uint32_t align = size >= HUGE_PAGE_SLICES && align_slices < HUGE_PAGE_SLICES ? HUGE_PAGE_SLICES : align_slices;
        base = map_within_bound(source, size, align);
        if (base != NULL || size == slices)
            break;
    }
    if (base != NULL && !page_map_reserve((uintptr_t)base, (size_t)size << SLICE_SHIFT)) {
        source_unmap(source, base, (size_t)size << SLICE_SHIFT);
        sub_rlx(&arenas.mapped_slices, size);
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
    arena->base = arena->mapping = arena->huge_pages.base = (uintptr_t)base;
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
    if (huge)
        arena_make_way(size);
    lock_acquire(&arenas.lock);
    arena->slices = size;
    if (!huge)
        arena_owe_way_locked(size);
    if (drops != drops_before && may_drop(arena))
        drop_unused_locked(arena);
    lock_release(&arenas.lock);
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

void arena_forget_locked(struct arena *arena)
{
    arena_unlist_locked(arena);
    sub_rlx(&arenas.mapped_slices, arena->slices);
    sub_rlx(&arenas.dirty_slices, arena->dirty_slices);
}

size_t arena_unmap(struct arena *arena)
{
    size_t bytes = (size_t)arena->slices << SLICE_SHIFT;
    /* First the record: a fork in between must not find memory that is gone. */
    lock_acquire(&arenas.lock);
    uintptr_t base = arena->base;
    arena->slices = 0;
    arenas.purging--;
    lock_release(&arenas.lock);
    stats_add(released_bytes, (size_t)arena->dirty_slices << SLICE_SHIFT);
    PROBE2(arena_unmap, base, bytes);
    source_unmap(arena->source, (void *)base, bytes);
    os_purge((void *)bits_round_up((uintptr_t)arena->spans, OS_PAGE_SIZE), sizeof arena->spans - OS_PAGE_SIZE);
    lock_acquire(&arenas.lock);
    arena_spare_locked(arena);
    lock_release(&arenas.lock);
    stats_add(arenas_unmapped, 1);
    stats_add(unmapped_bytes, bytes);
    return bytes;
}
