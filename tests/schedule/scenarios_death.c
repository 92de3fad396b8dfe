/* Dying: finalizers that resurrect, blocks that a collector looks at, memory that leaves. */
#include "model.h"

#include "front/objects.h"
#include "gc/objects/epoch.h"
#include "gc/objects/keeper.h"
#include "gc/objects/limbo.h"
#include "heap/retired.h"

static struct thing *object, *owner, *got, *reborn[2];
static arca_weak *weak;

static void begin(void)
{
    model_begin();
    object = owner = got = reborn[0] = reborn[1] = NULL;
    weak = NULL;
}

static void release(void)
{
    arca_release(object);
}

/* ---- resurrection ------------------------------------------------------------------------------------------------ */

static void save_in_slot(struct thing *thing)
{
    arca_slot_store(&owner->slot, thing);
}

static void begin_resurrection(void)
{
    begin();
    owner = thing_new(0);
    object = thing_new_finalized(1);
    weak = arca_weak_bind(object, NULL, NULL);
    thing_finalizer = save_in_slot;
}

static void upgrade(void)
{
    got = arca_weak_upgrade(weak);
    EXPECT(got == NULL || got->id == 1);
}

static void check_resurrected(void)
{
    if (got == NULL) {
        EXPECT(lives[1].finalized == 1 && lives[1].destroyed == 0);
        EXPECT(arca_weak_upgrade(weak) == NULL); /* dead, although the object lives */
    }
    arca_release(got);
    EXPECT(lives[1].finalized == 1 && lives[1].destroyed == 0 && arca_is_finalized(object));
    arca_release(owner);
    EXPECT(lives[1].destroyed == 1);
    arca_release(weak);
    model_end();
}

SCENARIO(death, an_upgrade_comes_before_the_finalizer_or_not_at_all, .setup = begin_resurrection, .body = { release, upgrade },
         .check = check_resurrected, .preemptions = 4);

/* Whoever takes the resurrected object out lets it die while the first death is still under way. */
static void take_and_release(void)
{
    arca_release(arca_slot_take(&owner->slot));
}

static void load_and_release(void)
{
    arca_release(arca_slot_load(&owner->slot));
}

static void check_second_death(void)
{
    EXPECT(lives[1].finalized == 1);
    arca_release(owner);
    EXPECT(lives[1].destroyed == 1);
    arca_release(weak);
    model_end();
}

SCENARIO(death, the_resurrected_dies_once_whoever_is_last, .setup = begin_resurrection,
         .body = { release, take_and_release }, .check = check_second_death, .preemptions = 4);

SCENARIO(death, the_resurrected_dies_once_whoever_is_last_of_three, .setup = begin_resurrection,
         .body = { release, take_and_release, load_and_release }, .check = check_second_death, .preemptions = 3);

/* A weak reference that was bound to the resurrected object while its finalizer ran. */
static void bind_late(void)
{
    struct thing *thing = arca_slot_take(&owner->slot);
    if (thing == NULL)
        return;
    arca_weak *late = arca_weak_bind(thing, NULL, NULL);
    arca_release(thing);
    arca_release(arca_weak_upgrade(late));
    arca_release(late);
}

SCENARIO(death, a_weak_one_that_was_bound_in_the_finalizer_is_severed, .setup = begin_resurrection,
         .body = { release, bind_late }, .check = check_second_death, .preemptions = 3);

/* A load that comes too late revives the object inside its finalizer, for a moment: then the loader is the last. */
static void begin_finalized_in_slot(void)
{
    begin();
    owner = thing_new(0);
    object = thing_new_finalized(1);
    arca_slot_put(&owner->slot, object);
    weak = arca_weak_bind(object, NULL, NULL);
}

static void clear_slot_and_reuse(void)
{
    arca_slot_clear(&owner->slot);
    reborn[0] = thing_new(2);
}

static void check_finalized_once(void)
{
    arca_release(reborn[0]);
    arca_release(owner);
    EXPECT(lives[1].finalized == 1 && lives[1].destroyed == 1 && lives[2].destroyed == 1);
    EXPECT(arca_weak_upgrade(weak) == NULL);
    arca_release(weak);
    model_end();
}

SCENARIO(death, a_late_load_and_a_finalizer_make_one_death, .setup = begin_finalized_in_slot,
         .body = { load_and_release, clear_slot_and_reuse }, .check = check_finalized_once, .preemptions = 4,
         .variants = LOOKS);

SCENARIO(death, two_late_loads_and_a_finalizer_make_one_death, .setup = begin_finalized_in_slot,
         .body = { load_and_release, clear_slot_and_reuse, load_and_release }, .check = check_finalized_once, .preemptions = 3,
         .variants = LOOKS);

/* A chain dies while one of its members is loaded from the middle. */
static void begin_chain(void)
{
    begin();
    object = thing_new(1);
    owner = thing_new(2);
    arca_retain(owner);
    arca_slot_put(&object->slot, owner);
    arca_slot_put(&owner->slot, thing_new(3));
}

static void load_from_the_middle(void)
{
    got = arca_slot_load(&owner->slot);
    EXPECT(got != NULL && got->id == 3);
    arca_release(owner);
}

