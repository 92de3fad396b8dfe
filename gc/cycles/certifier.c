/* Certifying.  The numbers are the protocol's steps. */
#include "gc/cycles/certifier.h"

#include "base/os.h"
#include "gc/cycles/finder.h"
#include "gc/objects/cell.h"
#include "gc/objects/epoch.h"
#include "gc/objects/weak.h"
#include "heap/retired.h"

#include <string.h>

/* A word could come round to an old value in 2^32 touches, which take more than twice as long: then nothing is proved. */
#define WINDOW_MAX_MS 5000

/* Members between two looks at the limbo. */
#define DRAIN_EVERY 4096

bool set_open(struct set *set, const struct scope *scope, void **objects, size_t size)
{
    *set = (struct set){ .scope = scope, .objects = objects, .size = size, .members = size, .edge_capacity = 2 * size };
    set->words = arca_malloc(size * sizeof *set->words);
    set->internal = arca_malloc(size * sizeof *set->internal);
    set->first_edge = arca_malloc((size + 1) * sizeof *set->first_edge);
    set->edges = arca_malloc(set->edge_capacity * sizeof *set->edges);
    set->dropping = arca_malloc(size * sizeof *set->dropping);
    set->dropped = arca_calloc(size, sizeof *set->dropped);
    if (size < UINT32_MAX / 4 && set->words != NULL && set->internal != NULL && set->first_edge != NULL &&
        set->edges != NULL && set->dropping != NULL && set->dropped != NULL) {
        for (size_t i = 0; i < size; i++)
            *scope_counter(scope, objects[i]) = MEMBER + (int32_t)i;
        return true;
    }
    set_close(set);
    return false;
}

void set_close(struct set *set)
{
    arca_free(set->words);
    arca_free(set->internal);
    arca_free(set->first_edge);
    arca_free(set->edges);
    arca_free(set->dropping);
    arca_free(set->dropped);
    arca_free(set->cells);
}

/* Of a member, or of what was one; UINT32_MAX for the rest.  A look at `dropped` would cost as much again as the counter,
 * and an edge to what was dropped does no harm. */
ARCA_INLINE uint32_t proposed_index(const struct set *set, const void *object)
{
    const int32_t *counter = object != NULL ? scope_counter(set->scope, object) : NULL;
    return counter == NULL || *counter < MEMBER ? UINT32_MAX : (uint32_t)(*counter - MEMBER);
}

bool set_has(const struct set *set, const void *object)
{
    uint32_t index = proposed_index(set, object);
    return index != UINT32_MAX && !set->dropped[index];
}

static void drop(struct set *set, size_t *stacked, uint32_t index)
{
    if (set->dropped[index])
        return;
    set->dropped[index] = true;
    set->members--;
    set->dropping[(*stacked)++] = index;
}

/* ---- 1: all words, before any slot ------------------------------------------------------------------ */

static void read_words(struct set *set, size_t *stacked)
{
    for (size_t i = 0; i < set->size; i++) {
        set->internal[i] = 0;
        if (!set->dropped[i] && scope_look(set->objects[i], &set->words[i]) == NULL)
            drop(set, stacked, (uint32_t)i);
    }
}

/* ---- 2: all slots ------------------------------------------------------------------------------------ */

struct scan {
    struct set *set;
    bool failed;
};

ARCA_INLINE void scan_slot(arca_slot *slot, void *context)
{
    struct scan *scan = context;
    struct set *set = scan->set;
    uint32_t index = proposed_index(set, load_acq(slot_word(slot))); /* P:slot acquire: with every store into it */
    if (index == UINT32_MAX)
        return;
    if (set->edge_count == set->edge_capacity) {
        size_t capacity = 2 * set->edge_capacity;
        uint32_t *edges = capacity < UINT32_MAX ? arca_realloc(set->edges, capacity * sizeof *edges) : NULL;
        if (edges == NULL) {
            scan->failed = true;
            return;
        }
        set->edges = edges;
        set->edge_capacity = capacity;
    }
    set->edges[set->edge_count++] = index;
    set->internal[index]++;
}

static bool scan_slots(struct set *set, size_t *stacked)
{
    struct scan scan = { set, false };
    set->edge_count = 0;
    for (size_t i = 0; i < set->size; i++) {
        uint64_t word;
        set->first_edge[i] = (uint32_t)set->edge_count;
        if (set->dropped[i])
            continue;
        const arca_type *type = scope_look(set->objects[i], &word);
        if (type != NULL && word == set->words[i])
            type_visit(type, set->objects[i], scan_slot, &scan);
        else
            drop(set, stacked, (uint32_t)i);
        if (i % DRAIN_EVERY == 0)
            finder_drain(set->scope);
    }
    set->first_edge[set->size] = (uint32_t)set->edge_count;
    return !scan.failed;
}

