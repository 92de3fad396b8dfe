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

/* Windows that lasted too long, on a machine that had no time for the collector, before it is left for another time. */
#define WINDOWS_MAX 8

/* Members are asked for so many steps before they are looked at: the processor's own foresight ends with the page. */
#define AHEAD 32

/* The tables are written at one pace.  From the same place in their pages on, they would drive each other from the first
 * level of the cache, and the stores into one hold up the loads from another. */
#define TABLE_STEP 640

/* A part of the one block that the tables are. */
static void *take_table(size_t *taken, char *tables, size_t bytes)
{
    void *table = (void *)((uintptr_t)tables + *taken);
    *taken += bits_round_up(bytes, bytes < OS_PAGE_SIZE ? ARCA_CACHE_LINE : OS_PAGE_SIZE) + TABLE_STEP;
    return table;
}

/* How many bytes they take, when tables is NULL. */
static size_t lay_tables(struct set *set, char *tables)
{
    size_t taken = 0;
    set->objects = take_table(&taken, tables, set->size * sizeof *set->objects);
    set->words = take_table(&taken, tables, set->size * sizeof *set->words);
    set->internal = take_table(&taken, tables, set->size * sizeof *set->internal);
    set->first_edge = take_table(&taken, tables, (set->size + 1) * sizeof *set->first_edge);
    set->dropped = take_table(&taken, tables, set->size * sizeof *set->dropped);
    set->lost = take_table(&taken, tables, (set->scope->indices / 64 + 1) * sizeof *set->lost);
    set->ranks = take_table(&taken, tables, (set->scope->indices / 64 + 1) * sizeof *set->ranks);
    return taken;
}

static void enter_objects(struct set *set)
{
    const struct scope *scope = set->scope;
    uint32_t rank = 0, index = 0;
    for (size_t s = 0; s < scope->count; s++) {
        const struct span *span = scope->spans[s];
        uint32_t first = index, end = first + span_indices(span);
        for (; index < end; index += 64) {
            set->ranks[index / 64] = rank;
            for (uint64_t bits = scope->bits[index / 64].found; bits != 0; bits &= bits - 1)
                set->objects[rank++] = span_block(span, index + bits_lowest(bits) - first);
        }
    }
}

bool set_open(struct set *set, const struct scope *scope)
{
    *set = (struct set){ .scope = scope };
    for (uint32_t index = 0; index < scope->indices; index += 64)
        set->size += bits_count(scope->bits[index / 64].found);
    set->members = set->size;
    if (set->size == 0 || set->size >= UINT32_MAX / 4)
        return set->size == 0;
    set->edge_capacity = 2 * set->size;
    set->tables = arca_malloc(lay_tables(set, NULL));
    set->edges = arca_malloc(set->edge_capacity * sizeof *set->edges);
    if (set->tables == NULL || set->edges == NULL) {
        set_close(set);
        return false;
    }
    lay_tables(set, set->tables);
    memset(set->dropped, false, set->size);
    enter_objects(set);
    return true;
}

void set_close(struct set *set)
{
    arca_free(set->tables);
    arca_free(set->edges);
    arca_free(set->cells);
}

/* Of a member, or of what was one; NO_INDEX for the rest.  A look at `dropped` would cost as much again, and an edge to
 * what was dropped does no harm. */
ARCA_INLINE uint32_t proposed_rank(const struct set *set, const void *object)
{
    uint32_t index = scope_index(set->scope, object);
    if (index == NO_INDEX)
        return NO_INDEX;
    uint64_t found = set->scope->bits[index / 64].found, bit = index_bit(index);
    return found & bit ? set->ranks[index / 64] + bits_count(found & (bit - 1)) : NO_INDEX;
}

ARCA_INLINE void ask_ahead(const struct set *set, size_t i)
{
    __builtin_prefetch(set->objects[i + AHEAD < set->size ? i + AHEAD : i]);
}

static void drop(struct set *set, uint32_t rank)
{
    if (set->dropped[rank])
        return;
    set->dropped[rank] = true;
    set->members--;
    set->words[rank] = set->last_dropped;
    set->last_dropped = rank;
}

/* ---- 1: all words, before any slot ------------------------------------------------------------------ */

