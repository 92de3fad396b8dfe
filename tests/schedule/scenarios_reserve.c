/* Units in reserve: the threads that have them against a recall, and against each other. */
#include "model.h"

#include "arca/arca.h"
#include "gc/objects/header.h"
#include "gc/objects/recall.h"
#include "gc/objects/reserve.h"

#define SPARE 2u

static struct thing *thing, *owner;
static struct reserve *reserve_of[2];
static uint32_t held; /* units that are in nobody's reserve when all is over */

static struct reserve *make_reserve(unsigned of_things)
{
    struct reserve *reserve = arca_calloc(1, sizeof *reserve);
    if (of_things != 0) {
        size_t place = arca_private_reserve_place(thing);
        store_rlx(reserve_object(reserve, place), (void *)thing);
        reserve->face.arca_units[place] = of_things;
        add_rlx(word_of(thing), WORD_VERSION + of_things * WORD_ONE);
    }
    reserve->next = load_rlx(&reserves);
    store_rlx(&reserves, reserve);
    return reserve;
}

/* There are no reserves but those that are made here. */
static void begin_with_a_thing(void)
{
    model_begin();
    reserve_forgo();
    store_rlx(&reserves, NULL);
    thing = thing_new_hot(1);
    owner = NULL;
}

/* Each of two threads has one unit in its hands, and two in reserve. */
static void begin(void)
{
    begin_with_a_thing();
    arca_retain(thing);
    for (unsigned i = 0; i < 2; i++)
        reserve_of[i] = make_reserve(SPARE);
    store_rlx(&reserves_due, true);
    held = 0;
}

static void with_one_reserve(void)
{
    begin_with_a_thing();
    reserve_of[0] = make_reserve(SPARE);
    reserve_of[1] = NULL;
    store_rlx(&reserves_due, true);
    held = 1;
}

static void with_a_slot(void)
{
    with_one_reserve();
    owner = thing_new(2);
    arca_slot_put(&owner->slot, thing);
    held = 0;
}

static void mine(void)
{
    arca_private_reserve = &reserve_of[schedule_self()]->face;
}

static void not_mine(void)
{
    arca_private_reserve = NULL;
}

static void retain_and_release(void)
{
    mine();
    arca_retain(thing);
    EXPECT(thing->id == 1);
    arca_retain(thing);
    EXPECT(thing->id == 1);
    arca_release(thing);
    arca_release(thing);
    EXPECT(thing->id == 1);
    not_mine();
}

static void release_mine(void)
{
    mine();
    EXPECT(thing->id == 1);
    arca_release(thing);
    not_mine();
}

static void recall(void)
{
    reserve_recall();
}

static uint32_t units_left(void)
{
    uint32_t units = 0;
    for (unsigned i = 0; i < 2; i++) {
        for (size_t place = 0; reserve_of[i] != NULL && place < ARCA_PRIVATE_RESERVE; place++)
            units += reserve_of[i]->face.arca_units[place];
    }
    return units;
}

static void end(void)
{
    for (unsigned i = 0; i < 2; i++)
        arca_free(reserve_of[i]);
    store_rlx(&reserves, NULL);
    arca_release(owner);
    model_end();
}

/* The word counts what is in reserve and what is held, and nothing else. */
static void check_counted(void)
{
    EXPECT(lives[1].destroyed == 0 && thing_count(thing) == held + units_left());
    store_rlx(&reserves_due, true);
    reserve_recall();
    EXPECT(units_left() == 0 && lives[1].destroyed == 0 && thing_count(thing) == held && !load_rlx(&reserves_due));
    arca_release(thing);
    EXPECT(lives[1].destroyed == 1);
    end();
}

SCENARIO(reserve, a_recall_takes_no_unit_that_is_in_hand, .setup = with_one_reserve, .body = { retain_and_release, recall },
         .check = check_counted, .preemptions = 2, .store_buffers = true);

static void check_one_death(void)
{
    EXPECT(lives[1].destroyed == 1 && units_left() == 0);
    end();
}

SCENARIO(reserve, the_last_release_and_a_recall_make_one_death, .setup = with_one_reserve, .body = { release_mine, recall },
         .check = check_one_death, .preemptions = 2, .store_buffers = true);

static void check_one_death_after_recall(void)
{
    store_rlx(&reserves_due, true);
    reserve_recall();
    check_one_death();
}

SCENARIO(reserve, two_threads_give_back_all_that_they_have, .setup = begin, .body = { release_mine, release_mine },
         .check = check_one_death_after_recall, .preemptions = 3);

SCENARIO(reserve, two_threads_and_a_recall_make_one_death, .setup = begin, .body = { release_mine, release_mine, recall },
         .check = check_one_death_after_recall, .preemptions = 2);

/* ---- filling ---------------------------------------------------------------------------------------------- */

static void with_an_empty_reserve(void)
{
    begin_with_a_thing();
    reserve_of[0] = make_reserve(0);
    reserve_of[1] = NULL;
    store_rlx(&reserves_due, true);
    held = 1;
}

static void check_due(void)
{
    EXPECT(units_left() == 0 || load_rlx(&reserves_due));
    check_counted();
}

SCENARIO(reserve, what_comes_in_beside_a_recall_is_left_to_another, .setup = with_an_empty_reserve,
         .body = { retain_and_release, recall }, .check = check_due, .preemptions = 2, .store_buffers = true);

/* A thread that comes on the list while another, which has ended, leaves it. */
static void with_one_that_ended(void)
{
    model_begin();
    store_rlx(&reserves, NULL);
    thing = thing_new_hot(1);
    owner = NULL;
    reserve_of[0] = reserve_of[1] = NULL;
    store_rlx(&make_reserve(0)->ended, true);
    store_rlx(&reserves_due, true);
    held = 1;
}

static void open_one(void)
{
    arca_retain(thing);
    reserve_of[schedule_self()] = (struct reserve *)arca_private_reserve;
    EXPECT(arca_private_reserve != NULL);
}

static void check_opened(void)
{
    arca_release(thing);
    check_due();
}

SCENARIO(reserve, who_comes_on_the_list_beside_a_recall_is_recalled, .setup = with_one_that_ended,
         .body = { open_one, recall }, .check = check_opened, .preemptions = 3, .store_buffers = true);

/* ---- slots ---------------------------------------------------------------------------------------------- */

static void load_and_release(void)
{
    mine();
    struct thing *loaded = arca_slot_load(&owner->slot);
    if (loaded != NULL) {
        EXPECT(loaded == thing && loaded->id == 1);
        arca_release(loaded);
    }
    not_mine();
}

static void clear_slot(void)
{
    arca_slot_clear(&owner->slot);
}

static void clear_and_recall(void)
{
    clear_slot();
    reserve_recall();
}

SCENARIO(reserve, what_is_loaded_out_of_a_reserve_lives, .setup = with_a_slot, .body = { load_and_release, clear_and_recall },
         .check = check_one_death_after_recall, .preemptions = 2, .store_buffers = true);

/* ---- ends ---------------------------------------------------------------------------------------------------- */

static void use_and_end(void)
{
    retain_and_release();
    arca_release(thing);
    recall_end_of_thread(reserve_of[0]);
}

static void check_ended(void)
{
    store_rlx(&reserves_due, true);
    reserve_recall();
    EXPECT(lives[1].destroyed == 1 && load_rlx(&reserves) == NULL);
    reserve_of[0] = NULL;
    end();
}

SCENARIO(reserve, a_thread_ends_while_its_reserve_is_recalled, .setup = with_one_reserve, .body = { use_and_end, recall },
         .check = check_ended, .preemptions = 2, .store_buffers = true);
