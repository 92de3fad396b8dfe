/* Slot operations against each other. */
#include "model.h"

#include "gc/objects/epoch.h"
#include "gc/objects/header.h"

static struct thing *owner, *other_owner, *first, *second, *third;
static struct thing *got[SCHEDULE_THREADS];

static void drop(struct thing **thing)
{
    arca_release(*thing);
    *thing = NULL;
}

/* owner.slot holds thing 1, alone. */
static void one_in_the_slot(void)
{
    model_begin();
    owner = thing_new(0);
    first = second = third = other_owner = NULL;
    for (unsigned i = 0; i < SCHEDULE_THREADS; i++)
        got[i] = NULL;
    arca_slot_put(&owner->slot, thing_new(1));
}

/* … and thing 2 in hand. */
static void one_in_the_slot_one_in_hand(void)
{
    one_in_the_slot();
    second = thing_new(2);
}

/* … and thing 3 as well. */
static void one_in_the_slot_two_in_hand(void)
{
    one_in_the_slot_one_in_hand();
    third = thing_new(3);
}

static void drop_all(void)
{
    for (unsigned i = 0; i < SCHEDULE_THREADS; i++)
        drop(&got[i]);
    drop(&first);
    drop(&second);
    drop(&third);
    drop(&other_owner);
    drop(&owner);
    model_end();
}

static void load(void)
{
    struct thing *thing = arca_slot_load(&owner->slot);
    EXPECT(thing == NULL || thing->id == 1 || thing->id == 2);
    got[schedule_self()] = thing;
}

/* ---- reuse ------------------------------------------------------------------------------------------------- */

static void store_second_and_reuse(void)
{
    arca_slot_store(&owner->slot, second);
    third = thing_new(3); /* in the block of the first */
}

static void check_reuse(void)
{
    EXPECT(lives[1].destroyed == (got[0] == NULL || got[0]->id != 1));
    drop_all();
    EXPECT(lives[1].destroyed && lives[2].destroyed && lives[3].destroyed);
}

SCENARIO(slot, load_never_returns_what_lives_in_the_block_of_what_it_read, .setup = one_in_the_slot_one_in_hand,
         .body = { load, store_second_and_reuse }, .check = check_reuse, .preemptions = 4, .variants = LOOKS);

SCENARIO(slot, two_loads_and_a_reuse, .setup = one_in_the_slot_one_in_hand,
         .body = { load, store_second_and_reuse, load }, .check = drop_all, .preemptions = 3);

/* The block comes back to the same slot as another object. */
static void store_away_and_back(void)
{
    arca_slot_clear(&owner->slot);
    third = thing_new(2);
    arca_slot_store(&owner->slot, third);
}

SCENARIO(slot, load_of_a_block_that_came_back_counts_what_is_there, .setup = one_in_the_slot,
         .body = { load, store_away_and_back }, .check = drop_all, .preemptions = 4, .variants = LOOKS);

/* ---- load, take ---------------------------------------------------------------------------------------------- */

static void check_two_loads(void)
{
    EXPECT(got[0] == got[1] && got[0] != NULL && thing_count(got[0]) == 3);
    drop_all();
}

SCENARIO(slot, two_loads_get_a_unit_each, .setup = one_in_the_slot, .body = { load, load }, .check = check_two_loads,
         .preemptions = 4, .variants = LOOKS);

static void take_and_drop(void)
{
    struct thing *thing = arca_slot_take(&owner->slot);
    EXPECT(thing == NULL || thing->id == 1 || thing->id == 2);
    arca_release(thing);
}

static void check_taken(void)
{
    EXPECT(arca_slot_borrow(&owner->slot) == NULL);
    EXPECT(lives[1].destroyed == (got[0] == NULL));
    drop_all();
}

SCENARIO(slot, load_revives_nothing_that_take_let_die, .setup = one_in_the_slot, .body = { load, take_and_drop },
         .check = check_taken, .preemptions = 4, .variants = LOOKS);

SCENARIO(slot, two_takes_share_no_unit, .setup = one_in_the_slot, .body = { take_and_drop, take_and_drop },
         .check = check_taken, .preemptions = 4);

/* ---- exchange ------------------------------------------------------------------------------------------------- */

static void exchange_second(void)
{
    got[schedule_self()] = arca_slot_exchange(&owner->slot, arca_retain(second));
}

static void exchange_third(void)
{
    got[schedule_self()] = arca_slot_exchange(&owner->slot, arca_retain(third));
}

static void check_two_exchanges(void)
{
    struct thing *there = arca_slot_borrow(&owner->slot), *out = there == second ? third : second;
    EXPECT(there == second || there == third);
    EXPECT((got[0]->id == 1 && got[1] == out) || (got[0] == out && got[1]->id == 1));
    EXPECT(thing_count(second) == 2 && thing_count(third) == 2 && lives[1].destroyed == 0);
    drop_all();
}

SCENARIO(slot, two_exchanges_share_no_unit, .setup = one_in_the_slot_two_in_hand, .body = { exchange_second, exchange_third },
         .check = check_two_exchanges, .preemptions = 4);

