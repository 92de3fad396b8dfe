/* Certifying.  The numbers are the protocol's steps. */
#include "gc/cycles/certifier.h"

#include "base/os.h"
#include "gc/cycles/finder.h"
#include "gc/objects/cell.h"
#include "gc/objects/epoch.h"
#include "gc/objects/fiber.h"
#include "gc/objects/weak.h"
#include "heap/retired.h"

#include <string.h>

/* A word could come round to an old value in 2^32 touches, which take more than twice as long: two readings that are
 * further apart prove nothing. */
uint32_t certifier_window_ms = 5000;

/* Windows in which they were, on a machine that had no time for the collector, before it is left for another time. */
#define WINDOWS_MAX 8

/* Members between two looks at the clock. */
#ifndef CLOCK_EVERY
#define CLOCK_EVERY 1024
#endif

/* So old a window may be when the work rests in it. */
#define WINDOW_REST_MS 1000

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
    size_t taken = 0, bitmap_words = (set->part.end - set->part.first) / 64;
    set->objects = take_table(&taken, tables, (set->size + MEMBERS_AHEAD) * sizeof *set->objects);
    set->words = take_table(&taken, tables, set->size * sizeof *set->words);
    set->indices = take_table(&taken, tables, set->size * sizeof *set->indices);
    set->first_edge = take_table(&taken, tables, (set->size + 1) * sizeof *set->first_edge);
    set->dropped = take_table(&taken, tables, set->size * sizeof *set->dropped);
    set->outward = take_table(&taken, tables, set->size * sizeof *set->outward);
    set->lost = take_table(&taken, tables, bitmap_words * sizeof *set->lost);
    set->ranks = take_table(&taken, tables, bitmap_words * sizeof *set->ranks);
    return taken;
}

static void enter_objects(struct set *set)
{
    const struct scope *scope = set->scope;
    uint32_t rank = 0, index = set->part.first, word = 0;
    for (size_t s = set->part.from; s < set->part.to; s++) {
        const struct span *span = scope->spans[s];
        uint32_t first = index, end = first + span_indices(span);
        for (; index < end; index += 64, word++) {
            set->ranks[word] = rank;
            set->lost[word] = scope->found[index / 64];
            for (uint64_t bits = scope->found[index / 64]; bits != 0; bits &= bits - 1) {
                set->indices[rank] = index + bits_lowest(bits);
                set->objects[rank++] = span_block(span, index + bits_lowest(bits) - first);
            }
            fiber_rest_sometimes(index / 64);
        }
    }
    for (unsigned i = 0; i < MEMBERS_AHEAD; i++)
        set->objects[rank + i] = set->objects[rank - 1];
}

bool set_open(struct set *set, struct scope *scope, const struct part *part)
{
    *set = (struct set){ .scope = scope, .part = *part };
    set->members = set->size = scope_found(scope, part);
    if (set->size == 0 || set->size >= UINT32_MAX / 4)
        return set->size == 0;
    set->edge_capacity = MEMBERS_AHEAD + 2 * set->size;
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
    arca_free(set->with_cell);
    arca_free(set->cells);
}

void set_forget(const struct set *set)
{
    for (uint32_t base = set->part.first; base < set->part.end; base += 64)
        set->scope->found[base / 64] &= ~*set_lost(set, base);
}

static uint32_t rank_of(const struct set *set, uint32_t index)
{
    return set->ranks[(index - set->part.first) / 64] + bits_count(set->scope->found[index / 64] & (index_bit(index) - 1));
}

static void drop(struct set *set, uint32_t rank)
{
    if (set->dropped[rank])
        return;
    uint32_t index = set->indices[rank];
    *set_lost(set, index) &= ~index_bit(index);
    set->dropped[rank] = true;
    set->members--;
    set->words[rank] = set->last_dropped;
    set->last_dropped = rank;
}

