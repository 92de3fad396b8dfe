/* The face of include/arca/gc.h. */
#include "gc/cycles/collection.h"
#include "gc/cycles/collector.h"
#include "gc/cycles/events.h"
#include "gc/cycles/scope.h"
#include "gc/objects/debug.h"
#include "gc/objects/epoch.h"
#include "gc/objects/keeper.h"
#include "gc/objects/limbo.h"
#include "gc/objects/recall.h"

#include <errno.h>
#include <string.h>

void arca_gc_enable(void)
{
    collector_enable(true);
    watch_ring();
}

void arca_gc_disable(void)
{
    collector_enable(false);
}

bool arca_gc_is_enabled(void)
{
    return load_rlx(&collector.enabled);
}

struct request {
    unsigned generation;
    long collected;
};

static void collect_request(void *context)
{
    struct request *request = context;
    reserve_recall(); /* a unit there is no way to its object: what nobody else has is garbage */
    request->collected = collector_collect(request->generation);
}

long arca_gc_collect(int generation)
{
    struct request request = { .generation = (unsigned)generation };
    if (generation < 0 || generation >= ARCA_GC_GENERATIONS) {
        errno = EINVAL;
        return -1;
    }
    keeper_exclusively(collect_request, &request);
    if (request.collected < 0)
        errno = ENOMEM;
    return request.collected;
}

void arca_gc_set_threshold(const unsigned thresholds[ARCA_GC_GENERATIONS])
{
    for (unsigned g = 0; g < ARCA_GC_GENERATIONS; g++)
        store_rlx(&collector.thresholds[g], thresholds[g]);
    collector_set_limits();
    watch_ring();
}

void arca_gc_get_threshold(unsigned thresholds[ARCA_GC_GENERATIONS])
{
    for (unsigned g = 0; g < ARCA_GC_GENERATIONS; g++)
        thresholds[g] = load_rlx(&collector.thresholds[g]);
}

void arca_gc_get_count(size_t counts[ARCA_GC_GENERATIONS])
{
    counts[0] = (size_t)collector_young();
    for (unsigned g = 1; g < ARCA_GC_GENERATIONS; g++)
        counts[g] = load_rlx(&collector.runs[g]);
}

int arca_gc_get_stats(struct arca_gc_stats *out)
{
    struct arca_gc_stats stats = { .size = sizeof stats };
    if (out->size < sizeof out->size) {
        errno = EINVAL;
        return -1;
    }
    for (unsigned g = 0; g < ARCA_GC_GENERATIONS; g++) {
        stats.generations[g].collections = load_rlx(&watch_figures.generations[g].collections);
        stats.generations[g].collected = load_rlx(&watch_figures.generations[g].collected);
        stats.generations[g].uncollectable = load_rlx(&watch_figures.generations[g].uncollectable);
        stats.generations[g].found = load_rlx(&watch_figures.generations[g].found);
        stats.generations[g].aborted = load_rlx(&watch_figures.generations[g].aborted);
        stats.generations[g].microseconds = load_rlx(&watch_figures.generations[g].microseconds);
    }
    stats.longest_microseconds = load_rlx(&watch_figures.longest_microseconds);
    stats.waits = load_rlx(&watch_figures.waits);
    stats.blocks = load_rlx(&watch_blocks) > 0 ? (size_t)load_rlx(&watch_blocks) : 0;
    stats.size = out->size < sizeof stats ? out->size : sizeof stats;
    memcpy(out, &stats, stats.size);
    return 0;
}

void arca_gc_set_debug(unsigned flags)
{
    store_rlx(&events_debug, flags);
}

unsigned arca_gc_get_debug(void)
{
    return load_rlx(&events_debug);
}

/* ---- looking at objects -------------------------------------------------------------------------------- */

/* UINT8_MAX for what is not tracked.  The object is alive. */
static uint8_t age_of(const void *object)
{
    if (!type_is_tracked(type_of(object)) || (load_rlx(word_of(object)) & WORD_IMMORTAL))
        return UINT8_MAX;
    struct span *span = object_span((uintptr_t)object);
    struct span_side *side = span != NULL ? load_rlx(&span->side) : NULL;
    return side == NULL ? 0 : load_rlx(&side->ages[pool_index(span, (uint32_t)((uintptr_t)object - span->start))]);
}

bool arca_gc_is_tracked(const void *object)
{
    debug_check_known("arca_gc_is_tracked", object);
    return object != NULL && age_of(object) != UINT8_MAX;
}

int arca_gc_generation(const void *object)
{
    debug_check_known("arca_gc_generation", object);
    uint8_t age = object != NULL ? age_of(object) : UINT8_MAX;
    return age == UINT8_MAX ? -1 : age;
}

struct walk {
    unsigned youngest, oldest;
    const void *referent; /* NULL: any */
    arca_gc_visit *visit;
    void *context;
    bool stopped;
};

