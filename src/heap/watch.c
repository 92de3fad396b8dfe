/* Counting and ringing. */
#include "heap/watch.h"

#include "base/os.h"

_Atomic uint32_t watch_bell;
_Atomic int64_t watch_blocks;
_Atomic int64_t watch_limit = INT64_MAX;
_Atomic int64_t watch_full = INT64_MAX;
_Atomic uint32_t watch_call = WATCH_CALL_START;
_Atomic uint32_t watch_turns;
_Atomic bool watch_attended;
_Atomic bool watch_asleep;
_Atomic bool watch_asked, watch_wanted;
_Atomic uint32_t watch_asked_ms;
struct watch_figures watch_figures;

void watch_ring(void)
{
    add_rel(&watch_bell, 1u); /* P:watch release: what there is to do, to the thread that is woken */
    os_wake(&watch_bell, 1);
}

void watch_add(int64_t blocks)
{
    int64_t before = add_seq(&watch_blocks, blocks), limit = load_rlx(&watch_limit);
    add_rlx(&watch_turns, 1u);
    if (unlikely(before < limit && before + blocks >= limit && !load_seq(&watch_attended)) ||
        (unlikely(load_rlx(&watch_asleep)) && exchange_rlx(&watch_asleep, false)))
        watch_ring();
    bool full = before + blocks >= load_rlx(&watch_full) || load_rlx(&watch_asked);
    if (unlikely(full != ((load_rlx(&watch_call) & WATCH_CALL_WAIT) != 0)))
        watch_judge();
}

/* Who passes the limit looks whether it is attended afterwards, and here it is the other way round: one of the two rings. */
void watch_unattend(void)
{
    store_seq(&watch_attended, false);
    if (load_seq(&watch_blocks) >= load_rlx(&watch_limit))
        watch_ring();
}

void watch_judge(void)
{
    if (load_rlx(&watch_blocks) >= load_rlx(&watch_full) || load_rlx(&watch_asked))
        or_rlx(&watch_call, WATCH_CALL_WAIT);
    else
        and_rlx(&watch_call, ~WATCH_CALL_WAIT);
}

void watch_ask(void)
{
    if (load_rlx(&watch_blocks) <= 0)
        return;
    if (!load_rlx(&watch_asked))
        store_rlx(&watch_asked_ms, os_now_ms());
    store_rlx(&watch_asked, true);
    watch_judge();
    watch_ring();
}

void watch_answer(void)
{
    store_rlx(&watch_asked, false);
    watch_judge();
}
