/* Opening and closing a scope. */
#include "gc/cycles/scope.h"

#include "gc/cycles/carry.h"
#include "heap/size_class.h"

#include <string.h>

_Static_assert(SIZE_CLASSES < UINT8_MAX, "a size class is a byte, and large objects have one of their own");

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
    uint32_t indices = span_indices(span);
    if (indices < NO_INDEX - scope->indices && add_span(scope, span))
        scope->indices += indices;
    else
        scope->incomplete = true;
}

static uint32_t region_of(uintptr_t address)
{
    return (uint32_t)(address >> (SLICE_SHIFT + REGION_SHIFT));
}

static bool make_regions(struct scope *scope)
{
    uint32_t first = UINT32_MAX, last = 0;
    for (size_t i = 0; i < scope->count; i++) {
        const struct span *span = scope->spans[i];
        uint32_t from = region_of(span->start), to = region_of(span->start + span_bytes(span) - 1);
        first = from < first ? from : first;
        last = to > last ? to : last;
    }
    scope->first_region = first;
    scope->region_count = scope->count != 0 ? last - first + 1 : 0;
    scope->regions = arca_calloc((size_t)scope->region_count + 1, sizeof scope->regions[0]);
    return scope->regions != NULL;
}

static struct scope_slice *enter_slice(struct scope *scope, uintptr_t address)
{
    struct scope_slice **region = &scope->regions[region_of(address) - scope->first_region];
    if (*region == NULL)
        *region = arca_calloc(REGION_SLICES, sizeof **region);
    return *region != NULL ? &(*region)[address >> SLICE_SHIFT & (REGION_SLICES - 1)] : NULL;
}

/* Every slice of a pool, the first one of a large object. */
static bool enter_span(struct scope *scope, const struct span *span, uint32_t index)
{
    bool pool = load_rlx(&span->kind) == SPAN_POOL;
    uint8_t size_class = pool ? span->size_class : UINT8_MAX;
    scope->dividers[size_class] = pool ? span->divider : 0;
    for (uint32_t i = 0; i < (pool ? span->slices : 1); i++) {
        struct scope_slice *slice = enter_slice(scope, span->start + i * SLICE_SIZE);
        if (slice == NULL)
            return false;
        *slice = (struct scope_slice){ index, (uint16_t)span_blocks(span), size_class, (uint8_t)i };
    }
    return true;
}

static bool enter_spans(struct scope *scope)
{
    uint32_t index = 0;
    for (size_t i = 0; i < scope->count; i++) {
        if (!enter_span(scope, scope->spans[i], index))
            return false;
        index += span_indices(scope->spans[i]);
    }
    return true;
}

bool scope_open(struct scope *scope, unsigned generation)
{
    memset(scope, 0, sizeof *scope);
    scope->generation = generation;
    object_walk(visit_span, scope);
    scope->units = arca_malloc((size_t)scope->indices + 1);
    scope->bits = arca_calloc(scope->indices / 64 + 1, sizeof *scope->bits);
    if (scope->units == NULL || scope->bits == NULL || !make_regions(scope) || !enter_spans(scope)) {
        scope_close(scope);
        return false;
    }
    memset(scope->units, UNITS_NONE, (size_t)scope->indices + 1);
    return true;
}

void scope_close(struct scope *scope)
{
    for (uint32_t i = 0; i < scope->region_count && scope->regions != NULL; i++)
        arca_free(scope->regions[i]);
    arca_free(scope->regions);
    arca_free(scope->units);
    arca_free(scope->bits);
    arca_free(scope->spans);
}
