/* Tearing down. */
#include "gc/cycles/teardown.h"

#include "gc/cycles/finder.h"
#include "gc/objects/cell.h"
#include "gc/objects/debug.h"
#include "gc/objects/fiber.h"

static bool finalize_due(const void *object)
{
    return type_of(object)->finalize != NULL && !(load_rlx(word_of(object)) & WORD_FINALIZED);
}

bool teardown_finalize(struct set *set)
{
    if (set->members == 0 || !set->finalize_due)
        return true;
    bool *held = arca_calloc(set->size, sizeof *held);
    if (held == NULL)
        return false;
    for (size_t i = 0; i < set->size; i++) {
        held[i] = !set->dropped[i];
        if (held[i])
            add_rlx(word_of(set->objects[i]), WORD_VERSION + WORD_ONE);
    }
    for (size_t i = 0; i < set->size; i++) {
        if (held[i] && finalize_due(set->objects[i])) {
            or_rlx(word_of(set->objects[i]), WORD_FINALIZED);
            type_of(set->objects[i])->finalize(set->objects[i]);
        }
        if (i % DRAIN_EVERY == 0)
            finder_drain(NULL);
        fiber_rest_sometimes(i);
    }
    bool proved = certifier_run(set, 1);
    for (size_t i = 0; i < set->size; i++) {
        if (held[i] && (set->dropped[i] || !proved))
            arca_release(set->objects[i]);
        fiber_rest_sometimes(i);
    }
    arca_free(held);
    return proved;
}

void teardown_call_back(struct set *set)
{
    while (set->cell_count != 0) {
        struct cell *cell = set->cells[--set->cell_count];
        struct arca_weak *weak;
        while ((weak = cell_next_watcher(cell)) != NULL) {
            if (!load_rlx(&weak->severed))
                weak->callback(weak, weak->data);
            arca_release(weak);
        }
        arca_release(cell);
        fiber_rest_sometimes(set->cell_count);
    }
}

ARCA_INLINE void clear_member_slot(arca_slot *slot, void *set)
{
    void *object = load_rlx(slot_word(slot));
    if (object == NULL)
        return;
    store_rlx(slot_word(slot), NULL);
    if (!set_has(set, object))
        arca_release(object);
}

ARCA_INLINE void count_filled(arca_slot *slot, void *filled)
{
    *(uint32_t *)filled += load_rlx(slot_word(slot)) != NULL;
}

/* A put leaves no trace in the words, and may give away the last unit that kept its slot's owner. */
ARCA_INLINE bool was_filled_since(const struct set *set, size_t rank, const arca_type *type)
{
    uint32_t filled = 0;
    type_visit(type, set->objects[rank], count_filled, &filled);
    return filled != set->first_edge[rank + 1] - set->first_edge[rank];
}

ARCA_INLINE bool refers_to_dropped(const struct set *set, size_t rank)
{
    for (uint32_t e = set->first_edge[rank]; e < set->first_edge[rank + 1]; e++) {
        uint32_t index = set->edges[e];
        if (!(*set_lost(set, index) & index_bit(index)))
            return true;
    }
    return false;
}

ARCA_INLINE bool refers_to_members_only(const struct set *set, size_t rank)
{
    return !set->outward[rank] && (set->members == set->size || !refers_to_dropped(set, rank));
}

/* One that refers to nothing but members needs no look at whom its slots hold: what is freed with them is forgotten. */
ARCA_INLINE void end_member(struct set *set, size_t rank)
{
    void *object = set->objects[rank];
    const arca_type *type = type_of(object);
    if (!refers_to_members_only(set, rank) || type->destroy != NULL || unlikely(was_filled_since(set, rank, type)))
        type_visit(type, object, clear_member_slot, set);
    if (type->destroy != NULL)
        type->destroy(object);
    store_rlx(word_of(object), load_rlx(word_of(object)) & ~(uint64_t)WORD_LOW);
}

/* So many blocks go at once. */
#define RUN 64

static void free_run(struct object_batch *batch, void **blocks, size_t count)
{
    if (likely(!debug_is_on())) {
        object_batch_free(batch, blocks, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        debug_free(blocks[i]);
}

size_t teardown_free(struct set *set)
{
    struct object_batch batch = { .count = 0 };
    void *run[RUN];
    size_t count = 0;
    set->freeing = true;
    for (size_t i = 0; i < set->size; i++) {
        set_ask_ahead(set->objects, i);
        if (!set->dropped[i]) {
            end_member(set, i);
            run[count++] = set->objects[i];
        }
        if (count == RUN || i == set->size - 1) {
            free_run(&batch, run, count);
            count = 0;
        }
        if (unlikely(i % DRAIN_EVERY == 0))
            finder_drain(NULL);
        fiber_rest_sometimes(i);
    }
    object_batch_end(&batch);
    return set->members;
}

ARCA_INLINE void forget_slot(arca_slot *slot, void *unused)
{
    (void)unused;
    store_rlx(slot_word(slot), NULL);
}

/* What has still the word with which it was certified is neither freed nor born again. */
void teardown_fork_child(const struct set *set)
{
    if (!set->freeing)
        return;
    for (size_t i = 0; i < set->size; i++) {
        void *object = set->objects[i];
        if (!set->dropped[i] && load_rlx(word_of(object)) == set->words[i])
            type_visit(type_of(object), object, forget_slot, NULL);
    }
}
