/* Counting, marking, proposing. */
#include "gc/cycles/finder.h"

#include "gc/objects/limbo.h"

/* Objects between two looks at the limbo. */
#define DRAIN_EVERY 4096

/* Reached objects whose slots wait; beyond it they are found again by a pass over the counters. */
#define STACK_OBJECTS 32768

struct stack {
    size_t count;
    bool overflowed;
    void *objects[STACK_OBJECTS];
};

void finder_drain(void)
{
    for (void *object = limbo_drain(), *next; object != NULL; object = next) {
        next = limbo_next(object);
        object_free(object);
    }
}

static void drain_sometimes(unsigned *turn)
{
    if (++*turn % DRAIN_EVERY == 0)
        finder_drain();
}

/* ---- counting: after it, a counter of the scope is what of the count the scope does not account for ------- */

ARCA_INLINE void count_slot(arca_slot *slot, void *unused)
{
    (void)unused;
    void *object = load_acq(slot_word(slot)); /* P:slot acquire: with every store into it */
    int32_t *counter = object != NULL ? scope_counter(object) : NULL;
    if (counter != NULL)
        --*counter;
}

static void count_span(const struct scope *scope, struct span *span, size_t *tracked, unsigned *turn)
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
        void *block = span_block(span, i);
        const arca_type *type = scope_look(block, &word);
        alive += word_count(word) != 0;
        if (type == NULL || load_rlx(&side->ages[i]) > scope->generation)
            continue;
        side->counters[i] += IN_SCOPE + (int32_t)(word_count(word) < (uint32_t)IN_SCOPE_MARGIN ? word_count(word) : (uint32_t)IN_SCOPE_MARGIN - 1);
        ++*tracked;
        type_visit(type, block, count_slot, NULL);
        drain_sometimes(turn);
    }
    /* Blocks in bins are born without a sign: the span stays young while it has some. */
    if (pool && load_rlx(&span->used) != alive)
        store_rlx(&span->young, true);
}

/* ---- marking: what is kept alive from outside, and what that keeps alive ------------------------------------ */

ARCA_INLINE void reach(struct stack *stack, void *object, int32_t *counter)
{
    if (likely(stack->count < STACK_OBJECTS)) {
        *counter = REACHED;
        __builtin_prefetch(object);
        stack->objects[stack->count++] = object;
    } else {
        *counter = REACHED_LATER;
        stack->overflowed = true;
    }
}

ARCA_INLINE void mark_slot(arca_slot *slot, void *context)
{
    void *object = load_acq(slot_word(slot)); /* P:slot acquire: with every store into it */
    int32_t *counter = object != NULL ? scope_counter(object) : NULL;
    if (counter != NULL && counter_in_scope(*counter))
        reach(context, object, counter);
}

static void mark_stack(struct stack *stack, unsigned *turn)
{
    while (stack->count != 0) {
        uint64_t word;
        void *object = stack->objects[--stack->count];
        const arca_type *type = scope_look(object, &word);
        if (type != NULL)
            type_visit(type, object, mark_slot, stack);
        drain_sometimes(turn);
    }
}

/* Everything whose counter passes, and what it reaches. */
static void mark_from(const struct scope *scope, bool later, struct stack *stack, unsigned *turn)
{
    for (size_t s = 0; s < scope->count; s++) {
        struct span *span = scope->spans[s];
        int32_t *counters = load_rlx(&span->side)->counters;
        uint32_t blocks = span_blocks(span);
        for (uint32_t i = 0; i < blocks; i++) {
            bool root = later ? counters[i] == REACHED_LATER : counter_in_scope(counters[i]) && counters[i] != IN_SCOPE;
            if (root) {
                reach(stack, span_block(span, i), &counters[i]);
                mark_stack(stack, turn);
            }
        }
    }
}

static void mark(const struct scope *scope, struct stack *stack, unsigned *turn)
{
    mark_from(scope, false, stack, turn);
    while (stack->overflowed) {
        stack->overflowed = false;
        mark_from(scope, true, stack, turn);
    }
}

/* ---- proposing ------------------------------------------------------------------------------------------------- */

static void grow_old(struct scope *scope, struct span_side *side, uint32_t index, struct found *found)
{
    uint8_t age = scope->generation + 1 < GENERATIONS ? (uint8_t)(scope->generation + 1) : GENERATIONS - 1;
    uint8_t old = load_rlx(&side->ages[index]);
    if (old < age) {
        store_rlx(&side->ages[index], age);
        found->aged += age == GENERATIONS - 1;
    }
}

static bool propose(struct scope *scope, struct found *found)
{
    size_t proposed = 0;
    for (size_t s = 0; s < scope->count; s++) {
        struct span_side *side = load_rlx(&scope->spans[s]->side);
        uint32_t blocks = span_blocks(scope->spans[s]);
        for (uint32_t i = 0; i < blocks; i++) {
            if (side->counters[i] == IN_SCOPE)
                proposed++;
            else if (side->counters[i] == REACHED)
                grow_old(scope, side, i, found);
        }
    }
    if (proposed == 0)
        return true;
    found->objects = arca_malloc(proposed * sizeof *found->objects);
    if (found->objects == NULL)
        return false;
    for (size_t s = 0; s < scope->count; s++) {
        int32_t *counters = load_rlx(&scope->spans[s]->side)->counters;
        uint32_t blocks = span_blocks(scope->spans[s]);
        for (uint32_t i = 0; i < blocks; i++) {
            if (counters[i] == IN_SCOPE)
                found->objects[found->count++] = span_block(scope->spans[s], i);
        }
    }
    return true;
}

bool finder_run(struct scope *scope, struct found *found)
{
    struct stack *stack = arca_malloc(sizeof *stack);
    unsigned turn = 0;
    *found = (struct found){ .objects = NULL };
    if (stack == NULL)
        return false;
    stack->count = 0;
    stack->overflowed = false;
    for (size_t s = 0; s < scope->count; s++)
        count_span(scope, scope->spans[s], &found->tracked, &turn);
    mark(scope, stack, &turn);
    arca_free(stack);
    return propose(scope, found);
}
