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
        struct span_side *side = arca_calloc(1, sizeof *side + blocks);
        if (side == NULL)
            return;
        store_rlx(&span->side, side);
    }
    if (add_span(scope, span))
        scope->blocks += blocks;
}

bool scope_open(struct scope *scope, unsigned generation)
{
    memset(scope, 0, sizeof *scope);
    scope->generation = generation;
    object_walk(visit_span, scope);
    scope->counters = arca_calloc(scope->blocks != 0 ? scope->blocks : 1, sizeof *scope->counters);
    if (scope->counters == NULL) {
        arca_free(scope->spans);
        return false;
    }
    int32_t *at = scope->counters;
    for (size_t i = 0; i < scope->count; i++) {
        load_rlx(&scope->spans[i]->side)->counters = at;
        at += span_blocks(scope->spans[i]);
    }
    return true;
}

void scope_close(struct scope *scope)
{
    for (size_t i = 0; i < scope->count; i++)
        load_rlx(&scope->spans[i]->side)->counters = NULL;
    arca_free(scope->counters);
    arca_free(scope->spans);
}
