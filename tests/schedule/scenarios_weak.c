/* Weak references against each other, against death, and against a verdict of a collector. */
#include "model.h"

#include "gc/objects/cell.h"
#include "gc/objects/epoch.h"
#include "gc/objects/weak.h"

static struct thing *object, *reborn;
static struct thing *got[SCHEDULE_THREADS];
static arca_weak *weak, *watcher, *bound[SCHEDULE_THREADS];
static unsigned calls;

static void count_call(arca_weak *which, void *data)
{
    EXPECT(which == watcher && data == &calls);
    calls++;
}

/* object is thing 1, with one unit. */
static void begin(void)
{
    model_begin();
    object = thing_new(1);
    reborn = NULL;
    weak = NULL;
    calls = 0;
    for (unsigned i = 0; i < SCHEDULE_THREADS; i++) {
        got[i] = NULL;
        bound[i] = NULL;
    }
}

static void begin_bound(void)
{
    begin();
    weak = arca_weak_bind(object, NULL, NULL);
}

static void begin_with_callback(void)
{
    begin();
    weak = watcher = arca_weak_bind(object, count_call, &calls);
}

static void drop(void *pointer)
{
    void **variable = pointer;
    arca_release(*variable);
    *variable = NULL;
}

static void end(void)
{
    for (unsigned i = 0; i < SCHEDULE_THREADS; i++) {
        drop(&got[i]);
        drop(&bound[i]);
    }
    drop(&object);
    drop(&reborn);
    drop(&weak);
    EXPECT(lives[1].destroyed == 1);
    model_end();
}

static void release(void)
{
    drop(&object);
}

static void upgrade(void)
{
    struct thing *thing = arca_weak_upgrade(weak);
    EXPECT(thing == NULL || thing->id == 1);
    got[schedule_self()] = thing;
}

static void upgrade_and_drop(void)
{
    upgrade();
    drop(&got[schedule_self()]);
}

/* ---- upgrade and death ---------------------------------------------------------------------------------------- */

static void release_and_rebind(void)
{
    release();
    reborn = thing_new(2); /* in the block of thing 1, unless that lives on */
    bound[1] = arca_weak_bind(reborn, NULL, NULL);
}

static void check_upgraded(void)
{
    EXPECT(lives[1].destroyed == (got[0] == NULL));
    end();
}

SCENARIO(weak, upgrade_never_returns_who_was_bound_in_the_same_block, .setup = begin_bound,
         .body = { upgrade, release_and_rebind }, .check = check_upgraded, .preemptions = 4, .variants = LOOKS);

SCENARIO(weak, upgrade_or_death_and_not_both, .setup = begin_bound, .body = { upgrade_and_drop, release, upgrade_and_drop },
         .check = end, .preemptions = 3, .variants = LOOKS);

/* The weak reference itself dies of another's release, and its cell of the object's. */
static void release_weak(void)
{
    drop(&weak);
}

SCENARIO(weak, the_cell_goes_with_the_last_of_object_and_weak, .setup = begin_bound, .body = { release, release_weak },
         .check = end, .preemptions = 4);

/* ---- bind ------------------------------------------------------------------------------------------------------ */

static void bind(void)
{
    bound[schedule_self()] = arca_weak_bind(object, NULL, NULL);
}

static void check_one_cell(void)
{
    EXPECT(bound[0]->cell == bound[1]->cell && thing_count(bound[0]->cell) == 3);
    EXPECT(arca_type_of(object) == &thing_type);
    EXPECT(arca_weak_upgrade(bound[0]) == object && arca_weak_upgrade(bound[1]) == object);
    arca_release(object);
    arca_release(object);
    end();
}

SCENARIO(weak, two_first_binds_share_a_cell, .setup = begin, .body = { bind, bind }, .check = check_one_cell, .preemptions = 4);

static void read_type(void)
{
    EXPECT(arca_type_of(object) == &thing_type);
    EXPECT(arca_type_of(object)->size == sizeof(struct thing));
}

