/* The law of the arenas: walked by checks and messages, restored in the child of a fork. */
#include "arenas/arena.h"

#include "base/log.h"

#include <string.h>

ARCA_COLD void arena_check_locked(const struct arena *arena)
{
    uint32_t used = 0, free_count = 0, dirty = 0;
    for (uint32_t i = 0; i < arena->slices;) {
        const struct span *span = &arena->spans[i];
        bool is_free = load_rlx(&span->kind) == SPAN_FREE;
        uint32_t slices = is_free ? 1 : span->slices;
        if (is_free) {
            free_count++;
            dirty += bitmap_get(arena->dirty_bits, i);
        } else {
            used += slices;
        }
        for (uint32_t k = i; k < i + slices; k++) {
            if (bitmap_get(arena->free_bits, k) != is_free)
                log_abort("check: arena %p: slice %u is %s in the bitmap", (void *)arena->base, k, is_free ? "used" : "free");
            if (!is_free && bitmap_get(arena->dirty_bits, k))
                log_abort("check: arena %p: slice %u is used and dirty", (void *)arena->base, k);
        }
        i += slices;
    }
    if (used + free_count != arena->slices || free_count != arena->free_slices || dirty != arena->dirty_slices)
        log_abort("check: arena %p: %u used + %u free slices of %u (counted %u free, %u dirty of %u)", (void *)arena->base, used,
                  free_count, arena->slices, arena->free_slices, dirty, arena->dirty_slices);
}

void arena_check(void)
{
    size_t dirty = 0;
    lock_acquire(&arenas.lock);
    for (unsigned d = 0; d < 2; d++) {
        for (unsigned bucket = 0; bucket < ARENA_BUCKETS; bucket++) {
            for (struct arena *a = arenas.lists[d][bucket]; a != NULL; a = a->next) {
                if (a->bucket != bucket || bits_width(a->free_slices) != bucket || (a->dirty_slices != 0) != d)
                    log_abort("check: arena %p stands in the wrong list", (void *)a->base);
                arena_check_locked(a);
                dirty += a->dirty_slices;
            }
        }
    }
    for (struct arena *a = arenas.pieces; a != NULL; a = a->next)
        dirty += a->dirty_slices;
    if (dirty != load_rlx(&arenas.dirty_slices))
        log_abort("check: %zu dirty slices, counted %zu", dirty, load_rlx(&arenas.dirty_slices));
    lock_release(&arenas.lock);
}

struct arena *arena_find(uintptr_t address)
{
    /* P:arena record acquire: with arena_take_record */
    struct arena *a = load_acq(&arenas.all);
    lock_acquire(&arenas.lock);
    while (a != NULL && (a->slices == 0 || address - a->base >= (size_t)a->slices << SLICE_SHIFT))
        a = a->all_next;
    lock_release(&arenas.lock);
    return a;
}

/* Bitmaps and counts from the kinds; what was free or on its way out counts as dirty. */
static void rebuild_arena(struct arena *arena, uint32_t now_ms)
{
    memset(arena->free_bits, 0, sizeof arena->free_bits);
    memset(arena->dirty_bits, 0, sizeof arena->dirty_bits);
    arena->free_slices = arena->dirty_slices = 0;
    for (uint32_t i = 0; i < arena->slices;) {
        struct span *span = &arena->spans[i];
        uint32_t slices = 1;
        switch (load_rlx(&span->kind)) {
        case SPAN_POOL:
        case SPAN_LARGE:
        case SPAN_OBJECT:
        case SPAN_SPARE:
            i += span->slices;
            continue;
        case SPAN_PURGING:
            slices = span->slices;
            store_rlx(&span->kind, (uint8_t)SPAN_FREE);
            break;
        default:
            break;
        }
        bitmap_set_range(arena->free_bits, i, slices);
        for (uint32_t k = 0; k < slices; k++)
            arena->freed_ms[i + k] = now_ms;
        arena->free_slices += slices;
        i += slices;
    }
    memcpy(arena->dirty_bits, arena->free_bits, sizeof arena->dirty_bits);
    arena->dirty_slices = arena->free_slices;
}

/* What another thread had counted and not mapped yet never will be. */
static void recount_mapped(void)
{
    size_t mapped = 0;
    for (struct arena *a = load_acq(&arenas.all); a != NULL; a = a->all_next)
        mapped += a->slices;
    store_rlx(&arenas.mapped_slices, mapped);
}

void arena_fork_child(void)
{
    arena_reserve_little(false); /* locks are not inherited */
    recount_mapped();
    if (!lock_is_held(&arenas.lock) && arenas.purging == 0)
        return;
    uint32_t now_ms = os_now_ms();
    size_t used = 0, dirty = 0;
    memset(arenas.lists, 0, sizeof arenas.lists);
    arenas.pieces = arenas.youngest_piece = NULL;
    arenas.spares = NULL;
    arenas.purging = 0;
    for (struct arena *a = load_acq(&arenas.all); a != NULL; a = a->all_next) {
        a->next = a->prev = NULL;
        if (a->slices == 0) {
            a->spare_next = arenas.spares;
            arenas.spares = a;
            continue;
        }
        if (!a->huge) {
            rebuild_arena(a, now_ms);
            arena_list_locked(a);
        } else if (load_rlx(&a->spans[0].kind) == SPAN_FREE) {
            a->free_slices = a->dirty_slices = a->slices;
            a->freed_ms[0] = now_ms;
            arena_list_locked(a);
        } else {
            a->free_slices = a->dirty_slices = 0;
        }
        dirty += a->dirty_slices;
        used += a->slices - a->free_slices;
    }
    store_rlx(&arenas.used_slices, used);
    store_rlx(&arenas.dirty_slices, dirty);
    lock_reset(&arenas.lock);
}
