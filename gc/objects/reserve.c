/* The thread's own reserve. */
#include "gc/objects/reserve.h"

#include "arca/arca.h"
#include "base/options.h"
#include "base/os.h"
#include "heap/watch.h"

#include <errno.h>
#include <pthread.h>

/* One object in so many that have none is given some: those that compete for a place do not drive each other out of it. */
#define FILL_EVERY 4

ARCA_PRIVATE_TLS struct arca_private_reserve *arca_private_reserve;

_Atomic(struct reserve *) reserves;
_Atomic bool reserves_due;

static ARCA_TLS bool forgone;
static pthread_key_t end_key;
static bool end_key_made;

static struct reserve *reserve_own(void)
{
    return (struct reserve *)arca_private_reserve;
}

/* ---- to the word and from it ---------------------------------------------------------------------------- */

/* True when they were the last. */
static bool units_back(void *object, uint32_t units)
{
    uint64_t word = sub_seq(word_of(object), units * WORD_ONE);
    return (word & (WORD_IMMORTAL | WORD_COUNT)) == units;
}

/* Those of a place; they stay when they are the last. */
static void units_back_unless_last(struct reserve *reserve, size_t place)
{
    void *object = load_rlx(reserve_object(reserve, place));
    uint32_t units = reserve->face.arca_units[place];
    if (units == 0)
        return;
    uint64_t word = load_rlx(word_of(object));
    do {
        reserve->face.arca_units[place] = units;
        if (!(word & WORD_IMMORTAL) && word_count(word) <= units)
            return;
        reserve->face.arca_units[place] = 0;
        /* P:birth acquire: as word_try_retain; its release is that of any unit, to the one that finds the last */
    } while (!cas_weak_acqrel(word_of(object), &word, word - units * WORD_ONE));
}

bool reserve_clear(struct reserve *reserve, size_t place)
{
    void *object = load_rlx(reserve_object(reserve, place));
    uint32_t units = reserve->face.arca_units[place];
    store_rlx(reserve_object(reserve, place), NULL);
    reserve->face.arca_units[place] = 0;
    return units != 0 && units_back(object, units);
}

/* ---- taking and giving ------------------------------------------------------------------------------------ */

bool reserve_give(void *object, bool *dead)
{
    struct reserve *reserve = reserve_own();
    size_t place = arca_private_reserve_place(object);
    *dead = false;
    if (!reserve_enter(reserve))
        return false;
    uint64_t word = load_rlx(word_of(object));
    /* In the place of a hot object that died another may have been born since, or it rose. */
    bool given = load_rlx(reserve_object(reserve, place)) == object && (word & (WORD_HOT | WORD_FINALIZED)) == WORD_HOT;
    if (given) {
        uint32_t units = ++reserve->face.arca_units[place];
        if (unlikely(word_count(word) == units)) {
            *dead = reserve_clear(reserve, place);
        } else if (unlikely(units == 2 * ARCA_PRIVATE_RESERVE_UNITS)) {
            reserve->face.arca_units[place] -= ARCA_PRIVATE_RESERVE_UNITS;
            units_back(object, ARCA_PRIVATE_RESERVE_UNITS);
        }
    }
    reserve_leave(reserve);
    return given;
}

bool reserve_was_last(void *object, uint64_t word)
{
    size_t place = arca_private_reserve_place(object);
    struct reserve *reserve = (struct reserve *)arca_private_reserve_of(object);
    if (reserve == NULL || !reserve_enter(reserve))
        return false;
    bool last = load_rlx(reserve_object(reserve, place)) == object && reserve->face.arca_units[place] == word_count(word) - 1 &&
                reserve_clear(reserve, place);
    reserve_leave(reserve);
    return last;
}

uint32_t reserve_units(const void *object)
{
    struct reserve *reserve = reserve_own();
    size_t place = arca_private_reserve_place(object);
    if (reserve == NULL || !reserve_enter(reserve))
        return 0;
    uint32_t units = load_rlx(reserve_object(reserve, place)) == object ? reserve->face.arca_units[place] : 0;
    reserve_leave(reserve);
    return units;
}

/* ---- filling ------------------------------------------------------------------------------------------------ */

void reserves_call(void)
{
    if (!load_rlx(&reserves_due) && !exchange_rlx(&reserves_due, true))
        watch_ring();
}

static struct reserve *reserve_make(void)
{
    struct reserve *reserve = arca_calloc(1, sizeof *reserve);
    if (reserve != NULL && pthread_setspecific(end_key, reserve) != 0) {
        arca_free(reserve);
        return NULL;
    }
    return reserve;
}

/* NULL without memory, without a thread that recalls or its means, where each reference is to be seen, and for a thread
 * that ends. */
static struct reserve *reserve_open(void)
{
    int saved = errno;
    if (forgone || !end_key_made || options.debug == DEBUG_REFS || (load_rlx(&watch_call) & WATCH_CALL_START))
        return NULL;
    struct reserve *reserve = os_barrier() ? reserve_make() : NULL;
    errno = saved;
    if (reserve == NULL)
        return NULL;
    reserve->next = load_rlx(&reserves);
    while (!cas_weak_acqrel(&reserves, &reserve->next, reserve)) /* P:reserves release: its fields, to reserve_recall */
        ;
    fence_seq(); /* on the list, and then it is looked whether somebody is to recall: with reserve_recall */
    arca_private_reserve = &reserve->face;
    return reserve;
}

void reserve_fill(void *object)
{
    struct reserve *reserve = reserve_own() != NULL ? reserve_own() : reserve_open();
    size_t place = arca_private_reserve_place(object);
    if (reserve == NULL || reserve->misses++ % FILL_EVERY != 0 || !reserve_enter(reserve))
        return;
    void *before = load_rlx(reserve_object(reserve, place));
    if (before != object)
        units_back_unless_last(reserve, place);
    if (before == object || reserve->face.arca_units[place] == 0) {
        add_rlx(word_of(object), WORD_VERSION + ARCA_PRIVATE_RESERVE_UNITS * WORD_ONE);
        fence_compiler();
        store_rlx(reserve_object(reserve, place), object);
        reserve->face.arca_units[place] += ARCA_PRIVATE_RESERVE_UNITS;
        reserves_call();
    }
    reserve_leave(reserve);
}

/* ---- the end of a thread ----------------------------------------------------------------------------------- */

void reserve_set_end(void (*end)(void *reserve))
{
    end_key_made = pthread_key_create(&end_key, end) == 0;
}

void reserve_forgo(void)
{
    forgone = true;
    arca_private_reserve = NULL;
}
