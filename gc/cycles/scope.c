/* Opening and closing a scope. */
#include "gc/cycles/scope.h"

#include "gc/cycles/carry.h"
#include "gc/objects/fiber.h"

#include <string.h>

/* Spans, and bytes of a table, between two places to rest. */
#define REST_SPANS 64
#define REST_BYTES ((size_t)1 << 16)

/* An index may be noted when it is counted, in a part, and after that. */
#define NOTE_TIMES 3

/* Where there is no span. */
static struct scope_slice empty_region[REGION_SLICES];

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
    if ((scope->generation == 0 && !load_rlx(&span->young)) || (load_rlx(&span->kind) == SPAN_POOL && pool_is_uncarved(span)))
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
    if (scope->count % REST_SPANS == 0)
        fiber_rest();
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
    scope->map.first_region = first;
    scope->map.region_count = scope->count != 0 ? last - first + 1 : 0;
    scope->map.regions = arca_malloc(((size_t)scope->map.region_count + 1) * sizeof scope->map.regions[0]);
    for (uint32_t i = 0; i < scope->map.region_count && scope->map.regions != NULL; i++)
        scope->map.regions[i] = empty_region;
    return scope->map.regions != NULL;
}

static struct scope_slice *slice_of(struct scope *scope, uintptr_t address)
{
    struct scope_slice **region = &scope->map.regions[region_of(address) - scope->map.first_region];
    if (*region == empty_region) {
        struct scope_slice *slices = arca_calloc(REGION_SLICES, sizeof *slices);
        if (slices == NULL)
            return NULL;
        *region = slices;
    }
    return &(*region)[address >> SLICE_SHIFT & (REGION_SLICES - 1)];
}

/* Every slice of a pool, the first one of a large object. */
static bool enter_span(struct scope *scope, const struct span *span, uint32_t index)
{
    bool pool = load_rlx(&span->kind) == SPAN_POOL;
    uint64_t units = span->block_size / BLOCK_ALIGN;
    uint32_t inverse = pool ? (uint32_t)((((uint64_t)1 << INVERSE_SHIFT) + units - 1) / units) : 0;
    for (uint32_t i = 0; i < (pool ? span->slices : 1); i++) {
        struct scope_slice *slice = slice_of(scope, span->start + i * SLICE_SIZE);
        if (slice == NULL)
            return false;
        *slice = (struct scope_slice){ (uint32_t)span->start, inverse, index, span_blocks(span) };
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
        if (i % REST_SPANS == 0)
            fiber_rest();
    }
    return true;
}

static void clear_units(struct scope *scope)
{
    size_t bytes = (size_t)scope->indices + 1;
    for (size_t first = 0; first < bytes; first += REST_BYTES) {
        memset(scope->units + first, UNITS_NONE, bytes - first < REST_BYTES ? bytes - first : REST_BYTES);
        fiber_rest();
    }
}

bool scope_open(struct scope *scope, unsigned generation)
{
    memset(scope, 0, sizeof *scope);
    scope->generation = generation;
    object_walk(visit_span, scope);
    scope->units = arca_malloc((size_t)scope->indices + 1);
    scope->found = arca_calloc(scope->indices / 64 + 1, sizeof *scope->found);
    scope->unseen = arca_calloc(scope->indices / 64 + 1, sizeof *scope->unseen);
    scope->noted = arca_calloc(scope->indices / 64 + 1, sizeof *scope->noted);
    scope->first_note = arca_malloc((scope->indices / 64 + 1) * sizeof *scope->first_note);
    scope->notes = arca_calloc((size_t)scope->indices / 64 * NOTE_TIMES * 65 / (NOTES_AT_ONCE - 64) + 2, sizeof *scope->notes);
    if (scope->units == NULL || scope->found == NULL || scope->unseen == NULL || scope->noted == NULL ||
        scope->first_note == NULL || scope->notes == NULL || !make_regions(scope) || !enter_spans(scope)) {
        scope_close(scope);
        return false;
    }
    clear_units(scope);
    return true;
}

uint64_t *scope_make_notes(struct scope *scope)
{
    if (unlikely(scope->note_count > UINT32_MAX - 2 * NOTES_AT_ONCE))
        return NULL;
    if (scope->note_count % NOTES_AT_ONCE >= NOTES_AT_ONCE - 64)
        scope->note_count = (uint32_t)bits_round_up(scope->note_count, NOTES_AT_ONCE);
    struct notes **notes = &scope->notes[scope->note_count / NOTES_AT_ONCE];
    if (*notes == NULL)
        *notes = arca_malloc(sizeof **notes);
    return *notes != NULL ? &(*notes)->words[scope->note_count % NOTES_AT_ONCE] : NULL;
}

void scope_take_notes(struct scope *scope, uint32_t first, uint64_t noted)
{
    scope->noted[first / 64] = noted;
    scope->first_note[first / 64] = scope->note_count;
    scope->note_count += noted != 0 ? bits_count(noted) + 1 : 0;
}

size_t scope_found(const struct scope *scope, const struct part *part)
{
    size_t found = 0;
    for (uint32_t base = part->first; base < part->end; base += 64)
        found += bits_count(scope->found[base / 64]);
    return found;
}

bool scope_next_part(const struct scope *scope, struct part *part, size_t found)
{
    size_t so_far = 0;
    part->from = part->to;
    part->first = part->end;
    while (part->to < scope->count && so_far < found) {
        struct part span = { .first = part->end, .end = part->end + span_indices(scope->spans[part->to]) };
        so_far += scope_found(scope, &span);
        part->end = span.end;
        part->to++;
    }
    return part->from < part->to;
}

const arca_type *scope_type_of(const void *block, uintptr_t kind)
{
    /* If it died meanwhile, that may have been a link, not a kind; one of who waits for its finalize outlasts the count 0. */
    if (kind & KIND_PENDING)
        return NULL;
    const arca_type *type = kind_is_cell(kind) ? kind_cell(kind)->type : (const arca_type *)kind;
    if (word_count(load_rlx(word_of(block))) == 0)
        return NULL;
    return type_is_tracked(type) ? type : NULL;
}

void scope_close(struct scope *scope)
{
    for (uint32_t i = 0; i < scope->map.region_count && scope->map.regions != NULL; i++) {
        if (scope->map.regions[i] != empty_region)
            arca_free(scope->map.regions[i]);
    }
    arca_free(scope->map.regions);
    arca_free(scope->units);
    arca_free(scope->found);
    arca_free(scope->unseen);
    arca_free(scope->noted);
    arca_free(scope->first_note);
    for (uint32_t i = 0; scope->notes != NULL && scope->notes[i] != NULL; i++)
        arca_free(scope->notes[i]);
    arca_free(scope->notes);
    arca_free(scope->spans);
}
