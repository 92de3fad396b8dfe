/* Sets of objects, and passes over them. */
#include "gc/cycles/set.h"

#include <string.h>

/* Of 64: where they are so many they are asked for one by one, so many bytes before, while others are looked at. */
#define PASS_DENSE 32
#define DENSE_AHEAD 2048

bool set_open(struct set *set, struct scope *scope, const struct part *part)
{
    size_t words = (part->end - part->first) / 64;
    *set = (struct set){ .scope = scope, .part = *part };
    set->members = set->size = scope_found(scope, part);
    if (set->size == 0 || set->size >= UINT32_MAX / 4)
        return set->size == 0;
    set->edge_capacity = EDGES_AHEAD + 2 * set->size;
    set->lost = arca_malloc(words * sizeof *set->lost);
    set->outward = arca_malloc(words * sizeof *set->outward);
    set->edges = arca_malloc(set->edge_capacity * sizeof *set->edges);
    if (set->lost == NULL || set->outward == NULL || set->edges == NULL) {
        set_close(set);
        return false;
    }
    memcpy(set->lost, &scope->found[part->first / 64], words * sizeof *set->lost);
    return true;
}

/* What was noted of those that were dropped is lost. */
static void forget_notes(const struct set *set)
{
    for (uint32_t base = set->part.first; base < set->part.end; base += 64) {
        if (set->scope->found[base / 64] & ~*set_lost(set, base))
            set->scope->noted[base / 64] = 0;
    }
}

void set_close(struct set *set)
{
    if (set->read)
        forget_notes(set);
    arca_free(set->lost);
    arca_free(set->outward);
    arca_free(set->edges);
    arca_free(set->with_cell);
    arca_free(set->cells);
}

void set_forget(const struct set *set)
{
    for (uint32_t base = set->part.first; base < set->part.end; base += 64)
        set->scope->found[base / 64] &= ~*set_lost(set, base);
}

static struct pass_place pass_place_of(const struct scope *scope, size_t span, uint32_t first)
{
    return (struct pass_place){ span, first, first, first + span_indices(scope->spans[span]) };
}

struct pass set_pass(const struct set *set, const uint64_t *bits)
{
    struct pass_place place = pass_place_of(set->scope, set->part.from, set->part.first);
    return (struct pass){ .scope = set->scope, .bits = bits, .at = place, .ahead = place, .part_first = set->part.first,
                          .to = set->part.end };
}

/* On to the next 64 indices with one of the bits, which are returned; 0 at the end. */
ARCA_INLINE uint64_t place_next(const struct pass *pass, struct pass_place *place, uint32_t *index)
{
    while (place->index != pass->to) {
        if (place->index == place->end)
            *place = pass_place_of(pass->scope, place->span + 1, place->end);
        uint64_t bits = pass->bits[(place->index - pass->part_first) / 64];
        *index = place->index;
        place->index += 64;
        if (bits != 0)
            return bits;
    }
    return 0;
}

/* Inline: the compiler leaves out the call of a function that does nothing else. */
ARCA_INLINE void pass_ask_for(const struct pass *pass, uint32_t index, uint64_t bits)
{
    const struct span *span = pass->scope->spans[pass->ahead.span];
    const char *start = span_block(span, index - pass->ahead.first);
    for (size_t block_size = span->block_size; bits != 0; bits &= bits - 1)
        __builtin_prefetch(start + bits_lowest(bits) * block_size);
}

bool pass_next(struct pass *pass)
{
    const struct scope *scope = pass->scope;
    uint32_t index;
    for (uint64_t bits; pass->asked - pass->passed < PASS_AHEAD && (bits = place_next(pass, &pass->ahead, &index)) != 0;) {
        uint8_t count = (uint8_t)bits_count(bits);
        if (count < PASS_DENSE)
            pass_ask_for(pass, index, bits);
        pass->counts[pass->asked++ % PASS_AHEAD] = count;
    }
    struct group *group = &pass->group;
    group->objects = place_next(pass, &pass->at, &group->index);
    if (group->objects == 0)
        return false;
    uint8_t count = pass->counts[pass->passed++ % PASS_AHEAD];
    const struct span *span = scope->spans[pass->at.span];
    pass->since += count;
    group->ahead_bytes = count < PASS_DENSE ? 0 : DENSE_AHEAD;
    group->start = span_block(span, group->index - pass->at.first);
    group->block_size = span->block_size;
    group->noted = scope->noted[group->index / 64];
    group->note = scope->first_note[group->index / 64];
    return true;
}
