/*
 * The objects that a collection looks at, and what it knows of each, beside their spans.
 *
 *   scope    the tracked objects whose age is at most the generation that is collected
 *   age      0 young, 1, 2 old, AGE_PERMANENT frozen; a byte a block, beside the span
 *   index    of a block: those of a span from a multiple of 64 on, so that a word of a bitmap is of one span
 *
 * By index, while a collection lasts:
 *
 *   units    of the object's count, what no slot in the scope accounts for (of a block outside the scope: less than 0
 *            by what was met): UNITS_NONE for none (carry.h)
 *   found    in the scope, and nothing outside is known to keep it alive
 *   unseen   in the scope, and not looked at since it was counted: where it is not found either, something keeps it alive
 *            and its slots are still to be looked at
 *   noted    its word is in the notes; of the young as it was when they were counted: most garbage was young, and need not
 *            be read once more
 *
 * A byte and a bit are read and written in the order of the references, that is in none: the fewer they are, the more of
 * them is in the caches.  Only the collector touches them.  Ages are hints: a block that is freed and
 * born anew meanwhile may get one that is not its own, and is then looked at a collection later.
 */
#ifndef ARCA_GC_SCOPE_H
#define ARCA_GC_SCOPE_H

#include "arenas/span.h"
#include "front/objects.h"
#include "gc/cycles/carry.h"
#include "gc/objects/type.h"
#include "heap/pool.h"
#include "heap/size_class.h"

#include <string.h>

#define GENERATIONS 3
#define AGE_PERMANENT 3

#define NO_INDEX UINT32_MAX

/* What is needed to get from an address in a slice to the index of its block.  Small: it is read for each reference. */
struct scope_slice {
    uint32_t start;   /* of the span, its lower half */
    uint32_t inverse; /* ceil(2^INVERSE_SHIFT / the blocks' size in units of BLOCK_ALIGN) */
    uint32_t first;   /* index in the span */
    uint32_t blocks;  /* 0: the slice is not of the scope */
};

/* offset * inverse rounds down as offset / size does, while both are below the root of it. */
#define INVERSE_SHIFT 31
_Static_assert(POOL_SLICES_MAX * SLICE_SIZE / BLOCK_ALIGN < (size_t)1 << (INVERSE_SHIFT / 2), "an index is exact");

#define REGION_SHIFT 10 /* 64 MiB, as an arena */
#define REGION_SLICES ((uint32_t)1 << REGION_SHIFT)

/* Small enough to be held in registers: through memory it would have to be read anew after each store of a byte. */
struct scope_map {
    struct scope_slice **regions; /* from the first with a span on; REGION_SLICES each */
    uint32_t first_region, region_count;
};

struct scope {
    struct span **spans;
    size_t count, capacity;
    struct scope_map map;
    uint32_t indices;
    uint8_t *units; /* one more than there are indices: of nobody */
    uint64_t *found, *unseen, *noted; /* of 64 indices each */
    uint32_t *first_note; /* of 64 indices each: where their notes are, in the order of the indices */
    struct notes **notes;
    uint32_t note_count;  /* with gaps: those of 64 indices are not torn apart, and one more is behind them */
    uint32_t noted_purges, noted_ms; /* retired_purges, and the clock, before the first one */
    bool noting;     /* the young are noted */
    bool notes_hold; /* the collection itself has not changed a word of what it found since */
    unsigned generation;
    size_t tracked;  /* objects that were counted */
    bool incomplete; /* memory was short for some spans */
};

/* Of the objects that are noted, by the place of their notes, which are as close as they can be: they may be few. */
#define NOTES_AT_ONCE 8192
struct notes {
    uint64_t words[NOTES_AT_ONCE];
    uint32_t first_edge[NOTES_AT_ONCE]; /* of a set (set.h) */
};

/* Spans of a scope, one after the other, and the indices of their blocks. */
struct part {
    size_t from, to;
    uint32_t first, end;
};

ARCA_INLINE struct part scope_whole(const struct scope *scope)
{
    return (struct part){ 0, scope->count, 0, scope->indices };
}

/* On to the part behind this one, until so many are found in it; false when there is none.  The first is behind an empty
 * one. */
bool scope_next_part(const struct scope *scope, struct part *part, size_t found);
size_t scope_found(const struct scope *scope, const struct part *part);

/* False without memory; then there is nothing to undo. */
bool scope_open(struct scope *scope, unsigned generation);
void scope_close(struct scope *scope);

ARCA_INLINE uint32_t span_blocks(const struct span *span)
{
    return load_rlx(&span->kind) == SPAN_OBJECT ? 1 : span->capacity;
}

ARCA_INLINE uint32_t span_indices(const struct span *span)
{
    return (uint32_t)bits_round_up(span_blocks(span), 64);
}

ARCA_INLINE void *span_block(const struct span *span, uint32_t index)
{
    return (void *)(span->start + (uintptr_t)index * span->block_size);
}

/* NULL where there is none; any value is allowed. */
ARCA_INLINE const struct scope_slice *scope_slice(const struct scope_map *map, const void *object)
{
    uint32_t region = (uint32_t)((uintptr_t)object >> (SLICE_SHIFT + REGION_SHIFT)) - map->first_region;
    if (region >= map->region_count)
        return NULL;
    return &map->regions[region][(uintptr_t)object >> SLICE_SHIFT & (REGION_SLICES - 1)];
}