/* Pages may be purged meanwhile, and then versions may have gone back. */
ARCA_NOINLINE static void rest_in_window(struct set *set)
{
    if (!(set->may_rest ? fiber_time_is_over() : fiber_must_rest()))
        return;
    uint32_t purges = load_rlx(&retired_purges);
    lock_release(&retired_window);
    fiber_rest();
    lock_acquire(&retired_window);
    set->late |= load_rlx(&retired_purges) != purges;
    set->may_rest = os_now_ms() - set->open_ms < WINDOW_REST_MS;
}

ARCA_INLINE void rest_in_window_sometimes(struct set *set, size_t step)
{
    if (unlikely(step % FIBER_LOOK_EVERY == 0))
        rest_in_window(set);
}

/* ---- 1: all words, before any slot ------------------------------------------------------------------ */

/* Units are counted as the finder does: of each count, what the edges do not explain. */
static void read_words(struct set *set, uint32_t held)
{
    uint8_t *units = set->scope->units;
    void *const *objects = set->objects;
    const uint32_t *indices = set->indices;
    set->read_ms = os_now_ms();
    for (size_t i = 0, size = set->size; i < size; i++) {
        rest_in_window_sometimes(set, i);
        set_ask_ahead(objects, i);
        if (set->dropped[i])
            continue;
        uint64_t word = load_acq(word_of(objects[i])); /* P:touch acquire: with word_touch, and every retain */
        if (word_count(word) == 0 || (word & WORD_IMMORTAL)) {
            drop(set, (uint32_t)i);
            continue;
        }
        set->words[i] = word;
        units[indices[i]] = UNITS_NONE;
        carry_add(&set->carries, units, indices[i], (int64_t)word_count(word) - held);
    }
}

/* The readings that began at set->read_ms are over, or have been repeated. */
static void look_at_clock(struct set *set, uint32_t start_ms)
{
    set->late |= os_now_ms() - set->read_ms >= certifier_window_ms;
    set->read_ms = start_ms;
}

/* What has not changed in half a window may change in the next one. */
ARCA_COLD static void repeat_words(struct set *set)
{
    uint32_t start_ms = os_now_ms();
    for (size_t i = 0; i < set->size; i++) {
        set_ask_ahead(set->objects, i);
        if (!set->dropped[i] && load_acq(word_of(set->objects[i])) != set->words[i]) /* P:touch acquire: with word_touch */
            drop(set, (uint32_t)i);
    }
    look_at_clock(set, start_ms);
}

static bool there_is_time(struct set *set)
{
    if (os_now_ms() - set->read_ms >= certifier_window_ms / 2)
        repeat_words(set);
    return !set->late;
}

/* ---- 2: all slots ------------------------------------------------------------------------------------ */

struct scan {
    struct set *set;
    uint32_t *edges; /* the last MEMBERS_AHEAD of them are not counted yet */
    size_t count, capacity;
    bool outward, failed;
};

ARCA_COLD static bool grow_edges(struct scan *scan)
{
    size_t capacity = 2 * scan->capacity;
    uint32_t *edges = capacity < UINT32_MAX ? arca_realloc(scan->edges, capacity * sizeof *edges) : NULL;
    if (edges == NULL)
        return false;
    scan->set->edges = scan->edges = edges;
    scan->set->edge_capacity = scan->capacity = capacity;
    return true;
}

/* An edge to what was dropped does no harm: its units do not matter any more. */
ARCA_INLINE void scan_slot(arca_slot *slot, void *context)
{
    struct scan *scan = context;
    struct scope *scope = scan->set->scope;
    void *object = load_acq(slot_word(slot)); /* P:slot acquire: with every store into it */
    if (object == NULL)
        return;
    uint32_t index = scope_index(scope, object);
    if (!set_covers(scan->set, index) || !(scope->found[index / 64] & index_bit(index))) {
        scan->outward = true;
        return;
    }
    if (unlikely(scan->count == scan->capacity) && !grow_edges(scan)) {
        scan->failed = true;
        return;
    }
    __builtin_prefetch(&scope->units[index], 1);
    uint32_t *edge = &scan->edges[scan->count++];
    *edge = index;
    carry_take_one(&scan->set->carries, scope->units, edge[-MEMBERS_AHEAD]);
}