/* ---- 3: the largest subset whose counts its own edges explain ------------------------------------------ */

static void take_back_edges(struct set *set, size_t *stacked, uint32_t held)
{
    while (*stacked != 0) {
        uint32_t from = set->dropping[--*stacked];
        for (uint32_t e = set->first_edge[from]; e < set->first_edge[from + 1]; e++) {
            uint32_t to = set->edges[e];
            set->internal[to]--;
            if (word_count(set->words[to]) != set->internal[to] + held)
                drop(set, stacked, to);
        }
    }
}

static void balance(struct set *set, size_t *stacked, uint32_t held)
{
    for (size_t i = 0; i < set->size; i++) {
        if (!set->dropped[i] && word_count(set->words[i]) != set->internal[i] + held)
            drop(set, stacked, (uint32_t)i);
    }
    take_back_edges(set, stacked, held);
}

/* ---- 6, 7: nothing has changed; weak cells ---------------------------------------------------------------- */

/* After the grace period only an upgrade can still get a unit: of who has a cell now. */
static void drop_changed(struct set *set, size_t *stacked)
{
    set->with_cell = 0;
    set->finalize_due = false;
    for (size_t i = 0; i < set->size; i++) {
        if (set->dropped[i])
            continue;
        const void *object = set->objects[i];
        uintptr_t kind = load_acq(kind_of(object)); /* P:weak cell acquire: with cell_of */
        if (load_acq(word_of(object)) != set->words[i]) { /* P:touch acquire: with word_touch, and every retain */
            drop(set, stacked, (uint32_t)i);
            continue;
        }
        /* It was alive when its kind was read: an upgrade may still get it, and even its death, until the lock is held. */
        const arca_type *type = kind_is_cell(kind) ? kind_cell(kind)->type : (const arca_type *)kind;
        set->with_cell += kind_is_cell(kind);
        set->finalize_due |= type->finalize != NULL && !(set->words[i] & WORD_FINALIZED);
    }
}

/* All of them: who was upgraded, and has died since, has no cell any more. */
static void drop_upgraded(struct set *set, size_t *stacked)
{
    for (size_t i = 0; i < set->size; i++) {
        if (!set->dropped[i] && load_acq(word_of(set->objects[i])) != set->words[i]) /* P:touch acquire: with the upgrades */
            drop(set, stacked, (uint32_t)i);
    }
}

static bool reserve_cells(struct set *set)
{
    size_t wanted = set->cell_count + set->with_cell;
    if (wanted <= set->cell_capacity)
        return true;
    struct cell **cells = arca_realloc(set->cells, wanted * sizeof *cells);
    if (cells == NULL)
        return false;
    set->cells = cells;
    set->cell_capacity = wanted;
    return true;
}

static void cut_cells(struct set *set)
{
    for (size_t i = 0; i < set->size; i++) {
        arca_type *type;
        if (set->dropped[i])
            continue;
        struct cell *cell = cell_sever(set->objects[i], &type);
        if (cell != NULL)
            set->cells[set->cell_count++] = cell;
    }
}

/* 7: upgrades that did not see weak_certifying are over, and seen; the others wait, or have been seen. */
static bool decide_cells(struct set *set, size_t *stacked, uint32_t held, bool in_time)
{
    bool room = in_time && reserve_cells(set);
    lock_acquire(&weak_lock);
    if (set->with_cell != 0 && room) {
        drop_upgraded(set, stacked);
        take_back_edges(set, stacked, held);
        cut_cells(set);
    }
    store_rel(&weak_certifying, 0u); /* P:certifying release: the cells that were cut off, to arca_weak_upgrade */
    lock_release(&weak_lock);
    return room;
}

static bool certify_locked(struct set *set, uint32_t held)
{
    uint32_t start_ms = os_now_ms();
    size_t stacked = 0;
    read_words(set, &stacked);
    stacked = 0; /* they have no edges yet */
    if (!scan_slots(set, &stacked))
        return false;
    balance(set, &stacked, held);
    if (set->members == 0)
        return true;
    store_rlx(&weak_certifying, 1u); /* 4 */
    epoch_wait();                    /* 5 */
    drop_changed(set, &stacked);
    take_back_edges(set, &stacked, held);
    return decide_cells(set, &stacked, held, os_now_ms() - start_ms < WINDOW_MAX_MS);
}

bool certifier_run(struct set *set, uint32_t held)
{
    lock_acquire(&retired_window); /* no page of objects is purged, so that no version goes back */
    bool done = certify_locked(set, held);
    set->held = held;
    lock_release(&retired_window);
    return done;
}
