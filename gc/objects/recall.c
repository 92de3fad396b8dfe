/* Recalling. */
#include "gc/objects/recall.h"

#include "arca/arca.h"
#include "base/os.h"
#include "gc/objects/death.h"
#include "gc/objects/reserve.h"

#define RECALL_MS 100
#define BUSY_PAUSE_US 20

static uint64_t recall_at_ms; /* of the library's thread; 0: nothing is due, as far as it knows */

/* Of a reserve that is closed or its caller's. */
static void recall_all(struct reserve *reserve)
{
    for (size_t place = 0; place < ARCA_PRIVATE_RESERVE; place++) {
        void *object = load_rlx(reserve_object(reserve, place));
        if (object != NULL && reserve_clear(reserve, place))
            death_begin(object);
    }
}

static void free_ended(void)
{
    _Atomic(struct reserve *) *link = &reserves;
    struct reserve *reserve;
    while ((reserve = load_acq(link)) != NULL) { /* P:reserves acquire: with reserve_open */
        struct reserve *expected = reserve;
        if (!load_acq(&reserve->ended)) /* P:reserve ended acquire: with recall_end_of_thread */
            link = (_Atomic(struct reserve *) *)&reserve->next;
        else if (cas_acqrel(link, &expected, reserve->next)) {
            recall_all(reserve); /* a recall that had closed it may not have got its barrier */
            arca_free(reserve);
        }
    }
}

void reserve_recall(void)
{
    if (!load_rlx(&reserves_due))
        return;
    store_rlx(&reserves_due, false);
    fence_seq(); /* and then the list: with reserve_open */
    struct reserve *first = load_acq(&reserves); /* P:reserves acquire: with reserve_open */
    for (struct reserve *reserve = first; reserve != NULL; reserve = reserve->next)
        store_rlx(reserve_closed(reserve), 1u);
    bool passed = os_barrier();
    if (!passed)
        store_rlx(&reserves_due, true); /* once more */
    for (struct reserve *reserve = first; reserve != NULL; reserve = reserve->next) {
        while (passed && load_acq(reserve_busy(reserve))) /* P:reserve busy acquire: with arca_private_reserve_leave */
            os_pause(BUSY_PAUSE_US);
        if (passed)
            recall_all(reserve);
        store_rel(reserve_closed(reserve), 0u); /* P:reserve closed release: that it is empty, to arca_private_reserve_enter */
    }
    free_ended();
}

void recall_when_due(bool at_once)
{
    uint64_t now_ms = os_clock_ms();
    if (at_once || (recall_at_ms != 0 && now_ms >= recall_at_ms)) {
        recall_at_ms = 0;
        reserve_recall();
    }
    if (recall_at_ms == 0 && load_rlx(&reserves_due))
        recall_at_ms = now_ms + RECALL_MS;
}

uint32_t recall_pause_ms(void)
{
    uint64_t now_ms = os_clock_ms();
    if (recall_at_ms == 0)
        return OS_FOREVER;
    return recall_at_ms > now_ms ? (uint32_t)(recall_at_ms - now_ms) : 1;
}

/* A recall that has closed it empties it. */
void recall_end_of_thread(void *argument)
{
    struct reserve *reserve = argument, own = { .next = NULL };
    reserve_forgo();
    if (reserve_enter(reserve)) {
        for (size_t place = 0; place < ARCA_PRIVATE_RESERVE; place++) {
            store_rlx(reserve_object(&own, place), load_rlx(reserve_object(reserve, place)));
            store_rlx(reserve_object(reserve, place), NULL);
            own.face.arca_units[place] = reserve->face.arca_units[place];
            reserve->face.arca_units[place] = 0;
        }
        reserve_leave(reserve);
        recall_all(&own);
    }
    store_rel(&reserve->ended, true); /* P:reserve ended release: that its thread is through with it, to free_ended */
    reserves_call();
}

void recall_fork_child(void)
{
    struct reserve *own = (struct reserve *)arca_private_reserve;
    for (struct reserve *reserve = load_rlx(&reserves); reserve != NULL; reserve = reserve->next) {
        store_rlx(reserve_closed(reserve), 0u);
        if (reserve != own) {
            store_rlx(reserve_busy(reserve), 0u);
            store_rlx(&reserve->ended, true);
        }
    }
    store_rlx(&reserves_due, true); /* to the thread that the child has not yet */
}

__attribute__((constructor(102))) static void recall_construct(void)
{
    reserve_set_end(recall_end_of_thread);
}