static void compare_slot(arca_slot *slot, void *context)
{
    const void **wanted = context;
    if (load_rlx(slot_word(slot)) == *wanted)
        *wanted = NULL;
}

static bool refers_to(void *object, const void *wanted)
{
    type_visit(type_of(object), object, compare_slot, &wanted);
    return wanted == NULL;
}

/* With a unit of it, so that it stays alive for the visitor. */
static void walk_block(struct walk *walk, void *block)
{
    if (collection_has_lost(block) || !word_try_retain(block))
        return;
    uint8_t age = age_of(block);
    if (age >= walk->youngest && age <= walk->oldest && (walk->referent == NULL || refers_to(block, walk->referent)))
        walk->stopped = !walk->visit(block, walk->context);
    arca_release(block);
}

static void walk_span(struct span *span, void *context)
{
    struct walk *walk = context;
    bool pool = load_rlx(&span->kind) == SPAN_POOL;
    uint64_t uncarved = pool ? pool_uncarved(span) : 0;
    for (uint32_t i = 0; i < span_blocks(span) && !walk->stopped; i++) {
        if (uncarved == 0 || pool_is_carved(uncarved, span, i))
            walk_block(walk, span_block(span, i));
    }
}

static void walk_exclusively(void *walk)
{
    object_walk(walk_span, walk);
}

/* Spans stay while nobody else is at work. */
static void walk_all(struct walk *walk)
{
    if (!keeper_exclusively(walk_exclusively, walk))
        walk_exclusively(walk);
}

void arca_gc_objects(int generation, arca_gc_visit *visit, void *context)
{
    unsigned youngest = generation < 0 ? 0 : (unsigned)generation;
    walk_all(&(struct walk){ youngest, generation < 0 ? GENERATIONS - 1 : youngest, NULL, visit, context, false });
}

void arca_gc_referrers(const void *object, arca_gc_visit *visit, void *context)
{
    if (object != NULL)
        walk_all(&(struct walk){ 0, GENERATIONS - 1, object, visit, context, false });
}

static void visit_slot(arca_slot *slot, void *context)
{
    struct walk *walk = context;
    void *object = walk->stopped ? NULL : arca_slot_load(slot);
    if (object != NULL) {
        walk->stopped = !walk->visit(object, walk->context);
        arca_release(object);
    }
}

void arca_gc_referents(void *object, arca_gc_visit *visit, void *context)
{
    struct walk walk = { .visit = visit, .context = context };
    debug_check_object("arca_gc_referents", object, NULL);
    if (object != NULL)
        type_visit(type_of(object), object, visit_slot, &walk);
}

/* ---- freezing ---------------------------------------------------------------------------------------------- */

struct freezing {
    uint8_t from, to; /* ages: from this one on */
    size_t count;
};

static void freeze_span(struct span *span, void *context)
{
    struct freezing *freezing = context;
    struct span_side *side = load_rlx(&span->side);
    uint32_t blocks = span_blocks(span);
    if (side == NULL) {
        if (freezing->to != AGE_PERMANENT || (side = arca_calloc(blocks, sizeof side->ages[0])) == NULL)
            return;
        store_rel(&span->side, side); /* P:side release: its ages, to object_free */
    }
    bool pool = load_rlx(&span->kind) == SPAN_POOL;
    uint64_t uncarved = pool ? pool_uncarved(span) : 0;
    struct scope_kind seen = { 0, NULL };
    for (uint32_t i = 0; i < blocks; i++) {
        uint64_t word;
        if ((uncarved != 0 && !pool_is_carved(uncarved, span, i)) || load_rlx(&side->ages[i]) < freezing->from)
            continue;
        if (scope_look(span_block(span, i), &word, &seen) != NULL) {
            store_rlx(&side->ages[i], freezing->to);
            freezing->count++;
        }
    }
}

/* With dead blocks kept readable, as in a collection. */
static void freeze_exclusively(void *freezing)
{
    collector_activate();
    object_walk(freeze_span, freezing);
    collector_deactivate();
}

/* In code of the program's that a collection calls, which may hold locks: nothing rests here.  The next to drain the limbo
 * frees what has died meanwhile. */
static void freeze_inside(struct freezing *freezing)
{
    bool active = limbo_is_active();
    collector_activate();
    object_walk(freeze_span, freezing);
    if (!active)
        store_seq(&limbo_active, 0u);
}

static size_t freeze(uint8_t from, uint8_t to)
{
    struct freezing freezing = { from, to, 0 };
    if (!keeper_exclusively(freeze_exclusively, &freezing))
        freeze_inside(&freezing);
    return freezing.count;
}

void arca_gc_freeze(void)
{
    freeze(0, AGE_PERMANENT);
}

void arca_gc_unfreeze(void)
{
    freeze(AGE_PERMANENT, GENERATIONS - 1);
}

size_t arca_gc_freeze_count(void)
{
    return freeze(AGE_PERMANENT, AGE_PERMANENT);
}
