/*
 * The objects that a collection looks at, and a counter for each, beside their spans.
 *
 *   scope     the tracked objects whose age is at most the generation that is collected
 *   age       0 young, 1, 2 old, AGE_PERMANENT frozen; a byte a block, beside the span
 *   counter   what the finder and the certifier know of a block while a collection lasts:
 *
 *     0               not in the scope (or not met yet; then less than 0 by the references met)
 *     IN_SCOPE + n    in the scope, n units of it unaccounted for
 *     REACHED         something outside the scope keeps it alive
 *     REACHED_LATER   the same, and its slots are still to be looked at
 *     MEMBER + i      the i-th of the set that is to be certified
 *
 * Only the collector touches counters.  Ages are hints: a block that is freed and born anew meanwhile may get one
 * that is not its own, and is then looked at a collection later.
 */
#ifndef ARCA_GC_SCOPE_H
#define ARCA_GC_SCOPE_H

#include "arenas/span.h"
#include "front/objects.h"
#include "gc/objects/type.h"
#include "heap/pool.h"

#define GENERATIONS 3
#define AGE_PERMANENT 3

#define IN_SCOPE ((int32_t)1 << 29)
#define IN_SCOPE_MARGIN ((int32_t)1 << 28)
#define MEMBER ((int32_t)1 << 30)
#define REACHED (-((int32_t)1 << 30))
#define REACHED_LATER (REACHED - 1)

struct scope {
    struct span **spans;
    size_t count, capacity;
    int32_t *counters; /* of all spans */
    size_t blocks;
    unsigned generation;
};

/* False without memory; then there is nothing to undo. */
bool scope_open(struct scope *scope, unsigned generation);
void scope_close(struct scope *scope);

ARCA_INLINE uint32_t span_blocks(const struct span *span)
{
    return load_rlx(&span->kind) == SPAN_OBJECT ? 1 : span->capacity;
}

ARCA_INLINE void *span_block(const struct span *span, uint32_t index)
{
    return (void *)(span->start + (uintptr_t)index * span->block_size);
}

/* The counter of an object, or NULL for what no scope covers; any value is allowed. */
ARCA_INLINE int32_t *scope_counter(const void *object)
{
    struct span *span = object_span((uintptr_t)object);
    if (span == NULL)
        return NULL;
    struct span_side *side = load_rlx(&span->side);
    uint32_t index = pool_index(span, (uint32_t)((uintptr_t)object - span->start));
    return side == NULL || side->counters == NULL || index >= span_blocks(span) ? NULL : &side->counters[index];
}

ARCA_INLINE bool counter_in_scope(int32_t counter)
{
    return counter >= IN_SCOPE - IN_SCOPE_MARGIN && counter < IN_SCOPE + IN_SCOPE_MARGIN;
}

/* A tracked object that was alive when it was looked at, with its type and word; NULL for the rest.  Its slots may be
 * read until the limbo is drained. */
ARCA_INLINE const arca_type *scope_look(void *block, uint64_t *word)
{
    *word = load_acq(word_of(block)); /* P:touch acquire: every move of a unit that the word tells of has left its slot */
    if (word_count(*word) == 0 || (*word & WORD_IMMORTAL))
        return NULL;
    uintptr_t kind = load_acq(kind_of(block)); /* P:weak cell acquire: with cell_of */
    const arca_type *type = kind_is_cell(kind) ? kind_cell(kind)->type : (const arca_type *)kind;
    if (word_count(load_rlx(word_of(block))) == 0) /* it died meanwhile: that may have been a link, not a kind */
        return NULL;
    return type_is_tracked(type) ? type : NULL;
}

#endif
