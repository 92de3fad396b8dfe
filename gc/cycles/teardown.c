/* Tearing down. */
#include "gc/cycles/teardown.h"

#include "gc/cycles/certifier.h"
#include "gc/cycles/finder.h"
#include "gc/objects/cell.h"
#include "gc/objects/debug.h"
#include "gc/objects/fiber.h"
#include "gc/objects/keeper.h"
#include "gc/objects/recall.h"

#include <string.h>

static bool finalize_due(const void *object)
{
    return type_of(object)->finalize != NULL && !(load_rlx(word_of(object)) & WORD_FINALIZED);
}

/* A unit of each member, so that none is freed by what the finalizers of others do.  Which they are; NULL without memory. */
static uint64_t *hold_members(const struct set *set)
{
    size_t bytes = (set->part.end - set->part.first) / 64 * sizeof(uint64_t);
    uint64_t *held = arca_malloc(bytes);
    if (held == NULL)
        return NULL;
    memcpy(held, set->lost, bytes);
    for (struct pass pass = set_pass(set, held); pass_next(&pass);) {
        for (uint64_t bits = pass.group.objects; bits != 0; bits &= bits - 1)
            add_rlx(word_of(group_object(&pass.group, bits)), WORD_VERSION + WORD_ONE);
    }
    return held;
}

static void run_finalizers(const struct set *set, const uint64_t *held)
{
    for (struct pass pass = set_pass(set, held); pass_next(&pass);) {
        for (uint64_t bits = pass.group.objects; bits != 0; bits &= bits - 1) {
            void *object = group_object(&pass.group, bits);
            if (finalize_due(object)) {
                or_rlx(word_of(object), WORD_FINALIZED);
                type_of(object)->finalize(object);
            }
        }
        finder_drain(NULL);
        fiber_rest();
    }
}

bool teardown_finalize(struct set *set)
{
    if (set->members == 0 || !set->finalize_due)
        return true;
    set->scope->notes_hold = false;
    uint64_t *held = hold_members(set);
    if (held == NULL)
        return false;
    run_finalizers(set, held);
    reserve_recall(); /* what they have used is not used any more */
    bool proved = certifier_run(set, 1);
    for (struct pass pass = set_pass(set, held); pass_next(&pass);) {
        uint64_t given_back = proved ? pass.group.objects & ~*set_lost(set, pass.group.index) : pass.group.objects;
        for (; given_back != 0; given_back &= given_back - 1)
            unit_release(group_object(&pass.group, given_back));
        fiber_rest();
    }
    arca_free(held);
    return proved;
}

