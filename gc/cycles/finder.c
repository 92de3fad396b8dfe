/* Counting, marking, proposing. */
#include "gc/cycles/finder.h"

#include "gc/objects/limbo.h"

/* Objects between two looks at the limbo. */
#define DRAIN_EVERY 4096

/* Reached objects whose slots wait; beyond it they are found again by a pass over the counters. */
#define STACK_OBJECTS 32768

/* Counters and objects lie anywhere: each is asked for so many steps before it is used. */
#define AHEAD 16

/* What waits: objects whose slots are to be looked at, and objects whose counters are. */
struct waiting_counter {
    void *object;
    int32_t *counter;
};

struct finder {
    struct scope *scope;
    struct found *found;
    unsigned turn;
    unsigned counter_at, object_at;
    struct waiting_counter counters[AHEAD];
    void *objects[AHEAD];
    size_t stacked;
    bool overflowed;
    void *stack[STACK_OBJECTS];
};

/* Puts one in and gets back the one that came so many steps before. */
ARCA_INLINE struct waiting_counter counter_ahead(struct finder *finder, void *object, int32_t *counter)
{
    struct waiting_counter *place = &finder->counters[finder->counter_at++ % AHEAD], before = *place;
    __builtin_prefetch(counter, 1);
    *place = (struct waiting_counter){ object, counter };
    return before;
}

ARCA_INLINE void *object_ahead(struct finder *finder, void *object)
{
    void **place = &finder->objects[finder->object_at++ % AHEAD], *before = *place;
    __builtin_prefetch(object);
    *place = object;
    return before;
}

void finder_drain(const struct scope *scope)
{
    for (void *object = limbo_drain(), *next; object != NULL; object = next) {
        int32_t *counter = scope != NULL ? scope_counter(scope, object) : NULL;
        next = limbo_next(object);
        if (counter != NULL)
            *counter = 0; /* the block's next life is not of this collection */
        object_free(object);
    }
}

static void drain_sometimes(struct finder *finder)
{
    if (++finder->turn % DRAIN_EVERY == 0)
        finder_drain(finder->scope);
}

/* ---- counting: after it, a counter of the scope is what of the count the scope does not account for ------- */

ARCA_INLINE void count_slot(arca_slot *slot, void *context)
{
    struct finder *finder = context;
    void *object = load_acq(slot_word(slot)); /* P:slot acquire: with every store into it */
    int32_t *counter = object != NULL ? scope_counter(finder->scope, object) : NULL;
    if (counter != NULL && (counter = counter_ahead(finder, object, counter).counter) != NULL)
        --*counter;
}

static void count_ahead(struct finder *finder)
{
    for (unsigned i = 0; i < AHEAD; i++) {
        int32_t *counter = counter_ahead(finder, NULL, NULL).counter;
        if (counter != NULL)
            --*counter;
    }
}

static int32_t bounded_count(uint64_t word)
{
    return (int32_t)(word_count(word) < (uint32_t)IN_SCOPE_MARGIN ? word_count(word) : (uint32_t)IN_SCOPE_MARGIN - 1);
}

static void count_span(struct finder *finder, struct span *span, int32_t *counters)
{
    struct span_side *side = load_rlx(&span->side);
    uint32_t blocks = span_blocks(span), alive = 0;
    bool pool = load_rlx(&span->kind) == SPAN_POOL;
    uint64_t uncarved = pool ? pool_uncarved(span) : 0;
    store_rlx(&span->young, false);
    for (uint32_t i = 0; i < blocks; i++) {
        uint64_t word;
        if (uncarved != 0 && !pool_is_carved(uncarved, span, i))
            continue;
        if (load_rlx(&side->ages[i]) > finder->scope->generation) { /* its death would have cleared it */
            alive++;
            continue;
        }
        void *block = span_block(span, i);
        const arca_type *type = scope_look(block, &word);
        alive += word_count(word) != 0;
        if (type == NULL)
            continue;
        counters[i] += IN_SCOPE + bounded_count(word);
        finder->found->tracked++;
        type_visit(type, block, count_slot, finder);
        drain_sometimes(finder);
    }
    /* Blocks in bins are born without a sign: the span stays young while it has some. */
    if (pool && load_rlx(&span->used) != alive)
        store_rlx(&span->young, true);
}

/* ---- marking: what is kept alive from outside, and what that keeps alive ------------------------------------ */

ARCA_INLINE void reach(struct finder *finder, void *object, int32_t *counter)
{
    if (likely(finder->stacked < STACK_OBJECTS)) {
        *counter = REACHED;
        finder->stack[finder->stacked++] = object;
    } else {
        *counter = REACHED_LATER;
        finder->overflowed = true;
    }
}