SCENARIO(weak, the_type_can_be_read_while_the_cell_comes, .setup = begin, .body = { bind, read_type }, .check = end, .preemptions = 4);

static void begin_with_two_units(void)
{
    begin_bound();
    got[1] = arca_retain(object);
}

static void bind_and_release(void)
{
    bound[1] = arca_weak_bind(got[1], NULL, NULL);
    drop(&got[1]);
}

SCENARIO(weak, bind_while_the_others_upgrade_and_release, .setup = begin_with_two_units,
         .body = { upgrade_and_drop, bind_and_release, release }, .check = end, .preemptions = 3);

/* ---- callbacks ---------------------------------------------------------------------------------------------------- */

static void sever_and_drop(void)
{
    arca_weak_sever(weak);
    EXPECT(arca_weak_upgrade(weak) == NULL);
    drop(&weak);
}

static void check_called_once_at_most(void)
{
    EXPECT(calls <= 1);
    end();
}

SCENARIO(weak, callback_against_sever_and_the_weak_ones_death, .setup = begin_with_callback, .body = { release, sever_and_drop },
         .check = check_called_once_at_most, .preemptions = 4);

SCENARIO(weak, callback_against_the_weak_ones_death, .setup = begin_with_callback, .body = { release, release_weak },
         .check = check_called_once_at_most, .preemptions = 4);

static void sever(void)
{
    arca_weak_sever(weak);
}

static void release_after_sever(void)
{
    sever();
    release();
}

static void check_never_called(void)
{
    EXPECT(calls == 0);
    end();
}

SCENARIO(weak, what_is_severed_before_the_death_is_not_called, .setup = begin_with_callback,
         .body = { release_after_sever, upgrade_and_drop }, .check = check_never_called, .preemptions = 4);

/* Another joins the list of watchers, and leaves it, while the object dies of the other's unit. */
static void count_any_call(arca_weak *which, void *data)
{
    (void)which;
    ++*(unsigned *)data;
}

static void begin_two_watchers(void)
{
    begin_with_callback();
    bound[0] = arca_weak_bind(object, count_any_call, &calls);
    got[1] = arca_retain(object);
}

static void watch_and_release(void)
{
    bound[1] = arca_weak_bind(got[1], count_any_call, &calls);
    drop(&got[1]);
}

static void unwatch(void)
{
    drop(&bound[0]);
}

static void check_watchers(void)
{
    EXPECT(calls == 2 || calls == 3);
    end();
}

SCENARIO(weak, watchers_come_and_go_while_the_object_dies, .setup = begin_two_watchers,
         .body = { watch_and_release, release, unwatch }, .check = check_watchers, .preemptions = 3);

/* ---- a verdict ---------------------------------------------------------------------------------------------------- */

static bool lost;

/* Thing 1 holds itself, and nobody else does: what only a collector finds. */
static void begin_with_a_ring(void)
{
    begin_bound();
    arca_slot_put(&object->slot, object);
    lost = false;
}

/* Steps 4 to 7 of a certification that found the ring. */
static void certify(void)
{
    uint64_t before = load_acq(word_of(object));
    if (word_count(before) != 1)
        return;
    store_seq(&weak_certifying, 1u);
    epoch_wait();
    bool unchanged = load_acq(word_of(object)) == before;
    lock_acquire(&weak_lock);
    if (unchanged && load_acq(word_of(object)) == before) {
        store_rel(&kind_cell(load_acq(kind_of(object)))->target, NULL);
        lost = true;
    }
    store_rel(&weak_certifying, 0u);
    lock_release(&weak_lock);
}

static void check_verdict(void)
{
    EXPECT(!(lost && got[0] != NULL));
    EXPECT(!lost || thing_count(object) == 1);
    drop(&got[0]);
    struct thing *ring = object;
    object = NULL;
    arca_slot_clear(&ring->slot);
    end();
}

SCENARIO(weak, what_is_found_lost_is_not_upgraded, .setup = begin_with_a_ring, .body = { upgrade, certify },
         .check = check_verdict, .preemptions = 4, .store_buffers = true, .variants = LOOKS);