static void read_words(struct set *set)
{
    for (size_t i = 0; i < set->size; i++) {
        ask_ahead(set, i);
        set->internal[i] = 0;
        if (!set->dropped[i] && scope_look(set->objects[i], &set->words[i], &set->seen) == NULL)
            drop(set, (uint32_t)i);
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
    uint32_t rank = proposed_rank(set, load_acq(slot_word(slot))); /* P:slot acquire: with every store into it */
    if (rank == NO_INDEX)
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
    __builtin_prefetch(&set->internal[rank], 1);
    set->edges[set->edge_count++] = rank;
    if (set->edge_count > AHEAD)
        set->internal[set->edges[set->edge_count - 1 - AHEAD]]++;
}

static void count_last_edges(struct set *set)
{
    for (size_t e = set->edge_count > AHEAD ? set->edge_count - AHEAD : 0; e < set->edge_count; e++)
        set->internal[set->edges[e]]++;
}

static bool scan_slots(struct set *set)
{
    struct scan scan = { set, false };
    set->edge_count = 0;
    for (size_t i = 0; i < set->size; i++) {
        uint64_t word;
        ask_ahead(set, i);
        set->first_edge[i] = (uint32_t)set->edge_count;
        if (set->dropped[i])
            continue;
        const arca_type *type = scope_look(set->objects[i], &word, &set->seen);
        if (type != NULL && word == set->words[i])
            type_visit(type, set->objects[i], scan_slot, &scan);
        else
            drop(set, (uint32_t)i);
    }
    set->first_edge[set->size] = (uint32_t)set->edge_count;
    count_last_edges(set);
    return !scan.failed;
}

/* ---- 3: the largest subset whose counts its own edges explain ------------------------------------------ */

static void take_back_edges(struct set *set, uint32_t held)
{
    while (set->last_dropped != NO_INDEX) {
        uint32_t from = set->last_dropped;
        set->last_dropped = (uint32_t)set->words[from];
        for (uint32_t e = set->first_edge[from]; e < set->first_edge[from + 1]; e++) {
            uint32_t to = set->edges[e];
            set->internal[to]--;
            if (!set->dropped[to] && word_count(set->words[to]) != set->internal[to] + held)
                drop(set, to);
        }
    }
}

static void balance(struct set *set, uint32_t held)
{
    for (size_t i = 0; i < set->size; i++) {
        if (!set->dropped[i] && word_count(set->words[i]) != set->internal[i] + held)
            drop(set, (uint32_t)i);
    }
    take_back_edges(set, held);
}

/* ---- 6, 7: nothing has changed; weak cells ---------------------------------------------------------------- */

/* After the grace period only an upgrade can still get a unit: of who has a cell now.  Who died since the scan is in the
 * limbo, which nobody drains meanwhile. */
static void drop_changed(struct set *set)
{
    set->with_cell = 0;
    set->finalize_due = false;
    for (size_t i = 0; i < set->size; i++) {
        ask_ahead(set, i);
        if (set->dropped[i])
            continue;
        const void *object = set->objects[i];
        uintptr_t kind = load_acq(kind_of(object)); /* P:weak cell acquire: with cell_of */
        if (load_acq(word_of(object)) != set->words[i]) { /* P:touch acquire: with word_touch, and every retain */
            drop(set, (uint32_t)i);
            continue;
        }
        /* It was alive when its kind was read: an upgrade may still get it, and even its death, until the lock is held. */
        const arca_type *type = kind_is_cell(kind) ? kind_cell(kind)->type : (const arca_type *)kind;
        set->with_cell += kind_is_cell(kind);
        set->finalize_due |= type->finalize != NULL && !(set->words[i] & WORD_FINALIZED);
    }
}

/* All of them: who was upgraded, and has died since, has no cell any more. */
static void drop_upgraded(struct set *set)
{
    for (size_t i = 0; i < set->size; i++) {
        if (!set->dropped[i] && load_acq(word_of(set->objects[i])) != set->words[i]) /* P:touch acquire: with the upgrades */
            drop(set, (uint32_t)i);
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
static bool decide_cells(struct set *set, uint32_t held, bool in_time)
{
    bool room = in_time && reserve_cells(set);
    lock_acquire(&weak_lock);
    if (set->with_cell != 0 && room) {
        drop_upgraded(set);
        take_back_edges(set, held);
        cut_cells(set);
    }
    store_rel(&weak_certifying, 0u); /* P:certifying release: the cells that were cut off, to arca_weak_upgrade */
    lock_release(&weak_lock);
    return room;
}

/* *late: it failed because the window lasted too long. */
static bool certify_locked(struct set *set, uint32_t held, bool *late)
{
    uint32_t start_ms = os_now_ms();
    *late = false;
    set->last_dropped = NO_INDEX;
    read_words(set);
    if (!scan_slots(set))
        return false;
    balance(set, held);
    if (set->members == 0)
        return true;
    store_rlx(&weak_certifying, 1u); /* 4 */
    epoch_wait();                    /* 5 */
    drop_changed(set);
    take_back_edges(set, held);
    *late = os_now_ms() - start_ms >= WINDOW_MAX_MS;
    return decide_cells(set, held, !*late);
}

static void enter_lost(struct set *set)
{
    const struct scope_bits *bits = set->scope->bits;
    for (uint32_t index = 0, rank = 0; index < set->scope->indices; index += 64) {
        uint64_t lost = bits[index / 64].found;
        for (uint64_t left = lost; left != 0; left &= left - 1) {
            if (set->dropped[rank++])
                lost &= ~(left & -left);
        }
        set->lost[index / 64] = lost;
    }
}

bool certifier_run(struct set *set, uint32_t held)
{
    bool done, late;
    unsigned windows = 0;
    do {
        lock_acquire(&retired_window); /* no page of objects is purged, so that no version goes back */
        done = certify_locked(set, held, &late);
        lock_release(&retired_window);
        if (late) /* what has died meanwhile goes, and its blocks are read anew */
            finder_drain(NULL);
    } while (!done && late && ++windows < WINDOWS_MAX);
    set->held = held;
    enter_lost(set);
    return done;
}
