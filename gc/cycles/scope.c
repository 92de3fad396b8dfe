/* Opening and closing a scope. */
#include "gc/cycles/scope.h"

#include <string.h>

static bool add_span(struct scope *scope, struct span *span)
{
    if (scope->count == scope->capacity) {
        size_t capacity = scope->capacity != 0 ? 2 * scope->capacity : 256;
        struct span **spans = arca_realloc(scope->spans, capacity * sizeof *spans);
        if (spans == NULL)
            return false;
        scope->spans = spans;
        scope->capacity = capacity;
    }
    scope->spans[scope->count++] = span;
    return true;
}

/* A span that can not be taken in is outside the scope, and keeps alive what it refers to. */
static void visit_span(struct span *span, void *context)
{
    struct scope *scope = context;
    if (scope->generation == 0 && !load_rlx(&span->young))
        return;
    uint32_t blocks = span_blocks(span);
    if (load_rlx(&span->side) == NULL) {
        struct span_side *side = arca_calloc(blocks, sizeof side->ages[0]);
        if (side == NULL) {
            scope->incomplete = true;
            return;
        }
        store_rel(&span->side, side); /* P:side release: its ages, to object_free */
    }
    if (add_span(scope, span))
        scope->blocks += blocks;
    else
        scope->incomplete = true;
}

/* At most half full. */
static bool make_slices(struct scope *scope)
{
    size_t slices = 1;
    for (size_t i = 0; i < scope->count; i++)
        slices += scope->spans[i]->slices;
    unsigned bits = bits_width(2 * slices);
    scope->slices_shift = 64 - bits;
    scope->slices = arca_calloc((size_t)1 << bits, sizeof *scope->slices);
    return scope->slices != NULL;
}

static void add_slices(struct scope *scope, const struct span *span, int32_t *counters)
{
    bool pool = load_rlx(&span->kind) == SPAN_POOL;
    size_t mask = ((size_t)1 << (64 - scope->slices_shift)) - 1;
    uint32_t first = (uint32_t)(span->start >> SLICE_SHIFT);
    for (uint32_t slice = first; slice < first + (pool ? span->slices : 1); slice++) {
        size_t at = scope_hash(scope, slice);
        while (scope->slices[at].slice != 0)
            at = (at + 1) & mask;
        scope->slices[at] = (struct scope_slice){ slice, span_blocks(span), span->start, pool ? span->divider : 0, counters };
    }
}

bool scope_open(struct scope *scope, unsigned generation)
{
    memset(scope, 0, sizeof *scope);
    scope->generation = generation;
    object_walk(visit_span, scope);
    scope->counters = arca_calloc(scope->blocks != 0 ? scope->blocks : 1, sizeof *scope->counters);
    if (scope->counters == NULL || !make_slices(scope)) {
        scope_close(scope);
        return false;
    }
    int32_t *counters = scope->counters;
    for (size_t i = 0; i < scope->count; i++) {
        add_slices(scope, scope->spans[i], counters);
        counters += span_blocks(scope->spans[i]);
    }
    return true;
}

void scope_close(struct scope *scope)
{
    arca_free(scope->slices);
    arca_free(scope->counters);
    arca_free(scope->spans);
}