static void check_chain(void)
{
    EXPECT(lives[1].destroyed == 1 && lives[2].destroyed == 1 && lives[3].destroyed == 0);
    arca_release(got);
    EXPECT(lives[3].destroyed == 1);
    model_end();
}

SCENARIO(death, a_chain_dies_up_to_the_one_in_hand, .setup = begin_chain, .body = { release, load_from_the_middle },
         .check = check_chain, .preemptions = 4);

/* A store into an object while the other of its last two units goes. */
static void begin_fill(void)
{
    begin();
    object = arca_retain(thing_new(1));
    owner = thing_new(2);
}

static void store_and_release(void)
{
    arca_slot_store(&object->slot, owner);
    EXPECT(arca_slot_borrow(&object->slot) == owner && lives[1].destroyed == 0);
    arca_release(object);
}

static void check_filled(void)
{
    EXPECT(lives[1].destroyed == 1 && thing_count(owner) == 1);
    arca_release(owner);
    EXPECT(lives[2].destroyed == 1);
    model_end();
}

SCENARIO(death, what_is_stored_into_the_dying_comes_back, .setup = begin_fill, .body = { store_and_release, release },
         .check = check_filled, .preemptions = 4);

/* ---- limbo ------------------------------------------------------------------------------------------------------- */

static uint64_t life; /* the version of thing 1 */

static void begin_limbo(void)
{
    begin();
    object = thing_new(1);
    life = object->object.arca_word / WORD_VERSION;
    arca_slot_put(&object->slot, thing_new(2));
}

static void release_and_reuse(void)
{
    arca_release(object);
    for (unsigned i = 0; i < 2; i++)
        reborn[i] = thing_new(3 + i); /* in the same blocks, unless those wait in limbo */
}

static void drain_limbo(void)
{
    for (void *dead = limbo_drain(), *next; dead != NULL; dead = next) {
        next = limbo_next(dead);
        model_free(dead);
    }
}

/* A collector that has found the object in a bitmap: word, kind, word again, and then the slots. */
static void activate_and_traverse(void)
{
    store_seq(&limbo_active, 1u);
    uint64_t word = load_acq(word_of(object));
    bool alive = word_count(word) != 0 && word / WORD_VERSION == life;
    uintptr_t kind = alive ? load_acq(kind_of(object)) : 0;
    if (alive && load_acq(word_of(object)) == word) {
        EXPECT(kind == (uintptr_t)&thing_type);
        struct thing *held = load_acq(slot_word(&object->slot));
        EXPECT(held == NULL || held->id == 2);
        SCHEDULE_POINT("traversal");
        EXPECT(object->id == 1);
    }
    drain_limbo();
    store_rel(&limbo_active, 0u);
}

static void check_limbo(void)
{
    drain_limbo();
    arca_release(reborn[0]);
    arca_release(reborn[1]);
    EXPECT(lives[1].destroyed == 1 && lives[2].destroyed == 1);
    model_end();
}

SCENARIO(limbo, what_is_traversed_is_not_reused, .setup = begin_limbo, .body = { release_and_reuse, activate_and_traverse },
         .check = check_limbo, .preemptions = 4, .store_buffers = true);

/* Two die, the collector drains meanwhile. */
static void begin_two_deaths(void)
{
    begin();
    object = thing_new(1);
    owner = thing_new(2);
    store_rlx(&limbo_active, 1u);
}

static void release_owner(void)
{
    arca_release(owner);
}

static void check_two_deaths(void)
{
    drain_limbo();
    EXPECT(lives[1].destroyed == 1 && lives[2].destroyed == 1);
    model_end();
}

static void drain_twice(void)
{
    drain_limbo();
    drain_limbo();
}

SCENARIO(limbo, what_is_pushed_comes_out_once, .setup = begin_two_deaths, .body = { release, release_owner, drain_twice },
         .check = check_two_deaths, .preemptions = 3);

/* ---- memory that leaves ---------------------------------------------------------------------------------------------- */

static struct span emptied;

static void unmap_object(struct span *span)
{
    EXPECT(span == &emptied);
    model_unmap(object);
}

/* The object's block was the last of its pool. */
static void begin_retirement(void)
{
    begin();
    owner = thing_new(0);
    object = thing_new(1);
    weak = arca_weak_bind(object, NULL, NULL);
    arca_slot_put(&owner->slot, object);
    model_on_return = unmap_object;
    store_rlx(&retired_count, 0u);
}

static void no_job(void *unused)
{
    (void)unused;
}

static void empty_pool(void)
{
    arca_slot_clear(&owner->slot);
    if (lives[1].destroyed) {
        retired_add(&emptied);
        keeper_exclusively(no_job, NULL);
    }
}

static void upgrade_and_release(void)
{
    arca_release(arca_weak_upgrade(weak));
}

static void check_retirement(void)
{
    arca_release(owner);
    arca_release(weak);
    EXPECT(lives[1].destroyed == 1);
    retired_take();
    model_end();
}

SCENARIO(epoch, a_load_under_way_keeps_the_memory, .setup = begin_retirement, .body = { load_and_release, empty_pool },
         .check = check_retirement, .preemptions = 4, .variants = LOOKS);

SCENARIO(epoch, an_upgrade_under_way_keeps_the_memory, .setup = begin_retirement, .body = { upgrade_and_release, empty_pool },
         .check = check_retirement, .preemptions = 4, .variants = LOOKS);
