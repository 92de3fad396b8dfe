/* Tearing down. */
#include "gc/cycles/teardown.h"

#include "gc/objects/cell.h"
#include "gc/objects/debug.h"

static bool finalize_due(const void *object)
{
    return type_of(object)->finalize != NULL && !(load_rlx(word_of(object)) & WORD_FINALIZED);
}

static bool any_finalize_due(const struct set *set)
{
    for (size_t i = 0; i < set->size; i++) {
        if (!set->dropped[i] && finalize_due(set->objects[i]))
            return true;
    }
    return false;
}

bool teardown_finalize(struct set *set)
{
    if (set->members == 0 || !any_finalize_due(set))
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
    for (size_t i = 0; i < set->cell_count; i++) {
        struct arca_weak *weak;
        while ((weak = cell_next_watcher(set->cells[i])) != NULL) {
            if (!load_rlx(&weak->severed))
                weak->callback(weak, weak->data);
            arca_release(weak);
        }
        arca_release(set->cells[i]);
    }
    set->cell_count = 0;
}

ARCA_INLINE void clear_member_slot(arca_slot *slot, void *context)
{
    void *object = load_rlx(slot_word(slot));
    if (object == NULL)
        return;
    store_rlx(slot_word(slot), NULL);
    if (!set_has(context, object))
        arca_release(object);
}

size_t teardown_free(struct set *set)
{
    for (size_t i = 0; i < set->size; i++) {
        if (set->dropped[i])
            continue;
        const arca_type *type = type_of(set->objects[i]);
        type_visit(type, set->objects[i], clear_member_slot, set);
        if (type->destroy != NULL)
            type->destroy(set->objects[i]);
    }
    for (size_t i = 0; i < set->size; i++) {
        if (set->dropped[i])
            continue;
        void *object = set->objects[i];
        store_rlx(word_of(object), load_rlx(word_of(object)) & ~(uint64_t)WORD_LOW);
        if (unlikely(debug_is_on()))
            debug_free_late(object);
        else
            object_free(object);
    }
    return set->members;
}