static void take(void)
{
    got[schedule_self()] = arca_slot_take(&owner->slot);
}

static void check_exchange_and_take(void)
{
    bool taken_first = arca_slot_borrow(&owner->slot) == second;
    EXPECT(taken_first ? got[0] == NULL && got[1]->id == 1 : got[0]->id == 1 && got[1] == second);
    EXPECT(thing_count(second) == 2 && lives[1].destroyed == 0);
    drop_all();
}

SCENARIO(slot, an_exchange_and_a_take_share_no_unit, .setup = one_in_the_slot_one_in_hand, .body = { exchange_second, take },
         .check = check_exchange_and_take, .preemptions = 4);

static void store_third_over(void)
{
    arca_slot_store(&owner->slot, third);
}

static void check_exchange_and_store(void)
{
    bool stored_last = arca_slot_borrow(&owner->slot) == third;
    EXPECT(stored_last ? got[0]->id == 1 && lives[1].destroyed == 0 : got[0] == third && lives[1].destroyed == 1);
    EXPECT(thing_count(second) == 1u + !stored_last && thing_count(third) == 2);
    drop_all();
}

SCENARIO(slot, an_exchange_and_a_store_share_no_unit, .setup = one_in_the_slot_two_in_hand,
         .body = { exchange_second, store_third_over }, .check = check_exchange_and_store, .preemptions = 4);

/* The block of what comes out is another thing's at once. */
static void exchange_and_reuse(void)
{
    arca_release(arca_slot_exchange(&owner->slot, arca_retain(second)));
    third = thing_new(3);
}

SCENARIO(slot, load_never_returns_what_lives_in_the_block_of_what_was_exchanged, .setup = one_in_the_slot_one_in_hand,
         .body = { load, exchange_and_reuse }, .check = check_reuse, .preemptions = 4, .variants = LOOKS);

/* ---- store --------------------------------------------------------------------------------------------------- */

static void store_second(void)
{
    arca_slot_store(&owner->slot, second);
}

static void store_third(void)
{
    arca_slot_store(&owner->slot, third);
}

static void check_two_stores(void)
{
    void *there = arca_slot_borrow(&owner->slot);
    EXPECT(lives[1].destroyed == 1);
    EXPECT(there == second || there == third);
    EXPECT(thing_count(second) == 1u + (there == second) && thing_count(third) == 1u + (there == third));
    drop_all();
}

SCENARIO(slot, the_later_of_two_stores_stays, .setup = one_in_the_slot_two_in_hand, .body = { store_second, store_third },
         .check = check_two_stores, .preemptions = 4);

static void store_second_and_drop(void)
{
    arca_slot_store(&owner->slot, second);
    EXPECT(second->id == 2);
    drop(&second);
}

SCENARIO(slot, what_is_stored_has_its_unit_before_it_can_be_taken, .setup = one_in_the_slot_one_in_hand,
         .body = { store_second_and_drop, take_and_drop }, .check = drop_all, .preemptions = 4);

SCENARIO(slot, store_take_and_load_at_once, .setup = one_in_the_slot_one_in_hand,
         .body = { store_second_and_drop, take_and_drop, load }, .check = drop_all, .preemptions = 3);

/* The slot's unit is the last: the loader's copy outlives it, or it sees the next. */
static void store_null(void)
{
    arca_slot_store(&owner->slot, NULL);
}

static void load_and_drop(void)
{
    struct thing *thing = arca_slot_load(&owner->slot);
    EXPECT(thing == NULL || thing->id == 1);
    arca_release(thing);
}

static void check_died_once(void)
{
    EXPECT(lives[1].destroyed == 1);
    drop_all();
}

SCENARIO(slot, the_last_of_three_lets_it_die, .setup = one_in_the_slot, .body = { load_and_drop, store_null, load_and_drop },
         .check = check_died_once, .preemptions = 3);

/* ---- copies and moves ------------------------------------------------------------------------------------------- */

static void two_owners(void)
{
    one_in_the_slot();
    other_owner = thing_new(4);
}

/* It dies of the one slot while it is stored into the other. */
static void copy_to_other(void)
{
    struct thing *thing = arca_slot_load(&owner->slot);
    EXPECT(thing == NULL || thing->id == 1);
    arca_slot_store(&other_owner->slot, thing);
    arca_release(thing);
}

static void check_copied_or_dead(void)
{
    struct thing *copied = arca_slot_borrow(&other_owner->slot);
    EXPECT(copied == NULL ? lives[1].destroyed == 1 : lives[1].destroyed == 0 && thing_count(copied) == 1);
    drop_all();
}

SCENARIO(slot, what_dies_is_stored_elsewhere_whole_or_not_at_all, .setup = two_owners, .body = { copy_to_other, store_null },
         .check = check_copied_or_dead, .preemptions = 4, .variants = LOOKS);

static void move(void)
{
    arca_slot_put(&other_owner->slot, arca_slot_take(&owner->slot));
}

static void load_other(void)
{
    struct thing *thing = arca_slot_load(&other_owner->slot);
    EXPECT(thing == NULL || thing->id == 1);
    got[schedule_self()] = thing;
}