/* The index of an object, or NO_INDEX for what the scope does not cover; any value is allowed. */
ARCA_INLINE uint32_t scope_map_index(const struct scope_map *map, const void *object)
{
    const struct scope_slice *slice = scope_slice(map, object);
    if (slice == NULL)
        return NO_INDEX;
    uint32_t offset = ((uint32_t)(uintptr_t)object - slice->start) / BLOCK_ALIGN;
    uint32_t index = (uint32_t)((uint64_t)offset * slice->inverse >> INVERSE_SHIFT);
    return likely(index < slice->blocks) ? slice->first + index : NO_INDEX;
}

/* The same of one of its spans: objects refer to their neighbours, mostly. */
struct scope_near {
    uintptr_t start, bytes;
    uint32_t inverse, first;
};

ARCA_INLINE struct scope_near scope_near(const struct scope *scope, const struct span *span)
{
    const struct scope_slice *slice = scope_slice(&scope->map, (const void *)span->start);
    return (struct scope_near){ span->start, (uintptr_t)span->block_size * slice->blocks, slice->inverse, slice->first };
}

ARCA_INLINE uint32_t scope_near_index(const struct scope_near *near, const void *object)
{
    uintptr_t offset = (uintptr_t)object - near->start;
    return offset < near->bytes ? near->first + (uint32_t)(offset / BLOCK_ALIGN * near->inverse >> INVERSE_SHIFT) : NO_INDEX;
}

ARCA_INLINE uint32_t scope_index(const struct scope *scope, const void *object)
{
    return scope_map_index(&scope->map, object);
}

ARCA_INLINE uint64_t index_bit(uint32_t index)
{
    return (uint64_t)1 << index % 64;
}

/* Room for the words of 64 indices; NULL without memory. */
uint64_t *scope_make_notes(struct scope *scope);
/* So they are taken, for 64 indices from a multiple of it on. */
void scope_take_notes(struct scope *scope, uint32_t first, uint64_t noted);

ARCA_INLINE uint64_t *scope_word(const struct scope *scope, uint32_t note)
{
    return &scope->notes[note / NOTES_AT_ONCE]->words[note % NOTES_AT_ONCE];
}

/* The next note has the end of them. */
ARCA_INLINE uint32_t *scope_first_edge(const struct scope *scope, uint32_t note)
{
    return &scope->notes[note / NOTES_AT_ONCE]->first_edge[note % NOTES_AT_ONCE];
}

/* Where the note of an index is that is noted. */
ARCA_INLINE uint32_t scope_note(const struct scope *scope, uint32_t index)
{
    return scope->first_note[index / 64] + bits_count(scope->noted[index / 64] & (index_bit(index) - 1));
}

/* Of 64 indices, from a multiple of it on: a bit for each that has units. */
ARCA_INLINE uint64_t scope_with_units(const struct scope *scope, uint32_t first)
{
    uint64_t with = 0;
    for (unsigned i = 0; i < 64; i += 8) {
        uint64_t eight;
        memcpy(&eight, &scope->units[first + i], sizeof eight);
        eight ^= UNITS_NONE * UINT64_C(0x0101010101010101);
        if (likely(eight == 0))
            continue;
        eight = (((eight & UINT64_C(0x7f7f7f7f7f7f7f7f)) + UINT64_C(0x7f7f7f7f7f7f7f7f)) | eight) & UINT64_C(0x8080808080808080);
        with |= ((eight >> 7) * UINT64_C(0x0102040810204080) >> 56) << i;
    }
    return with;
}

/* The kind that was seen last, and what it tells: neighbours are mostly of one type. */
struct scope_kind {
    uintptr_t kind; /* the address of a tracked type; 0: none was seen */
    const arca_type *type;
};

/* The type of an object whose kind is not the one that was seen last. */
const arca_type *scope_type_of(const void *block, uintptr_t kind);

/* The type of an object that was alive when its word was read; NULL where it is not tracked, or has died meanwhile.
 * What was a kind before is none by chance: no link is the address of a type. */
ARCA_INLINE const arca_type *scope_type(const void *block, struct scope_kind *seen)
{
    uintptr_t kind = load_acq(kind_of(block)); /* P:weak cell acquire: with cell_of */
    if (unlikely(kind != seen->kind)) {
        const arca_type *type = scope_type_of(block, kind);
        if (type == NULL || kind_is_cell(kind))
            return type;
        *seen = (struct scope_kind){ kind, type };
    }
    return seen->type;
}

/* A tracked object that was alive when it was looked at, with its type and word; NULL for the rest.  Its slots may be
 * read until the limbo is drained. */
ARCA_INLINE const arca_type *scope_look(const void *block, uint64_t *word, struct scope_kind *seen)
{
    *word = load_acq(word_of(block)); /* P:touch acquire: every move of a unit that the word tells of has left its slot */
    if (word_count(*word) == 0 || (*word & WORD_IMMORTAL))
        return NULL;
    return scope_type(block, seen);
}

#endif