static bool scan_slots(struct set *set)
{
    struct scan scan = { .set = set, .edges = set->edges, .count = MEMBERS_AHEAD, .capacity = set->edge_capacity };
    struct scope_kind seen = { 0, NULL };
    void *const *objects = set->objects;
    for (size_t e = 0; e < MEMBERS_AHEAD; e++)
        scan.edges[e] = set->scope->indices; /* nobody's */
    for (size_t i = 0, size = set->size; i < size; i++) {
        rest_in_window_sometimes(set, i);
        set_ask_ahead(objects, i);
        if (unlikely(i % CLOCK_EVERY == 0) && !there_is_time(set))
            return false;
        set->first_edge[i] = (uint32_t)scan.count;
        if (set->dropped[i])
            continue;
        void *object = objects[i];
        const arca_type *type = scope_type(object, &seen);
        uint64_t word = load_acq(word_of(object)); /* P:touch acquire: with word_touch, and every retain */
        scan.outward = false;
        if (type != NULL && word == set->words[i])
            type_visit(type, object, scan_slot, &scan);
        else
            drop(set, (uint32_t)i);
        set->outward[i] = scan.outward;
    }
    set->first_edge[set->size] = (uint32_t)scan.count;
    for (size_t e = scan.count - MEMBERS_AHEAD; e < scan.count; e++)
        carry_take_one(&set->carries, set->scope->units, scan.edges[e]);
    carry_settle(&set->carries, set->scope->units);
    return !scan.failed && !set->carries.failed;
}

/* ---- 3: the largest subset whose counts its own edges explain ------------------------------------------ */

/* Those that are left are balanced: without an edge they would not be. */
static void take_back_edges(struct set *set)
{
    while (set->last_dropped != NO_INDEX) {
        uint32_t from = set->last_dropped;
        set->last_dropped = (uint32_t)set->words[from];
        for (uint32_t e = set->first_edge[from]; e < set->first_edge[from + 1]; e++) {
            uint32_t to = set->edges[e];
            if (*set_lost(set, to) & index_bit(to))
                drop(set, rank_of(set, to));
        }
    }
}

static void balance(struct set *set)
{
    for (uint32_t base = set->part.first; base < set->part.end; base += 64) {
        uint64_t left = *set_lost(set, base);
        rest_in_window_sometimes(set, base / 64);
        for (left = left != 0 ? left & scope_with_units(set->scope, base) : 0; left != 0; left &= left - 1)
            drop(set, rank_of(set, base + bits_lowest(left)));
    }
    take_back_edges(set);
}

/* ---- 6, 7: nothing has changed; weak cells ---------------------------------------------------------------- */

/* False without memory. */
static bool grow_cells(struct set *set)
{
    size_t capacity = set->cell_capacity != 0 ? 2 * set->cell_capacity : 64;
    uint32_t *with_cell = arca_realloc(set->with_cell, capacity * sizeof *with_cell);
    if (with_cell == NULL)
        return false;
    set->with_cell = with_cell;
    struct cell **cells = arca_realloc(set->cells, capacity * sizeof *cells);
    if (cells == NULL)
        return false;
    set->cells = cells;
    set->cell_capacity = capacity;
    return true;
}

/* With room for its cell, too. */
static bool enter_with_cell(struct set *set, uint32_t rank)
{
    if (set->cell_count + set->with_cell_count == set->cell_capacity && !grow_cells(set))
        return false;
    set->with_cell[set->with_cell_count++] = rank;
    return true;
}

/* After the grace period only an upgrade can still get a unit: of who has a cell now.  Who died since the scan is in the
 * limbo, which nobody drains meanwhile.  False without memory. */