void teardown_call_back(struct set *set)
{
    while (set->cell_count != 0) {
        set->scope->notes_hold = false;
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

/* What was found in another part has another word from now on. */
ARCA_INLINE void clear_member_slot(arca_slot *slot, void *context)
{
    struct set *set = context;
    void *object = load_rlx(slot_word(slot));
    if (object == NULL)
        return;
    store_rlx(slot_word(slot), NULL);
    if (set_has(set, object))
        return;
    uint32_t index = scope_index(set->scope, object);
    if (index != NO_INDEX && (set->scope->found[index / 64] & index_bit(index)))
        set->scope->notes_hold = false;
    unit_release(object);
}

ARCA_INLINE void count_filled(arca_slot *slot, void *filled)
{
    *(uint32_t *)filled += load_rlx(slot_word(slot)) != NULL;
}

/* A member, and the edges that the scan saw. */
struct ending {
    void *object;
    const uint32_t *first_edge;
    bool outward;
};

/* A put leaves no trace in the words, and may give away the last unit that kept its slot's owner. */
ARCA_INLINE bool was_filled_since(const struct ending *ending, const arca_type *type)
{
    uint32_t filled = 0;
    type_visit(type, ending->object, count_filled, &filled);
    return filled != ending->first_edge[1] - ending->first_edge[0];
}

ARCA_INLINE bool refers_to_dropped(const struct set *set, const struct ending *ending)
{
    for (uint32_t e = ending->first_edge[0]; e < ending->first_edge[1]; e++) {
        uint32_t index = set->edges[e];
        if (!(*set_lost(set, index) & index_bit(index)))
            return true;
    }
    return false;
}

ARCA_INLINE bool refers_to_members_only(const struct set *set, const struct ending *ending)
{
    return !ending->outward && (set->members == set->size || !refers_to_dropped(set, ending));
}

ARCA_INLINE void end_word(void *object)
{
    store_rlx(word_of(object), load_rlx(word_of(object)) & ~(uint64_t)WORD_LOW);
}

/* Dead to whoever asks, as one that dies of its last release: a destroy that takes a unit of it, or binds to it, is told. */
ARCA_INLINE void end_count(void *object)
{
    store_rlx(word_of(object), load_rlx(word_of(object)) & ~WORD_COUNT);
}

/* One that refers to nothing but members needs no look at whom its slots hold: what is freed with them is forgotten. */
ARCA_INLINE void end_member(struct set *set, const struct ending *ending)
{
    void *object = ending->object;
    const arca_type *type = type_of(object);
    if (!refers_to_members_only(set, ending) || type->destroy != NULL || unlikely(was_filled_since(ending, type)))
        type_visit(type, object, clear_member_slot, set);
    if (type->destroy != NULL) {
        end_count(object);
        type->destroy(object);
        end_word(object); /* at once: a fork may leave the others of its pool as they are */
    }
}

static void free_run(struct object_batch *batch, void **blocks, size_t count)
{
    if (likely(!debug_is_on())) {
        object_batch_free(batch, blocks, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        debug_free(blocks[i]);
}

/* with_pool: their words are none any more. */
ARCA_INLINE void free_members(struct set *set, const struct pass *pass, struct object_batch *batch, bool with_pool)
{
    void *run[64];
    size_t count = 0;
    uint64_t outward = *set_outward(set, pass->group.index);
    const uint32_t *first_edge = scope_first_edge(set->scope, pass->group.note);
    for (uint64_t bits = pass->group.noted; bits != 0; bits &= bits - 1, first_edge++) {
        if (!(pass->group.objects & bits & -bits))
            continue;
        struct ending ending = { group_object(&pass->group, bits), first_edge, (outward & bits & -bits) != 0 };
        end_member(set, &ending);
        if (!with_pool)
            end_word(run[count] = ending.object);
        count++;
    }
    keeper_freed.blocks += (int64_t)count;
    keeper_freed.bytes += (int64_t)(count * span_block_bytes(pass->scope->spans[pass->at.span]));
    if (!with_pool)
        free_run(batch, run, count);
}

/* All blocks of the span that the pass has come to: none is free, born meanwhile, or reached by a load under way (§5), so that
 * nobody but the pool's holder has to be told, and no word to be written. */
static bool pool_is_lost(const struct set *set, const struct pass *pass)
{
    const struct span *span = pass->scope->spans[pass->at.span];
    uint32_t first = pass->at.first, members = 0;
    if (!set->by_pools || pass->group.index != first || load_rlx(&span->kind) != SPAN_POOL || debug_is_on())
        return false;
    for (uint32_t base = 0; base < span->capacity && members == base; base += 64)
        members += bits_count(*set_lost(set, first + base));
    return members == span->capacity;
}

/* Where the pass has come to its end.  teardown_fork_child knows by the word that the first block's kind is a link. */
static void free_pool_at_end(const struct pass *pass)
{
    struct span *span = pass->scope->spans[pass->at.span];
    if (pass->group.index + 64 < pass->at.first + span->capacity)
        return;
    end_word(span_block(span, 0));
    object_free_pool(span);
}

size_t teardown_free(struct set *set)
{
    struct object_batch batch = { .count = 0 };
    size_t lost_span = SIZE_MAX; /* whose pool goes as such */
    set->freeing = true;
    for (struct pass pass = set_pass(set, set->lost); pass_next(&pass);) {
        if (pool_is_lost(set, &pass))
            lost_span = pass.at.span;
        if (lost_span == pass.at.span) {
            free_members(set, &pass, &batch, true);
            free_pool_at_end(&pass);
        } else {
            free_members(set, &pass, &batch, false);
        }
        if (pass_may_rest(&pass, FIBER_LOOK_EVERY)) {
            finder_drain(NULL);
            fiber_rest();
        }
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
    for (struct pass pass = set_pass(set, set->lost); pass_next(&pass);) {
        const uint64_t *word = scope_word(set->scope, pass.group.note);
        for (uint64_t bits = pass.group.noted; bits != 0; bits &= bits - 1, word++) {
            void *object = group_object(&pass.group, bits);
            if ((pass.group.objects & bits & -bits) != 0 && load_rlx(word_of(object)) == *word)
                type_visit(type_of(object), object, forget_slot, NULL);
        }
    }
}
