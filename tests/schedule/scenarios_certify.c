/*
 * The collector beside threads that use what it looks at: first certification alone, of a set that is proposed to it, then
 * whole collections.
 */
#include "model.h"

#include "arca/gc.h"
#include "gc/cycles/certifier.h"
#include "gc/cycles/collector.h"
#include "gc/cycles/teardown.h"
#include "gc/objects/header.h"

static struct thing *owner, *a, *b, *c, *got, *reborn[2];
static arca_weak *weak;
static unsigned plain_count;
static size_t certified; /* members of the set that were proved garbage, and freed */

static void begin(void)
{
    model_begin();
    owner = thing_new(0);
    a = b = c = got = reborn[0] = reborn[1] = NULL;
    weak = NULL;
    certified = 0;
}

static void drop(void *pointer)
{
    void **variable = pointer;
    arca_release(*variable);
    *variable = NULL;
}

/* What is garbage now goes; then nothing is left. */
static void end(void)
{
    drop(&owner);
    drop(&got);
    drop(&weak);
    drop(&reborn[0]);
    drop(&reborn[1]);
    EXPECT(arca_gc_collect(2) >= 0);
    for (unsigned id = 1; id < 4; id++)
        EXPECT(lives[id].destroyed == 1);
    model_end();
}

static void propose(struct scope *scope, const void *object)
{
    uint32_t index = scope_index(scope, object);
    scope->found[index / 64] |= index_bit(index);
}

/* What a collection does with what its finder proposes.  a is looked at first: then only the last reading of its word
 * can tell what happened while b and c were scanned. */
static void certify(void)
{
    struct scope scope;
    struct set set;
    collector_activate();
    EXPECT(scope_open(&scope, GENERATIONS - 1));
    struct part whole = scope_whole(&scope);
    propose(&scope, a);
    propose(&scope, b);
    propose(&scope, c);
    EXPECT(set_open(&set, &scope, &whole) && scope_index(&scope, a) < scope_index(&scope, b));
    EXPECT(certifier_run(&set, 0));
    certified = set.members;
    teardown_call_back(&set);
    if (certified != 0)
        EXPECT(teardown_free(&set) == certified);
    set_close(&set);
    scope_close(&scope);
    collector_deactivate();
}

/* a ⇄ b, a → c, and the unit of a with which it was made. */
static void make_ring(void)
{
    begin();
    a = thing_new(1);
    b = thing_new(2);
    c = thing_new(3);
    arca_slot_put(&a->slot, b);
    arca_slot_put(&a->other, c);
    arca_slot_store(&b->slot, a);
}

/* The same ring, garbage, with a weak reference to a. */
static void make_lost_ring(void)
{
    make_ring();
    weak = arca_weak_bind(a, NULL, NULL);
    arca_release(a);
}

/* ---- units on their way ----------------------------------------------------------------------------------------- */

static void check_held(void)
{
    EXPECT(certified == 0 && lives[1].destroyed + lives[2].destroyed + lives[3].destroyed == 0);
    arca_release(a);
    end();
}

static void move_from_b_to_c(void)
{
    arca_slot_put(&c->slot, arca_slot_take(&b->slot));
}

SCENARIO(certify, a_unit_that_moves_is_not_counted_twice, .setup = make_ring, .body = { certify, move_from_b_to_c },
         .check = check_held, .preemptions = 3);

/* The unit in hand goes into c, and b's goes: as many as before, and another one is in hand. */
static void restore_count(void *another)
{
    arca_slot_put(&c->slot, a);
    arca_slot_clear(&b->slot);
    EXPECT(another == a);
}

static void retain_and_restore_count(void)
{
    restore_count(arca_retain(a));
}

SCENARIO(certify, a_count_that_is_as_before_a_retain_proves_nothing, .setup = make_ring,
         .body = { certify, retain_and_restore_count }, .check = check_held, .preemptions = 3);

static void load_and_restore_count(void)
{
    restore_count(arca_slot_load(&b->slot));
}

SCENARIO(certify, a_count_that_is_as_before_a_load_proves_nothing, .setup = make_ring,
         .body = { certify, load_and_restore_count }, .check = check_held, .preemptions = 3, .variants = LOOKS);

static void store_and_restore_count(void)
{
    arca_slot_store(&c->slot, a);
    arca_slot_clear(&b->slot);
}

SCENARIO(certify, a_count_that_is_as_before_a_store_proves_nothing, .setup = make_ring,
         .body = { certify, store_and_restore_count }, .check = check_held, .preemptions = 3);

static void swap_b_and_c(void)
{
    arca_slot_swap(&b->slot, &c->slot);
}

SCENARIO(certify, a_unit_that_is_swapped_is_not_counted_twice, .setup = make_ring, .body = { certify, swap_b_and_c },
         .check = check_held, .preemptions = 3);

