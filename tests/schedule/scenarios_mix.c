/* Everything at once, along random schedules. */
#include "model.h"

#include <string.h>

#define ROUNDS 4

static struct thing *owners[2];
static arca_weak *weak;
static unsigned calls;

static void count_call(arca_weak *which, void *data)
{
    (void)which;
    (void)data;
    calls++;
}

/* Things 1 and 2 in the slots of two owners; a weak reference to the first, with a finalizer. */
static void begin(void)
{
    model_begin();
    calls = 0;
    for (unsigned i = 0; i < 2; i++)
        owners[i] = thing_new(14 + i);
    struct thing *first = thing_new_finalized(1);
    weak = arca_weak_bind(first, count_call, NULL);
    arca_slot_put(&owners[0]->slot, first);
    arca_slot_put(&owners[1]->slot, thing_new(2));
}

static void look(struct thing *thing)
{
    EXPECT(thing == NULL || (thing->id >= 1 && thing->id < 14));
    arca_release(thing);
}

/* Moves what is in one slot to the other. */
static void move(void)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct thing *thing = arca_slot_take(&owners[round % 2]->slot);
        look(arca_slot_exchange(&owners[(round + 1) % 2]->slot, thing));
    }
}

/* New things, bound, in place of old ones. */
static void replace(void)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct thing *thing = thing_new_finalized(3 + round);
        arca_weak *own = arca_weak_bind(thing, count_call, NULL);
        arca_slot_store(&owners[round / 2 % 2]->slot, thing);
        look(thing);
        look(arca_weak_upgrade(own));
        if (round % 2 != 0)
            arca_weak_sever(own);
        arca_release(own);
    }
}

static void load_and_upgrade(void)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        look(arca_slot_load(&owners[round % 2]->slot));
        struct thing *thing = arca_weak_upgrade(weak);
        EXPECT(thing == NULL || thing->id == 1);
        look(thing);
    }
}

static void check(void)
{
    for (unsigned i = 0; i < 2; i++)
        arca_release(owners[i]);
    EXPECT(arca_weak_upgrade(weak) == NULL && calls >= 1);
    arca_release(weak);
    for (unsigned id = 1; id < 3 + ROUNDS; id++)
        EXPECT(lives[id].destroyed == 1 && lives[id].finalized == (id != 2));
    model_end();
}

SCENARIO(mix, moves_births_deaths_loads_and_upgrades, .setup = begin, .body = { move, replace, load_and_upgrade },
         .check = check, .walks = 30000, .variants = LOOKS);
