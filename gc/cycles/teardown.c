/* Tearing down. */
#include "gc/cycles/teardown.h"

#include "gc/objects/cell.h"
#include "gc/objects/debug.h"

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
    }
    bool proved = certifier_run(set, 1);
    for (size_t i = 0; i < set->size; i++) {
        if (held[i] && (set->dropped[i] || !proved))
            arca_release(set->objects[i]);
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

static void clear_member(struct set *set, size_t index)
{
    void *object = set->objects[index];
    type_visit(type_of(object), object, clear_member_slot, set);
}

static void free_member(void *object, struct object_batch *batch)
{
    const arca_type *type = type_of(object);
    if (type->destroy != NULL)
        type->destroy(object);
    store_rlx(word_of(object), load_rlx(word_of(object)) & ~(uint64_t)WORD_LOW);
    if (unlikely(debug_is_on()))
        debug_free_late(object);
    else
        object_batch_free(batch, object);
}

/* All slots before any destroy: what a fork catches in between looks held for ever to the child, and is not destroyed
 * there a second time. */
size_t teardown_free(struct set *set)
{
    for (size_t i = 0; i < set->size; i++) {
        if (!set->dropped[i])
            clear_member(set, i);
    }
    struct object_batch batch = { .count = 0 };
    for (size_t i = 0; i < set->size; i++) {
        if (!set->dropped[i])
            free_member(set->objects[i], &batch);
    }
    object_batch_end(&batch);
    return set->members;
}