static void exchange_with_c(void)
{
    arca_slot_put(&c->slot, arca_slot_exchange(&b->slot, NULL));
}

SCENARIO(certify, a_unit_that_is_exchanged_is_not_counted_twice, .setup = make_ring, .body = { certify, exchange_with_c },
         .check = check_held, .preemptions = 3);

/* Nobody has it in hand any more, but it stays, and so does what it holds. */
static void make_immortal_and_release(void)
{
    arca_make_immortal(a);
    arca_release(a);
}

static void check_immortal(void)
{
    EXPECT(certified == 0 && lives[1].destroyed + lives[2].destroyed + lives[3].destroyed == 0);
    EXPECT(arca_slot_borrow(&a->slot) == b && arca_slot_borrow(&b->slot) == a && arca_refcount(a) == SIZE_MAX);
}

SCENARIO(certify, who_becomes_immortal_meanwhile_stays, .setup = make_ring, .body = { certify, make_immortal_and_release },
         .check = check_immortal, .preemptions = 3);

static void edit_b(void)
{
    arca_edit_begin(b);
    void *moved = load_rlx(slot_word(&b->slot));
    store_rlx(slot_word(&b->other), moved);
    store_rlx(slot_word(&b->slot), NULL);
    arca_edit_end(b);
}

SCENARIO(certify, a_unit_that_is_moved_by_an_edit_is_not_counted_twice, .setup = make_ring, .body = { certify, edit_b },
         .check = check_held, .preemptions = 3);

/* A thread that gives its unit back, and takes another from the ring before. */
static void load_and_release(void)
{
    got = arca_slot_load(&a->other);
    arca_release(a);
    EXPECT(got->id == 3 && lives[3].destroyed == 0);
}

static void check_freed_or_not(void)
{
    EXPECT(certified == 0 || certified == 2);
    EXPECT(lives[3].destroyed == 0);
    end();
}

SCENARIO(certify, what_is_loaded_from_the_ring_lives_on, .setup = make_ring, .body = { certify, load_and_release },
         .check = check_freed_or_not, .preemptions = 3);

/* The last way in is closed while somebody is on it: he had the pointer, and no unit. */
static void make_ring_in_slot(void)
{
    make_ring();
    arca_slot_put(&owner->slot, a);
}

static void load(void)
{
    got = arca_slot_load(&owner->slot);
    EXPECT(got == NULL || (got->id == 1 && lives[1].destroyed == 0));
}

static void clear_and_certify(void)
{
    arca_slot_clear(&owner->slot);
    certify();
}

static void check_one_has_it(void)
{
    EXPECT(certified == 0 || (certified == 3 && got == NULL));
    end();
}

SCENARIO(certify, a_load_under_way_gets_nothing_that_is_certified, .setup = make_ring_in_slot,
         .body = { load, clear_and_certify }, .check = check_one_has_it, .preemptions = 3, .variants = LOOKS);

/* A block in which an object is lost for ever referred to b, a moment before it is born again. */
static void make_stale(void)
{
    begin();
    a = thing_new(1);
    b = thing_new(2);
    c = thing_new(3);
    arca_release(a);
    lives[1].destroyed = 0;
    a->slot.arca_target = b;
}

static void bear_and_put(void)
{
    struct thing *born = thing_new(1);
    EXPECT(born == a);
    arca_slot_put(&b->slot, born);
}

static void check_nothing_lost(void)
{
    EXPECT(certified == 0 && lives[1].destroyed + lives[2].destroyed + lives[3].destroyed == 0);
    EXPECT(arca_slot_borrow(&b->slot) == a && a->id == 1);
    drop(&b);
    drop(&c);
    end();
}

SCENARIO(certify, what_a_block_held_in_another_life_is_no_reference, .setup = make_stale, .body = { certify, bear_and_put },
         .check = check_nothing_lost, .preemptions = 3);

/* A slot that was empty when it was looked at is filled, and then the last unit of its owner goes into another. */
static const uint32_t plain_slots[] = { offsetof(struct thing, slot), offsetof(struct thing, other) };
static arca_type plain_type = {
    .name = "plain", .size = sizeof(struct thing), .slots = plain_slots, .slot_count = 2, .flags = ARCA_TYPE_IMMORTAL
};

static struct thing *plain_new(void)
{
    struct thing *plain = arca_new(&plain_type);
    lives[plain->id = ++plain_count].destroyed = 1; /* nobody will say so */
    return plain;
}

static void make_plain(void)
{
    begin();
    plain_count = 0;
    a = plain_new();
    b = plain_new();
    c = plain_new();
    arca_slot_store(&b->slot, b);
    arca_slot_store(&c->slot, c);
    arca_release(b);
    arca_release(c);
}

