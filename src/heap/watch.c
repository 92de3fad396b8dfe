/* Counting and ringing. */
#include "heap/watch.h"

#include "base/os.h"

_Atomic uint32_t watch_bell;
_Atomic int64_t watch_blocks;
_Atomic int64_t watch_bytes;
_Atomic int64_t watch_limit = INT64_MAX;
_Atomic int64_t watch_full = INT64_MAX;
_Atomic int64_t watch_limit_bytes = WATCH_BYTES_NEVER;
_Atomic int64_t watch_full_bytes = WATCH_BYTES_NEVER;
_Atomic int64_t watch_retired_bytes;
_Atomic int64_t watch_lead_bytes = WATCH_BYTES_NEVER;
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

/* Adds, and tells whether that has passed the limit. */
ARCA_INLINE bool add_passes(_Atomic int64_t *amount, int64_t more, int64_t limit)
{
    int64_t before = add_seq(amount, more);
    return before < limit && before + more >= limit;
}

int64_t watch_ahead_bytes(void)
{
    int64_t in_use = load_rlx(&watch_bytes) - load_rlx(&watch_full_bytes);
    int64_t retired = load_rlx(&watch_retired_bytes) - load_rlx(&watch_lead_bytes);
    return in_use > retired ? in_use : retired;
}

static bool births_are_to_wait(void)
{
    return load_rlx(&watch_blocks) >= load_rlx(&watch_full) || watch_ahead_bytes() > 0 || load_rlx(&watch_asked);
}

static void judge_anew(void)
{
    if (unlikely(births_are_to_wait() != ((load_rlx(&watch_call) & WATCH_CALL_WAIT) != 0)))
        watch_judge();
}

void watch_add(int64_t blocks, int64_t bytes)
{
    bool passes = add_passes(&watch_bytes, bytes, load_rlx(&watch_limit_bytes));
    passes |= add_passes(&watch_blocks, blocks, load_rlx(&watch_limit));
    add_rlx(&watch_turns, 1u);
    if ((unlikely(passes) && !load_seq(&watch_attended)) ||
        (unlikely(load_rlx(&watch_asleep)) && exchange_rlx(&watch_asleep, false)))
        watch_ring();
    judge_anew();
}

void watch_retire(int64_t bytes)
{
    add_rlx(&watch_retired_bytes, bytes);
    judge_anew();
}

/* Who passes a limit looks whether it is attended afterwards, and here it is the other way round: one of the two rings. */
void watch_unattend(void)
{
    store_seq(&watch_attended, false);
    if (load_seq(&watch_blocks) >= load_rlx(&watch_limit) || load_seq(&watch_bytes) >= load_rlx(&watch_limit_bytes))
        watch_ring();
}

void watch_judge(void)
{
    if (births_are_to_wait())
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
