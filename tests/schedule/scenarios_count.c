/* Counts: who is the last. */
#include "model.h"

#include "gc/objects/header.h"

static struct thing *shared;

static void two_units(void)
{
    model_begin();
    shared = thing_new(1);
    arca_retain(shared);
}

static void three_units(void)
{
    two_units();
    arca_retain(shared);
}

static void release(void)
{
    arca_release(shared);
}

static void retain_and_release_both(void)
{
    arca_retain(shared);
    EXPECT(shared->id == 1);
    arca_release(shared);
    EXPECT(shared->id == 1);
    arca_release(shared);
}

static void check_one_death(void)
{
    EXPECT(lives[1].destroyed == 1);
    model_end();
}

SCENARIO(count, two_last_releases_make_one_death, .setup = two_units, .body = { release, release },
         .check = check_one_death, .preemptions = 4);

SCENARIO(count, three_last_releases_make_one_death, .setup = three_units, .body = { release, release, release },
         .check = check_one_death, .preemptions = 3);

SCENARIO(count, a_retained_object_outlives_the_others_release, .setup = two_units,
         .body = { retain_and_release_both, release }, .check = check_one_death, .preemptions = 4);

/* ---- immortal ------------------------------------------------------------------------------------------------ */

static void make_immortal(void)
{
    arca_make_immortal(shared);
    arca_release(shared);
}

static void check_immortal(void)
{
    EXPECT(arca_refcount(shared) == SIZE_MAX && lives[1].destroyed == 0 && shared->id == 1);
    arca_release(shared);
    EXPECT(arca_refcount(shared) == SIZE_MAX);
}

SCENARIO(count, what_becomes_immortal_meanwhile_never_dies, .setup = two_units,
         .body = { make_immortal, retain_and_release_both }, .check = check_immortal, .preemptions = 4);

/* Its count goes on changing, and may not come to 0. */
static arca_weak *weak;

static void one_unit_and_a_weak_one(void)
{
    model_begin();
    shared = thing_new(1);
    weak = arca_weak_bind(shared, NULL, NULL);
}

static void upgrade(void)
{
    EXPECT(arca_weak_upgrade(weak) == shared);
}

static void check_immortal_and_weak(void)
{
    check_immortal();
    arca_release(weak);
}

SCENARIO(count, an_immortal_object_is_never_taken_for_dead, .setup = one_unit_and_a_weak_one, .body = { make_immortal, upgrade },
         .check = check_immortal_and_weak, .preemptions = 4);

static void near_the_end(void)
{
    two_units();
    store_rlx(word_of(shared), (uint64_t)(ARCA_PRIVATE_COUNT_LIMIT - 1));
}

static void retain(void)
{
    arca_retain(shared);
    arca_retain(shared);
}

static void check_overflow(void)
{
    EXPECT(log_lines == 1);
    check_immortal();
}

SCENARIO(count, an_overflow_is_said_once, .setup = near_the_end, .body = { retain, retain }, .check = check_overflow,
         .preemptions = 4);