static void fill_and_give_away(void)
{
    arca_slot_put(&a->slot, thing_new(4));
    arca_slot_put(&a->other, a);
}

static void check_released(void)
{
    EXPECT(certified == 2 || (certified == 3 && lives[4].destroyed == 1));
    end();
    EXPECT(lives[4].destroyed == 1);
}

SCENARIO(certify, what_was_put_after_the_scan_is_released, .setup = make_plain, .body = { certify, fill_and_give_away },
         .check = check_released, .preemptions = 3);

/* ---- words that come round ----------------------------------------------------------------------------------------- */

/* Two readings of a word that are 5000 ms apart prove nothing; words are read again after 2500. */
#define FIRST_TOUCHES_MS 2400
#define LAST_TOUCHES_MS 2600
#define SOME_TIME_MS 2500

static uint64_t word_before;

static void make_ring_and_read(void)
{
    make_ring();
    word_before = a->object.arca_word;
}

/* So many that the version is what it was. */
static void come_round(void)
{
    model_pass_ms(LAST_TOUCHES_MS);
    EXPECT(word_count(word_before) == thing_count(a));
    store_rlx(word_of(a), word_before);
}

static void move_and_come_round(void)
{
    word_touch(a);
    model_pass_ms(FIRST_TOUCHES_MS);
    move_from_b_to_c();
    come_round();
}

static void pass_time(void)
{
    model_pass_ms(SOME_TIME_MS);
}

SCENARIO(certify, a_word_that_has_come_round_proves_nothing, .setup = make_ring_and_read, .body = { certify, move_and_come_round },
         .check = check_held, .preemptions = 4);

SCENARIO(certify, nor_does_one_that_was_read_in_between, .setup = make_ring_and_read,
         .body = { certify, move_and_come_round, pass_time }, .check = check_held, .preemptions = 4);

/* ---- weak references ----------------------------------------------------------------------------------------------- */

static void upgrade(void)
{
    got = arca_weak_upgrade(weak);
    EXPECT(got == NULL || (got->id == 1 && lives[1].destroyed == 0));
}

SCENARIO(certify, an_upgrade_or_the_verdict, .setup = make_lost_ring, .body = { upgrade, certify }, .check = check_one_has_it,
         .preemptions = 3, .store_buffers = true, .variants = LOOKS);

static void make_lost_ring_and_read(void)
{
    make_lost_ring();
    word_before = a->object.arca_word;
}

/* The unit in hand instead of that in b's slot. */
static void upgrade_and_come_round(void)
{
    upgrade();
    if (got == NULL)
        return;
    model_pass_ms(FIRST_TOUCHES_MS);
    arca_slot_clear(&b->slot);
    come_round();
}

SCENARIO(certify, a_word_that_has_come_round_before_the_verdict_proves_nothing, .setup = make_lost_ring_and_read,
         .body = { upgrade_and_come_round, certify }, .check = check_one_has_it, .preemptions = 3);

/* b has no weak reference, and is got by way of a. */
static void upgrade_and_load(void)
{
    struct thing *upgraded = arca_weak_upgrade(weak);
    if (upgraded != NULL)
        got = arca_slot_load(&upgraded->slot);
    arca_release(upgraded);
}

static void check_one_has_b(void)
{
    EXPECT(certified == 0 || (certified == 3 && got == NULL));
    EXPECT(got == NULL || lives[2].destroyed == 0);
    end();
}

SCENARIO(certify, an_upgrade_saves_what_it_leads_to, .setup = make_lost_ring, .body = { upgrade_and_load, certify },
         .check = check_one_has_b, .preemptions = 3);

static void bind_release_upgrade(void)
{
    weak = arca_weak_bind(a, NULL, NULL);
    arca_release(a);
    upgrade();
}

SCENARIO(certify, a_cell_that_comes_meanwhile_is_not_missed, .setup = make_ring, .body = { bind_release_upgrade, certify },
         .check = check_one_has_it, .preemptions = 3);

/* ---- deaths ---------------------------------------------------------------------------------------------------------- */

/* b comes after a: a → b, a → c, and no ring. */
static void make_tree(void)
{
    make_ring();
    arca_slot_clear(&b->slot);
}

static void release_and_reuse(void)
{
    arca_release(a);
    for (unsigned i = 0; i < 2; i++)
        reborn[i] = thing_new(4 + i);
}

static void check_dead(void)
{
    EXPECT(certified == 0);
    end();
}

SCENARIO(certify, what_dies_meanwhile_is_neither_read_nor_freed_again, .setup = make_tree, .body = { certify, release_and_reuse },
         .check = check_dead, .preemptions = 3, .store_buffers = true);

/* ---- whole collections ------------------------------------------------------------------------------------------------ */

