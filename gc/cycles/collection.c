/* One collection. */
#include "gc/cycles/collection.h"

#include "base/log.h"
#include "gc/cycles/certifier.h"
#include "gc/cycles/events.h"
#include "gc/cycles/finder.h"
#include "gc/cycles/teardown.h"
#include "gc/objects/fiber.h"

/* So many objects, and what is noted of each, are at home in a processor's second cache; where no more than so many times
 * as many are found, all of them nearly are. */
#ifdef ARCA_CHECK
#define PART_OBJECTS 64 /* most tests come to it */
#else
#define PART_OBJECTS 16384
#endif
#define PARTS_WORTH 4

/* The young are noted while a collection frees one object in so many: notes take memory while the heap is largest. */
#if defined ARCA_CHECK && !defined NOTES_WORTH
#define NOTES_WORTH SIZE_MAX /* always */
#endif
#ifndef NOTES_WORTH
#define NOTES_WORTH 8
#endif

static bool freed_much = true; /* the last collection */

/* What is being disposed of, for what user code in this thread looks at meanwhile. */
static const struct set *lost;

ARCA_COLD static void say_members(const struct set *set, const char *what)
{
    for (struct pass pass = set_pass(set, set->lost); pass_next(&pass);) {
        for (uint64_t bits = pass.group.objects; bits != 0; bits &= bits - 1)
            log_line("gc: %s %p '%s'", what, group_object(&pass.group, bits), type_of(group_object(&pass.group, bits))->name);
    }
}

/* Saved or freed. */
static void dispose_lost(struct set *set, struct outcome *outcome)
{
    uint32_t debug = load_rlx(&events_debug);
    if (set->members == 0)
        return;
    if ((debug & ARCA_GC_DEBUG_SAVEALL) && events_save(set)) {
        outcome->uncollectable += set->members;
        if (debug & ARCA_GC_DEBUG_UNCOLLECTABLE)
            say_members(set, "uncollectable");
    } else {
        outcome->collected += teardown_free(set);
    }
}

/* What becomes of the members that were proved garbage. */
static void dispose(struct set *set, struct outcome *outcome)
{
    if (load_rlx(&events_debug) & ARCA_GC_DEBUG_COLLECTABLE)
        say_members(set, "collectable");
    bool private = fiber_set_private(true);
    fiber_rest();
    lost = set;
    bool proved = teardown_finalize(set);
    teardown_call_back(set);
    if (proved)
        dispose_lost(set, outcome);
    else
        outcome->failed = true;
    lost = NULL;
    fiber_set_private(private);
}

bool collection_has_lost(const void *object)
{
    return lost != NULL && set_has(lost, object);
}

static bool is_much(size_t found)
{
    return found >= PARTS_WORTH * PART_OBJECTS;
}

/* Of what was found there, how much was garbage. */
static bool collect_part(struct scope *scope, const struct part *part, struct outcome *outcome, size_t *size, size_t *members)
{
    struct set set;
    if (!set_open(&set, scope, part))
        return false;
    set.by_pools = is_much(outcome->found);
    bool done = set.size == 0 || certifier_run(&set, 0);
    *size = set.size;
    *members = done ? set.members : 0;
    if (*members != 0) {
        dispose(&set, outcome);
        set_forget(&set);
    }
    set_close(&set);
    return done;
}

/* Cycles are small, mostly, and of neighbours.  A part is proved and freed while it is in the caches; what it shares with
 * others is left for the end. */
static void collect_parts(struct scope *scope, struct outcome *outcome)
{
    struct part part = { .to = 0 };
    size_t size = 0, members = 0;
    while (members >= size / 2 && scope_next_part(scope, &part, PART_OBJECTS) &&
           collect_part(scope, &part, outcome, &size, &members))
        ;
}

static void collect_found(struct scope *scope, struct outcome *outcome)
{
    struct part whole = scope_whole(scope);
    size_t size, members;
    outcome->found = scope_found(scope, &whole);
    if (is_much(outcome->found))
        collect_parts(scope, outcome);
    outcome->failed |= !collect_part(scope, &whole, outcome, &size, &members);
}

void collection_run(unsigned generation, struct outcome *outcome)
{
    struct scope scope;
    if (!scope_open(&scope, generation)) {
        outcome->failed = true;
        return;
    }
    outcome->failed = scope.incomplete;
    scope.noting = freed_much;
    if (finder_run(&scope))
        collect_found(&scope, outcome);
    else
        outcome->failed = true;
    outcome->tracked = scope.tracked;
    freed_much = outcome->collected >= outcome->tracked / NOTES_WORTH;
    scope_close(&scope);
}

void collection_fork_child(void)
{
    if (lost != NULL)
        teardown_fork_child(lost);
    lost = NULL;
}
