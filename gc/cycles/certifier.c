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

static void drop(struct set *set, uint32_t index)
{
    if (!(*set_lost(set, index) & index_bit(index)))
        return;
    *set_lost(set, index) &= ~index_bit(index);
    set->members--;
    *scope_word(set->scope, scope_note(set->scope, index)) = set->last_dropped;
    set->last_dropped = index;
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

ARCA_INLINE void rest_in_window_sometimes(struct set *set, struct pass *pass)
{
    if (pass_may_rest(pass, FIBER_LOOK_EVERY))
        rest_in_window(set);
}

/* ---- 1: all words, before any slot ------------------------------------------------------------------ */

/* What the finder has noted are readings, too, where no version has gone back since, and there is time left. */
static bool notes_count(const struct set *set, uint32_t held)
{
    const struct scope *scope = set->scope;
    return !set->read && held == 0 && scope->notes_hold && load_rlx(&retired_purges) == scope->noted_purges &&
           os_now_ms() - scope->noted_ms < certifier_window_ms / 2;
}

/* False without memory. */
static bool read_objects(struct set *set, struct pass *pass)
{
    struct group group = pass->group;
    if (group.objects & ~group.noted) {
        if (scope_make_notes(set->scope) == NULL)
            return false;
        group.note = set->scope->note_count;
        group.noted = group.objects;
        scope_take_notes(set->scope, group.index, group.objects);
    }
    uint64_t *read_word = scope_word(set->scope, group.note);
    for (uint64_t bits = group.noted; bits != 0; bits &= bits - 1, read_word++) {
        if (!(group.objects & bits & -bits))
            continue;
        uint64_t word = load_acq(word_of(group_object(&group, bits))); /* P:touch acquire: with word_touch, and every retain */
        *read_word = word;
        if (word_count(word) == 0 || (word & WORD_IMMORTAL))
            drop(set, group.index + bits_lowest(bits));
    }
    return true;
}

static bool read_words(struct set *set, uint32_t held)
{
    bool noted = notes_count(set, held), room = true;
    set->read = true;
    set->read_ms = noted ? set->scope->noted_ms : os_now_ms();
    for (struct pass pass = set_pass(set, set->lost); room && pass_next(&pass);) {
        rest_in_window_sometimes(set, &pass);
        memset(&set->scope->units[pass.group.index], UNITS_NONE, 64);
        if (!noted || (pass.group.objects & ~pass.group.noted))
            room = read_objects(set, &pass);
    }
    return room;
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
    for (struct pass pass = set_pass(set, set->lost); pass_next(&pass);) {
        const struct group group = pass.group;
        const uint64_t *read_word = scope_word(set->scope, group.note);
        for (uint64_t bits = group.noted; bits != 0; bits &= bits - 1, read_word++) {
            bool is_member = (group.objects & bits & -bits) != 0;
            if (is_member && load_acq(word_of(group_object(&group, bits))) != *read_word) /* P:touch acquire: with word_touch */
                drop(set, group.index + bits_lowest(bits));
        }
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

/* In registers, for nobody else knows where it is. */
struct scan {
    struct set *set;
    struct scope_map map;
    struct scope_near near; /* the span whose members are looked at */
    uint8_t *units;
    const uint64_t *found;
    uint32_t *edges; /* the last EDGES_AHEAD of them are not counted yet */
    size_t count, capacity;
    bool outward, failed;
};

ARCA_COLD static bool grow_edges(struct set *set)
{
    size_t capacity = 2 * set->edge_capacity;
    uint32_t *edges = capacity < UINT32_MAX ? arca_realloc(set->edges, capacity * sizeof *edges) : NULL;
    if (edges == NULL)
        return false;
    set->edges = edges;
    set->edge_capacity = capacity;
    return true;
}

/* An edge to what was dropped does no harm: its units do not matter any more. */
ARCA_INLINE void scan_slot(arca_slot *slot, void *context)
{
    struct scan *scan = context;
    void *object = load_acq(slot_word(slot)); /* P:slot acquire: with every store into it */
    if (object == NULL)
        return;
    uint32_t index = scope_near_index(&scan->near, object);
    if (index == NO_INDEX)
        index = scope_map_index(&scan->map, object);
    if (!set_covers(scan->set, index) || !(scan->found[index / 64] & index_bit(index))) {
        scan->outward = true;
        return;
    }
    if (unlikely(scan->count == scan->capacity)) {
        if (!grow_edges(scan->set)) {
            scan->failed = true;
            return;
        }
        scan->edges = scan->set->edges;
        scan->capacity = scan->set->edge_capacity;
    }
    __builtin_prefetch(&scan->units[index], 1);
    uint32_t *edge = &scan->edges[scan->count++];
    *edge = index;
    carry_take_one(&scan->set->carries, scan->units, edge[-EDGES_AHEAD]);
}

ARCA_NOINLINE static struct scan scan_traversed(struct scan scan, const arca_type *type, void *object)
{
    type->traverse(object, scan_slot, &scan);
    return scan;
}

/* Of the members among 64 indices; the others have no edges.  False when there is no time left. */
static bool scan_objects(struct scan *all, const struct pass *pass, struct scope_kind *seen_before, uint32_t held)
{
    struct scan scan = *all;
    struct scope_kind seen = *seen_before;
    struct set *set = scan.set;
    const struct group group = pass->group;
    const uint64_t *read_word = scope_word(set->scope, group.note);
    uint32_t *first_edge = scope_first_edge(set->scope, group.note);
    uint64_t outward = 0, members = *set_lost(set, group.index);
    for (uint64_t bits = group.noted; bits != 0; bits &= bits - 1, read_word++) {
        uint32_t index = group.index + bits_lowest(bits);
        *first_edge++ = (uint32_t)scan.count;
        if (unlikely(set->looked++ % CLOCK_EVERY == 0)) {
            if (!there_is_time(set))
                return false;
            members = *set_lost(set, group.index);
        }
        if (!(members & bits & -bits))
            continue;
        void *object = group_object(&group, bits);
        const arca_type *type = scope_type(object, &seen);
        uint64_t word = load_acq(word_of(object)); /* P:touch acquire: with word_touch, and every retain */
        if (type == NULL || word != *read_word) {
            drop(set, index);
            continue;
        }
        carry_add(&set->carries, scan.units, index, (int64_t)word_count(word) - held);
        scan.outward = false;
        type_visit_told(type, object, scan_slot, &scan);
        if (type_traverses(type))
            scan = scan_traversed(scan, type, object);
        outward |= scan.outward ? bits & -bits : 0;
    }
    *first_edge = (uint32_t)scan.count;
    *set_outward(set, group.index) = outward;
    *all = scan;
    *seen_before = seen;
    return true;
}

/* Units are counted as the finder does: of each count, what the edges do not explain.  Who has been dropped since the words
 * were read has no edges, which is seen here, too. */
static bool scan_slots(struct set *set, uint32_t held)
{
    struct scope *scope = set->scope;
    struct scan scan = { .set = set, .map = scope->map, .units = scope->units, .found = scope->found, .edges = set->edges,
                         .count = EDGES_AHEAD, .capacity = set->edge_capacity };
    struct scope_kind seen = { 0, NULL };
    set->looked = 0;
    for (size_t e = 0; e < EDGES_AHEAD; e++)
        scan.edges[e] = scope->indices; /* nobody's */
    for (struct pass pass = set_pass(set, &scope->found[set->part.first / 64]); pass_next(&pass);) {
        rest_in_window_sometimes(set, &pass);
        if (pass.group.noted == 0)
            continue;
        scan.near = scope_near(scope, scope->spans[pass.at.span]);
        if (!scan_objects(&scan, &pass, &seen, held))
            return false;
    }
    for (size_t e = scan.count - EDGES_AHEAD; e < scan.count; e++)
        carry_take_one(&set->carries, scope->units, scan.edges[e]);
    carry_settle(&set->carries, scope->units);
    return !scan.failed && !set->carries.failed;
}

/* ---- 3: the largest subset whose counts its own edges explain ------------------------------------------ */

/* Those that are left are balanced: without an edge they would not be. */
static void take_back_edges(struct set *set)
{
    while (set->last_dropped != NO_INDEX) {
        uint32_t note = scope_note(set->scope, set->last_dropped);
        set->last_dropped = (uint32_t)*scope_word(set->scope, note);
        for (uint32_t e = *scope_first_edge(set->scope, note); e < *scope_first_edge(set->scope, note + 1); e++)
            drop(set, set->edges[e]);
    }
}

static void balance(struct set *set)
{
    for (uint32_t base = set->part.first; base < set->part.end; base += 64) {
        uint64_t left = *set_lost(set, base);
        if (unlikely(base / 64 % FIBER_LOOK_EVERY == 0))
            rest_in_window(set);
        for (left = left != 0 ? left & scope_with_units(set->scope, base) : 0; left != 0; left &= left - 1)
            drop(set, base + bits_lowest(left));
    }
    take_back_edges(set);
}

/* ---- 6, 7: nothing has changed; weak cells ---------------------------------------------------------------- */

/* False without memory. */
static bool grow_cells(struct set *set)
{
    size_t capacity = set->cell_capacity != 0 ? 2 * set->cell_capacity : 64;
    void **with_cell = arca_realloc(set->with_cell, capacity * sizeof *with_cell);
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
static bool enter_with_cell(struct set *set, void *object)
{
    if (set->cell_count + set->with_cell_count == set->cell_capacity && !grow_cells(set))
        return false;
    set->with_cell[set->with_cell_count++] = object;
    return true;
}

/* What a pass over members looks for after the grace period. */
struct second_look {
    uintptr_t plain; /* the kind that was seen last of those that tell nothing more */
    bool room;       /* for all that have a cell */
};

/* It was alive when its kind was read: an upgrade may still get it, and even its death, until the lock is held. */
ARCA_NOINLINE static void look_at_kind(struct set *set, struct second_look *look, void *object, uintptr_t kind, uint64_t word)
{
    const arca_type *type = kind_is_cell(kind) ? kind_cell(kind)->type : (const arca_type *)kind;
    set->finalize_due |= type->finalize != NULL && !(word & WORD_FINALIZED);
    if (kind_is_cell(kind))
        look->room = look->room && enter_with_cell(set, object);
    else if (type->finalize == NULL)
        look->plain = kind;
}

/* After the grace period only an upgrade can still get a unit: of who has a cell now.  Who died since the scan is in the
 * limbo, which nobody drains meanwhile.  False without memory. */
static bool drop_changed(struct set *set)
{
    struct second_look look = { .room = true };
    set->with_cell_count = 0;
    set->finalize_due = false;
    for (struct pass pass = set_pass(set, set->lost); pass_next(&pass);) {
        rest_in_window_sometimes(set, &pass);
        const struct group group = pass.group;
        const uint64_t *read_word = scope_word(set->scope, group.note);
        for (uint64_t bits = group.noted; bits != 0; bits &= bits - 1, read_word++) {
            if (!(group.objects & bits & -bits))
                continue;
            void *object = group_object(&group, bits);
            uintptr_t kind = load_acq(kind_of(object)); /* P:weak cell acquire: with cell_of */
            if (load_acq(word_of(object)) != *read_word) /* P:touch acquire: with word_touch, and every retain */
                drop(set, group.index + bits_lowest(bits));
            else if (unlikely(kind != look.plain))
                look_at_kind(set, &look, object, kind, *read_word);
        }
    }
    return look.room;
}

/* Who was upgraded has another word, even if it has died since.  Nobody else can have, but those whom such a member leads
 * to, who fall with it. */
static void drop_upgraded(struct set *set)
{
    for (size_t i = 0; i < set->with_cell_count; i++) {
        uint32_t index = scope_index(set->scope, set->with_cell[i]);
        bool is_member = (*set_lost(set, index) & index_bit(index)) != 0;
        const uint64_t *word = scope_word(set->scope, scope_note(set->scope, index));
        if (is_member && load_acq(word_of(set->with_cell[i])) != *word) /* P:touch acquire: with the upgrades */
            drop(set, index);
    }
}

static void cut_cells(struct set *set)
{
    for (size_t i = 0; i < set->with_cell_count; i++) {
        arca_type *type;
        struct cell *cell = set_has(set, set->with_cell[i]) ? cell_sever(set->with_cell[i], &type) : NULL;
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
    if (!read_words(set, held))
        return false;
    if (!scan_slots(set, held))
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