static long collected[SCHEDULE_THREADS];

static void collect(void)
{
    collected[schedule_self()] = arca_gc_collect(2);
}

static void check_collected_or_upgraded(void)
{
    EXPECT(collected[0] == (got == NULL ? 3 : 0));
    end();
}

SCENARIO(collect, a_lost_ring_is_freed_or_upgraded, .setup = make_lost_ring, .body = { collect, upgrade },
         .check = check_collected_or_upgraded, .preemptions = 3);

static void check_nothing_collected(void)
{
    EXPECT(collected[0] == 0);
    end();
}

SCENARIO(collect, what_dies_meanwhile_is_neither_read_nor_freed_again, .setup = make_tree, .body = { collect, release_and_reuse },
         .check = check_nothing_collected, .preemptions = 2, .store_buffers = true);

static void check_collected_once(void)
{
    EXPECT(collected[0] + collected[1] == 3);
    end();
}

SCENARIO(collect, two_collections_free_it_once, .setup = make_lost_ring, .body = { collect, collect },
         .check = check_collected_once, .preemptions = 2);

static void check_held_by_unit(void)
{
    EXPECT(collected[0] == 0);
    check_held();
}

SCENARIO(collect, a_ring_that_is_held_survives_its_moves, .setup = make_ring, .body = { collect, move_from_b_to_c },
         .check = check_held_by_unit, .preemptions = 3);

/* a's finalizer stores it where another thread finds it. */
static void save(struct thing *thing)
{
    EXPECT(arca_weak_upgrade(weak) == NULL);
    arca_slot_store(&owner->slot, thing);
}

static void make_finalized_ring(void)
{
    begin();
    a = thing_new_finalized(1);
    b = thing_new(2);
    arca_slot_put(&a->slot, b);
    arca_slot_put(&a->other, thing_new(3));
    arca_slot_store(&b->slot, a);
    weak = arca_weak_bind(a, NULL, NULL);
    thing_finalizer = save;
    arca_release(a);
}

static void take_saved(void)
{
    got = arca_slot_take(&owner->slot);
    if (got == NULL)
        return;
    struct thing *next = arca_slot_load(&got->slot);
    EXPECT(got->id == 1 && next != NULL && next->id == 2);
    arca_release(next);
}

static void take_saved_and_drop(void)
{
    take_saved();
    drop(&got);
}

static void check_resurrected(void)
{
    EXPECT(collected[0] == 0 && lives[1].finalized == 1);
    EXPECT(lives[1].destroyed + lives[2].destroyed + lives[3].destroyed == 0);
    EXPECT(arca_weak_upgrade(weak) == NULL);
    end();
    EXPECT(lives[1].finalized == 1);
}

SCENARIO(collect, what_a_finalizer_saves_is_not_freed, .setup = make_finalized_ring, .body = { collect, take_saved },
         .check = check_resurrected, .preemptions = 3);

static void check_saved_or_freed(void)
{
    EXPECT((collected[0] == 3) == (lives[1].destroyed == 1) && lives[1].finalized == 1);
    end();
    EXPECT(lives[1].finalized == 1);
}

SCENARIO(collect, what_is_saved_and_dropped_is_freed_once, .setup = make_finalized_ring, .body = { collect, take_saved_and_drop },
         .check = check_saved_or_freed, .preemptions = 3);

/* ---- everything at once ------------------------------------------------------------------------------------------------ */

/* The ring of make_ring_in_slot() is moved about, entered and left, while it is collected. */
static void move_about(void)
{
    struct thing *ring = arca_slot_load(&owner->slot);
    if (ring == NULL)
        return;
    for (unsigned round = 0; round < 2; round++) {
        arca_slot_put(&c->slot, arca_slot_take(&b->slot));
        arca_slot_put(&b->slot, arca_slot_take(&c->slot));
    }
    EXPECT(ring->id == 1 && b->id == 2 && c->id == 3 && lives[1].destroyed == 0);
    arca_release(ring);
}

static void load_and_clear(void)
{
    load();
    arca_weak *own = arca_weak_bind(got, NULL, NULL);
    arca_slot_clear(&owner->slot);
    drop(&got);
    got = arca_weak_upgrade(own);
    EXPECT(got == NULL || (got->id == 1 && lives[1].destroyed == 0));
    arca_release(own);
}

static void collect_twice(void)
{
    collected[0] = arca_gc_collect(2);
    collected[0] += arca_gc_collect(2);
}

static void check_all(void)
{
    EXPECT(collected[0] == 0 || (collected[0] == 3 && got == NULL));
    end();
}

SCENARIO(collect, moves_loads_upgrades_and_two_collections, .setup = make_ring_in_slot,
         .body = { collect_twice, move_about, load_and_clear }, .check = check_all, .walks = 30000);
