/*
 * Calls that a filter of system calls may not know.
 *
 * Law: once os_confine() has returned, none is under way and none begins.  Both sides write, and then look at what the other
 * writes:
 *
 *   os_rare_begin()   under_way + 1, fence; filters = 0, or it fails
 *   os_confine()      filters + 1, fence; waits until under_way = 0
 *
 * The wait is bounded, for a signal handler that confines its process in the middle of such a call.  It is longer than a round of
 * the thread that serves the control socket takes it to look up.
 */
#include "base/os.h"

#define LOOK_US 100
#define LOOKS 5000

static _Atomic uint32_t filters; /* that are there, or may come to be */
static _Atomic uint32_t under_way;

/* Of a filter that one thread is asking for, for itself: in the same word, so that the child of a fork knows it from one that is
 * there. */
#define ASKED_FOR_ALONE (1u << 16)
static ARCA_TLS uint32_t asking_here;

bool os_is_confined(void)
{
    return unlikely(load_rlx(&filters) != 0);
}

void os_rare_end(void)
{
    sub_rel(&under_way, 1u); /* P:rare call release: it is over, to os_confine */
}

bool os_rare_begin(void)
{
    add_rlx(&under_way, 1u);
    fence_seq();
    if (likely(load_rlx(&filters) == 0))
        return true;
    os_rare_end();
    return false;
}

/* A vfork child is known by its parent's number in memory that no fork has wiped. */
bool os_confine(bool alone)
{
    if (!os_is_confined() && os_fork_state() == OS_FORK_NONE && !os_process_is_ours())
        return false;
    asking_here += alone;
    add_rlx(&filters, alone ? ASKED_FOR_ALONE + 1u : 1u);
    fence_seq();
    for (unsigned i = 0; i < LOOKS && load_acq(&under_way) != 0; i++) /* P:rare call acquire: with os_rare_end */
        os_pause(LOOK_US);
    return true;
}

void os_confine_end(bool alone, bool made)
{
    sub_rlx(&filters, (alone ? ASKED_FOR_ALONE : 0u) + (made ? 0u : 1u));
    asking_here -= alone;
}

/* What its parent's other threads were asking for, each for itself, is not its own.  A handler that forks on the way back from the
 * kernel is of the thread that has asked. */
void os_rare_fork_child(void)
{
    uint32_t asked = load_rlx(&filters) / ASKED_FOR_ALONE, others = asked > asking_here ? asked - asking_here : 0;
    sub_rlx(&filters, others * (ASKED_FOR_ALONE + 1u));
    store_rlx(&under_way, 0u);
}