static bool drop_changed(struct set *set)
{
    uintptr_t plain = 0; /* the kind that was seen last of those that tell nothing more */
    bool room = true;
    set->with_cell_count = 0;
    set->finalize_due = false;
    void *const *objects = set->objects;
    for (size_t i = 0, size = set->size; i < size; i++) {
        rest_in_window_sometimes(set, i);
        set_ask_ahead(objects, i);
        if (set->dropped[i])
            continue;
        const void *object = objects[i];
        uintptr_t kind = load_acq(kind_of(object)); /* P:weak cell acquire: with cell_of */
        if (load_acq(word_of(object)) != set->words[i]) { /* P:touch acquire: with word_touch, and every retain */
            drop(set, (uint32_t)i);
            continue;
        }
        if (likely(kind == plain))
            continue;
        /* It was alive when its kind was read: an upgrade may still get it, and even its death, until the lock is held. */
        const arca_type *type = kind_is_cell(kind) ? kind_cell(kind)->type : (const arca_type *)kind;
        set->finalize_due |= type->finalize != NULL && !(set->words[i] & WORD_FINALIZED);
        if (kind_is_cell(kind))
            room = room && enter_with_cell(set, (uint32_t)i);
        else if (type->finalize == NULL)
            plain = kind;
    }
    return room;
}

/* Who was upgraded has another word, even if it has died since.  Nobody else can have, but those whom such a member leads
 * to, who fall with it. */
static void drop_upgraded(struct set *set)
{
    for (size_t i = 0; i < set->with_cell_count; i++) {
        uint32_t rank = set->with_cell[i];
        if (!set->dropped[rank] && load_acq(word_of(set->objects[rank])) != set->words[rank]) /* P:touch acquire: with the upgrades */
            drop(set, rank);
    }
}

static void cut_cells(struct set *set)
{
    for (size_t i = 0; i < set->with_cell_count; i++) {
        arca_type *type;
        uint32_t rank = set->with_cell[i];
        struct cell *cell = set->dropped[rank] ? NULL : cell_sever(set->objects[rank], &type);
        if (cell != NULL)
            set->cells[set->cell_count++] = cell;
    }
}

/* 7: upgrades that did not see weak_certifying are over, and seen; the others wait, or have been seen.  The clock is looked
 * at after the last word.  room: for all cells.  Returns whether the rest is proved. */
static bool decide_cells(struct set *set, bool room)
{
    lock_acquire(&weak_lock);
    drop_upgraded(set);
    take_back_edges(set);
    look_at_clock(set, set->read_ms);
    bool proved = room && !set->late;
    if (proved)
        cut_cells(set);
    store_rel(&weak_certifying, 0u); /* P:certifying release: the cells that were cut off, to arca_weak_upgrade */
    lock_release(&weak_lock);
    return proved;
}

static bool certify_locked(struct set *set, uint32_t held)
{
    set->late = false;
    set->last_dropped = NO_INDEX;
    read_words(set, held);
    if (!scan_slots(set))
        return false;
    balance(set);
    if (set->members == 0)
        return true;
    bool private = fiber_set_private(true);
    rest_in_window(set);
    store_rlx(&weak_certifying, 1u); /* 4 */
    epoch_wait();                    /* 5 */
    fiber_set_private(private);
    bool room = drop_changed(set);
    take_back_edges(set);
    return decide_cells(set, room);
}

bool certifier_run(struct set *set, uint32_t held)
{
    bool done;
    unsigned windows = 0;
    do {
        set->may_rest = windows == 0;
        fiber_rest();
        lock_acquire(&retired_window); /* no page of objects is purged, so that no version goes back */
        set->open_ms = os_now_ms();
        done = certify_locked(set, held);
        lock_release(&retired_window);
        carry_close(&set->carries);
        if (!done && set->late) /* what has died meanwhile goes, and its blocks are read anew */
            finder_drain(NULL);
    } while (!done && set->late && ++windows < WINDOWS_MAX);
    set->held = held;
    return done;
}