static void check_moved(void)
{
    struct thing *thing = arca_slot_borrow(&other_owner->slot);
    EXPECT(thing != NULL && thing_count(thing) == 1u + (got[1] != NULL) + (got[2] != NULL));
    drop_all();
}

SCENARIO(slot, a_move_is_read_at_either_place_or_none, .setup = two_owners, .body = { move, load, load_other },
         .check = check_moved, .preemptions = 3, .variants = LOOKS);

/* What a certification does with one object: its word, the slots that hold it, its word again. */
static void count_between_two_readings(void)
{
    uint64_t before = load_acq(word_of(first));
    unsigned found = (load_acq(slot_word(&owner->slot)) == first) + (load_acq(slot_word(&other_owner->slot)) == first);
    if (load_acq(word_of(first)) == before)
        EXPECT(found <= word_count(before));
}

static void two_owners_one_known(void)
{
    two_owners();
    first = arca_slot_borrow(&owner->slot);
}

static void check_known(void)
{
    first = NULL;
    drop_all();
}

SCENARIO(slot, a_unit_that_is_found_at_two_places_shows_in_the_word, .setup = two_owners_one_known,
         .body = { move, count_between_two_readings }, .check = check_known, .preemptions = 4);

/* The same for a plain permutation of an object's own slots: the owner's word shows it. */
static void permute(void)
{
    arca_edit_begin(owner);
    void *moved = load_rlx(slot_word(&owner->slot));
    store_rlx(slot_word(&owner->other), moved);
    store_rlx(slot_word(&owner->slot), NULL);
    arca_edit_end(owner);
}

static void certify_owner(void)
{
    uint64_t before = load_acq(word_of(owner));
    unsigned found = (load_acq(slot_word(&owner->slot)) == first) + (load_acq(slot_word(&owner->other)) == first);
    epoch_wait();
    if (load_acq(word_of(owner)) == before)
        EXPECT(found == 1);
}

static void load_both(void)
{
    load();
    drop(&got[schedule_self()]);
    got[schedule_self()] = arca_slot_load(&owner->other);
    EXPECT(got[schedule_self()] == NULL || got[schedule_self()]->id == 1);
}

static void check_edited(void)
{
    EXPECT(arca_slot_borrow(&owner->slot) == NULL && arca_slot_borrow(&owner->other) == first);
    EXPECT(thing_count(first) == 1u + (got[1] != NULL));
    check_known();
}

SCENARIO(slot, an_edit_loses_nothing_that_is_read_meanwhile, .setup = two_owners_one_known, .body = { permute, load_both },
         .check = check_edited, .preemptions = 4, .variants = LOOKS);

SCENARIO(slot, an_edit_shows_in_its_owners_word_after_a_grace_period, .setup = two_owners_one_known,
         .body = { permute, certify_owner }, .check = check_known, .preemptions = 4);

static void swap(void)
{
    arca_slot_swap(&owner->slot, &other_owner->slot);
}

static void load_two(void)
{
    load();
    struct thing *thing = arca_slot_load(&other_owner->slot);
    arca_release(thing);
}

static void two_full_owners(void)
{
    two_owners();
    arca_slot_put(&other_owner->slot, thing_new(2));
}

static void check_swapped(void)
{
    EXPECT(((struct thing *)arca_slot_borrow(&owner->slot))->id == 2);
    EXPECT(((struct thing *)arca_slot_borrow(&other_owner->slot))->id == 1);
    drop_all();
}

SCENARIO(slot, a_swap_loses_nothing_that_is_read_meanwhile, .setup = two_full_owners, .body = { swap, load_two },
         .check = check_swapped, .preemptions = 4, .variants = LOOKS);

static void two_full_owners_one_known(void)
{
    two_full_owners();
    first = arca_slot_borrow(&other_owner->slot);
}

static void check_swapped_known(void)
{
    first = NULL;
    check_swapped();
}

SCENARIO(slot, a_swap_shows_in_the_words, .setup = two_full_owners_one_known, .body = { swap, count_between_two_readings },
         .check = check_swapped_known, .preemptions = 4);

/* ---- many ------------------------------------------------------------------------------------------------------ */

static void mix(void)
{
    unsigned self = (unsigned)schedule_self();
    for (unsigned round = 0; round < 3; round++) {
        struct thing *mine = thing_new(4 + 3 * self + round);
        if ((round + self) % 2 == 0)
            arca_slot_store(&owner->slot, mine);
        else
            arca_release(arca_slot_exchange(&owner->slot, arca_retain(mine)));
        struct thing *seen = arca_slot_load(&owner->slot);
        EXPECT(seen != NULL && (seen->id == 1 || (seen->id >= 4 && seen->id < 13)));
        arca_release(seen);
        arca_release(mine);
    }
}

static void check_mix(void)
{
    drop_all();
    EXPECT(lives[1].destroyed);
    for (unsigned i = 4; i < 13; i++)
        EXPECT(lives[i].destroyed);
}

SCENARIO(slot, stores_exchanges_and_loads_of_three_threads, .setup = one_in_the_slot, .body = { mix, mix, mix },
         .check = check_mix, .walks = 20000);
