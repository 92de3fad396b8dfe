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

/* What is needed to get from an address to its counter, in half a cache line. */
struct scope_slice {
    uint32_t slice; /* address >> SLICE_SHIFT; 0: empty */
    uint32_t blocks;
    uintptr_t start;
    uint64_t divider;
    int32_t *counters;
};

struct scope {
    struct span **spans;
    size_t count, capacity;
    struct scope_slice *slices; /* a hash table: of every slice of a pool, of the first of a large object */
    unsigned slices_shift;      /* 64 - bits of its size */
    int32_t *counters;          /* of all spans */
    size_t blocks;
    unsigned generation;
    bool incomplete; /* memory was short for some spans */
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

ARCA_INLINE size_t scope_hash(const struct scope *scope, uint32_t slice)
{
    return (size_t)(slice * UINT64_C(0x9e3779b97f4a7c15) >> scope->slices_shift);
}

/* The counter of an object, or NULL for what the scope does not cover; any value is allowed. */
ARCA_INLINE int32_t *scope_counter(const struct scope *scope, const void *object)
{
    uint32_t slice = (uint32_t)((uintptr_t)object >> SLICE_SHIFT);
    size_t mask = ((size_t)1 << (64 - scope->slices_shift)) - 1;
    for (size_t at = scope_hash(scope, slice);; at = (at + 1) & mask) {
        const struct scope_slice *entry = &scope->slices[at];
        if (likely(entry->slice == slice)) {
            uint64_t index = (uint64_t)(((unsigned __int128)((uintptr_t)object - entry->start) * entry->divider) >> 64);
            return likely(index < entry->blocks) ? &entry->counters[index] : NULL;
        }
        if (entry->slice == 0)
            return NULL;
    }
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
    /* If it died meanwhile, that may have been a link, not a kind; one of who waits for its finalize outlasts the count 0. */
    if ((kind & KIND_PENDING) || word_count(load_rlx(word_of(block))) == 0)
        return NULL;
    return type_is_tracked(type) ? type : NULL;
}

#endif