ARCA_INLINE void mark_waiting(struct finder *finder, struct waiting_counter waiting)
{
    if (waiting.counter != NULL && counter_in_scope(*waiting.counter))
        reach(finder, waiting.object, waiting.counter);
}

ARCA_INLINE void mark_slot(arca_slot *slot, void *context)
{
    struct finder *finder = context;
    void *object = load_acq(slot_word(slot)); /* P:slot acquire: with every store into it */
    int32_t *counter = object != NULL ? scope_counter(finder->scope, object) : NULL;
    if (counter != NULL)
        mark_waiting(finder, counter_ahead(finder, object, counter));
}

static void mark_slots(struct finder *finder, void *object)
{
    uint64_t word;
    const arca_type *type = object != NULL ? scope_look(object, &word) : NULL;
    if (type != NULL)
        type_visit(type, object, mark_slot, finder);
    drain_sometimes(finder);
}

/* What waited while the stack ran empty; false when that was nothing. */
static bool mark_rest(struct finder *finder)
{
    bool any = false;
    for (unsigned i = 0; i < AHEAD; i++) {
        struct waiting_counter waiting = counter_ahead(finder, NULL, NULL);
        any |= waiting.counter != NULL;
        mark_waiting(finder, waiting);
    }
    for (unsigned i = 0; i < AHEAD; i++) {
        void *object = object_ahead(finder, NULL);
        any |= object != NULL;
        mark_slots(finder, object);
    }
    return any;
}

static void mark_stack(struct finder *finder)
{
    do {
        while (finder->stacked != 0)
            mark_slots(finder, object_ahead(finder, finder->stack[--finder->stacked]));
    } while (mark_rest(finder));
}

/* Everything whose counter passes, and what it reaches. */
static void mark_from(struct finder *finder, bool later)
{
    int32_t *counters = finder->scope->counters;
    for (size_t s = 0; s < finder->scope->count; s++) {
        struct span *span = finder->scope->spans[s];
        uint32_t blocks = span_blocks(span);
        for (uint32_t i = 0; i < blocks; i++) {
            bool root = later ? counters[i] == REACHED_LATER : counter_in_scope(counters[i]) && counters[i] != IN_SCOPE;
            if (root)
                reach(finder, span_block(span, i), &counters[i]);
        }
        counters += blocks;
        if (finder->stacked != 0)
            mark_stack(finder);
    }
}

static void mark(struct finder *finder)
{
    mark_from(finder, false);
    while (finder->overflowed) {
        finder->overflowed = false;
        mark_from(finder, true);
    }
}

/* ---- proposing ------------------------------------------------------------------------------------------------- */

static void grow_old(struct finder *finder, struct span_side *side, uint32_t index)
{
    uint8_t age = finder->scope->generation + 1 < GENERATIONS ? (uint8_t)(finder->scope->generation + 1) : GENERATIONS - 1;
    if (load_rlx(&side->ages[index]) < age)
        store_rlx(&side->ages[index], age);
}

static bool propose(struct finder *finder)
{
    const struct scope *scope = finder->scope;
    struct found *found = finder->found;
    const int32_t *counters = scope->counters;
    size_t proposed = 0;
    for (size_t s = 0; s < scope->count; s++) {
        struct span_side *side = load_rlx(&scope->spans[s]->side);
        uint32_t blocks = span_blocks(scope->spans[s]);
        for (uint32_t i = 0; i < blocks; i++) {
            if (counters[i] == REACHED || counters[i] == IN_SCOPE) /* if it lives on, it does so older */
                grow_old(finder, side, i);
            proposed += counters[i] == IN_SCOPE;
        }
        counters += blocks;
    }
    if (proposed == 0)
        return true;
    found->objects = arca_malloc(proposed * sizeof *found->objects);
    if (found->objects == NULL)
        return false;
    counters = scope->counters;
    for (size_t s = 0; s < scope->count; s++) {
        uint32_t blocks = span_blocks(scope->spans[s]);
        for (uint32_t i = 0; i < blocks; i++) {
            if (counters[i] == IN_SCOPE)
                found->objects[found->count++] = span_block(scope->spans[s], i);
        }
        counters += blocks;
    }
    return true;
}

bool finder_run(struct scope *scope, struct found *found)
{
    *found = (struct found){ .objects = NULL };
    struct finder *finder = arca_calloc(1, sizeof *finder);
    if (finder == NULL)
        return false;
    finder->scope = scope;
    finder->found = found;
    int32_t *counters = scope->counters;
    for (size_t s = 0; s < scope->count; s++) {
        count_span(finder, scope->spans[s], counters);
        counters += span_blocks(scope->spans[s]);
    }
    count_ahead(finder);
    mark(finder);
    bool done = propose(finder);
    arca_free(finder);
    return done;
}
