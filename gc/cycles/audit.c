/*
 * Proving it, as the certifier does: words, then slots, then a grace period (for edits) and the words again.  Where
 * neither the object's word nor one of its holders' has changed, every slot that was seen should have had a unit.
 */
#include "gc/cycles/audit.h"

#include "base/log.h"
#include "gc/objects/epoch.h"
#include "gc/objects/fiber.h"

/* Of each collection so many objects are looked at; one that has more holders is believed. */
#define SUSPECTS 8
#define HOLDERS 64

/* An object as it was when the words were read; one that was dead then has no type. */
struct witness {
    void *object;
    uint64_t word;
    const arca_type *type;
};

struct audit {
    struct witness suspect;
    size_t slots; /* that hold it */
    unsigned holder_count;
    struct witness holders[HOLDERS];
};

static void count_suspect_slot(arca_slot *slot, void *context)
{
    struct audit *audit = context;
    audit->slots += load_acq(slot_word(slot)) == audit->suspect.object; /* P:slot acquire: with every store into it */
}

/* Calls see for each object of the scope. */
static void walk_scope(struct scope *scope, void (*see)(void *object, uint32_t index, void *context), void *context)
{
    uint32_t index = 0;
    for (size_t s = 0; s < scope->count; s++) {
        const struct span *span = scope->spans[s];
        uint32_t first = index, end = first + span_indices(span);
        for (; index < end; index += 64) {
            for (uint64_t bits = scope->found[index / 64]; bits != 0; bits &= bits - 1)
                see(span_block(span, index + bits_lowest(bits) - first), index + bits_lowest(bits), context);
        }
        fiber_rest();
    }
}

static void find_holder(void *object, uint32_t index, void *context)
{
    struct audit *audit = context;
    struct scope_kind seen = { 0, NULL };
    uint64_t word;
    size_t before = audit->slots;
    const arca_type *type = scope_look(object, &word, &seen);
    (void)index;
    if (type != NULL)
        type_visit(type, object, count_suspect_slot, audit);
    if (audit->slots != before && audit->holder_count < HOLDERS)
        audit->holders[audit->holder_count++].object = object;
}

static void read_witness(struct witness *witness)
{
    struct scope_kind seen = { 0, NULL };
    witness->type = scope_look(witness->object, &witness->word, &seen);
}

static bool is_as_before(const struct witness *witness)
{
    return witness->type == NULL || load_acq(word_of(witness->object)) == witness->word; /* P:touch acquire: with word_touch */
}

static void read_witnesses(struct audit *audit)
{
    read_witness(&audit->suspect);
    for (unsigned i = 0; i < audit->holder_count; i++)
        read_witness(&audit->holders[i]);
}

static void count_suspect_slots(struct audit *audit)
{
    audit->slots = 0;
    for (unsigned i = 0; i < audit->holder_count; i++) {
        if (audit->holders[i].type != NULL)
            type_visit(audit->holders[i].type, audit->holders[i].object, count_suspect_slot, audit);
    }
}

static bool all_are_as_before(const struct audit *audit)
{
    bool same = is_as_before(&audit->suspect);
    for (unsigned i = 0; i < audit->holder_count && same; i++)
        same = is_as_before(&audit->holders[i]);
    return same;
}

static void wait_for_edits(void)
{
    bool private = fiber_set_private(true);
    fiber_rest();
    epoch_wait();
    fiber_set_private(private);
}

static void audit_object(struct scope *scope, void *object)
{
    struct audit audit = { .suspect = { .object = object } };
    const struct witness *suspect = &audit.suspect, *holder = &audit.holders[0];
    walk_scope(scope, find_holder, &audit);
    read_witnesses(&audit);
    count_suspect_slots(&audit);
    if (suspect->type == NULL || audit.slots <= word_count(suspect->word))
        return;
    wait_for_edits();
    if (all_are_as_before(&audit))
        log_abort("gc: %p '%s': %zu slots hold it, but its count is %u (one was copied as memory?), as in %p '%s'", object,
                  suspect->type->name, audit.slots, word_count(suspect->word), holder->object, holder->type->name);
}

struct suspects {
    const struct scope *scope;
    const struct carries *carries;
    unsigned count;
    void *objects[SUSPECTS];
};

static void find_suspect(void *object, uint32_t index, void *context)
{
    struct suspects *suspects = context;
    if (suspects->count < SUSPECTS && carry_sum(suspects->carries, suspects->scope->units, index) < 0)
        suspects->objects[suspects->count++] = object;
}

void audit_counts(struct scope *scope, const struct carries *carries)
{
    struct suspects suspects = { scope, carries, 0, { NULL } };
    walk_scope(scope, find_suspect, &suspects);
    for (unsigned i = 0; i < suspects.count; i++)
        audit_object(scope, suspects.objects[i]);
}
