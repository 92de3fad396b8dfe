/* The thread, its start, and who works without it. */
#include "gc/objects/keeper.h"

#include "base/lock.h"
#include "base/os.h"
#include "front/objects.h"
#include "gc/objects/cell.h"
#include "gc/objects/debug.h"
#include "gc/objects/epoch.h"
#include "gc/objects/fiber.h"
#include "gc/objects/type.h"
#include "heap/retired.h"
#include "heap/watch.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

/* Spans come in crowds: one grace period for all that come within this time. */
#define GATHER_MS 10
#define RETRY_MS 1000
#define PRIORITY 5 /* nicer than the program */
/* Births that have to do the work do it in parts, and leave their threads some time in between: so little that one
 * thread does not make garbage faster than it collects it. */
#define PART_MICROSECONDS 250
#define GAP_MICROSECONDS 125
#define RETURN_AT_ONCE 64
/* A thread whose births are ahead by bytes sleeps once for so many of them, and for fewer the further they are ahead: it is
 * left less than who is to free or to return memory can do with a small part of a processor.  A birth sleeps so often at
 * most, for that one may wait for a reader. */
#define SLEEP_BYTES ((size_t)64 << 10)
#define SLEEP_MICROSECONDS 200
#define SLEEPS_MAX 500

_Atomic uint32_t keeper_state = KEEPER_OFF;

static const struct keeper_work *registered;
static struct lock start_lock, work_lock;
static uint32_t next_try_ms;
static _Atomic uint64_t next_part_us; /* not before; 0 when nothing rests */
static _Atomic uint32_t wanted;       /* threads that wait for work_lock; births do not get ahead of them */
static ARCA_TLS bool working;

struct keeper_freed keeper_freed;

void keeper_set_work(const struct keeper_work *work)
{
    registered = work;
}

bool keeper_is_working(void)
{
    return working;
}

/* The spans of objects that no reader can look at any more; what is kept beside them goes with them. */
static void release_retired(void)
{
    struct span *list = retired_take();
    if (list == NULL)
        return;
    epoch_wait();
    while (list != NULL) {
        struct span *first = list, *last = NULL;
        for (unsigned i = 0; i < RETURN_AT_ONCE && list != NULL; i++) {
            arca_free(load_rlx(&list->side));
            store_rlx(&list->side, NULL);
            last = list;
            list = list->next;
        }
        last->next = NULL;
        object_return_retired(first);
        fiber_rest();
    }
}

void keeper_return_much(void)
{
    if (load_rlx(&watch_retired_bytes) <= load_rlx(&watch_lead_bytes) / 4)
        return;
    bool private = fiber_set_private(true); /* it waits for a grace period */
    fiber_rest();
    release_retired();
    fiber_set_private(private);
}

/* Bytes that a thread may make before it sleeps; 0: births are not ahead. */
static size_t sleep_every(void)
{
    int64_t ahead = watch_ahead_bytes(), lead = load_rlx(&watch_lead_bytes);
    if (ahead <= 0)
        return 0;
    int64_t times = 1 + ahead / (lead + 1), every = (int64_t)SLEEP_BYTES / (times * times);
    return every > 0 ? (size_t)every : 1;
}

/* Small objects for those that were born before them as well. */
static void wait_for_memory(size_t size)
{
    static ARCA_TLS size_t unpaid;
    size_t every = sleep_every();
    if (every == 0)
        return;
    unpaid += size;
    if (unpaid < every)
        return;
    add_rlx(&watch_figures.waits, 1u);
    for (unsigned slept = 0; slept < SLEEPS_MAX && every != 0 && unpaid >= every; slept++) {
        unpaid -= every;
        os_pause(SLEEP_MICROSECONDS);
        every = sleep_every();
    }
    unpaid = 0;
}

static void do_work(void)
{
    release_retired();
    if (registered != NULL)
        registered->work();
}

/* What rests is ended first. */
static void end_fiber(void)
{
    if (fiber_is_resting())
        fiber_run(NULL, FIBER_TO_THE_END);
    store_rlx(&next_part_us, 0u);
}

/* Returns how long the thread may sleep after it. */
static uint32_t work_locked(void)
{
    working = true;
    end_fiber();
    do_work();
    uint32_t pause_ms = registered != NULL ? registered->pause_ms() : OS_FOREVER;
    working = false;
    lock_release(&work_lock);
    return pause_ms;
}

/* In a thread of the program's.  It may be cancelled, and comes to places where it would end: liburcu waits in such, and so may
 * the program's own functions that it calls.  The lock would be held for ever.  Returns what work_end_locked wants. */
static int work_begin_locked(void)
{
    int cancellable;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellable);
    working = true;
    return cancellable;
}

static void work_end_locked(int cancellable)
{
    working = false;
    lock_release(&work_lock);
    pthread_setcancelstate(cancellable, NULL);
}

/* By births, or by deaths that help; what it rests in is looked at by the clock. */
static void work_part_locked(bool help)
{
    int saved = errno, cancellable = work_begin_locked();
    if (help)
        fiber_help(PART_MICROSECONDS);
    else
        fiber_run(do_work, PART_MICROSECONDS);
    store_rlx(&next_part_us, fiber_is_resting() ? os_now_us() + GAP_MICROSECONDS : 0u);
    work_end_locked(cancellable);
    errno = saved;
}

bool keeper_exclusively(void (*job)(void *context), void *context)
{
    if (working)
        return false;
    add_rlx(&wanted, 1u);
    lock_acquire(&work_lock);
    sub_rlx(&wanted, 1u);
    int cancellable = work_begin_locked();
    end_fiber();
    job(context);
    release_retired();
    work_end_locked(cancellable);
    return true;
}

bool keeper_is_wanted(void)
{
    return load_rlx(&wanted) != 0 || fiber_is_hurried();
}

static void *keeper_main(void *unused)
{
    static _Atomic uint32_t never;
    os_thread_settle(PRIORITY);
    os_rare_end(); /* begun for it */
    for (;;) {
        uint32_t bell = load_acq(&watch_bell); /* P:watch acquire: with watch_ring */
        lock_acquire(&work_lock);
        uint32_t pause_ms = work_locked();
        if (load_rlx(&retired_count) != 0)
            os_wait(&never, 0, GATHER_MS);
        else
            os_wait(&watch_bell, bell, pause_ms);
    }
    return unused;
}

/* Signals are the program's, and so is errno: a birth that comes by here may succeed. */
static bool make_thread(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, old;
    int saved = errno;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    bool started = pthread_create(&thread, &attributes, keeper_main, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    errno = saved;
    return started;
}

static bool start(void)
{
    if (!os_rare_begin())
        return false;
    bool begun = os_rare_begin(); /* for the thread */
    bool started = begun && make_thread();
    if (begun && !started)
        os_rare_end();
    os_rare_end();
    return started;
}

static void start_locked(void)
{
    uint32_t now_ms = os_now_ms();
    if (load_rlx(&keeper_state) == KEEPER_RUNNING || (load_rlx(&keeper_state) == KEEPER_NONE && (int32_t)(now_ms - next_try_ms) < 0))
        return;
    next_try_ms = now_ms + RETRY_MS;
    bool started = options.collector != COLLECTOR_INLINE && start();
    store_rlx(&keeper_state, (uint32_t)(started ? KEEPER_RUNNING : KEEPER_NONE));
    if (started)
        and_rlx(&watch_call, ~WATCH_CALL_START);
}

/* Something rests whose thread has had its time, or memory is short and it has to do without. */
static bool part_is_due(bool pressed)
{
    uint64_t next_us = load_rlx(&next_part_us);
    return next_us != 0 && (pressed || os_now_us() >= next_us);
}

/* False when another thread is at it, or wants to be. */
static bool work_without_thread(bool pressed)
{
    static _Atomic uint32_t seen;
    uint32_t bell = load_acq(&watch_bell); /* P:watch acquire: with watch_ring */
    bool resting = load_rlx(&next_part_us) != 0;
    if (resting ? !part_is_due(pressed) : bell == load_rlx(&seen) && !pressed)
        return true;
    if (load_rlx(&wanted) != 0 || !lock_try(&work_lock))
        return false;
    if (!fiber_is_resting())
        store_rlx(&seen, bell);
    work_part_locked(false);
    return true;
}

void keeper_poke_slow(size_t size)
{
    if (working)
        return;
    uint32_t call = load_rlx(&watch_call);
    bool pressed = call & WATCH_CALL_WAIT, outrun = pressed;
    bool inside = epoch_inside(); /* the program's own section: a grace period would wait for us */
    if ((call & WATCH_CALL_START) && lock_try(&start_lock)) {
        start_locked();
        lock_release(&start_lock);
    }
    if (load_rlx(&keeper_state) == KEEPER_NONE && !inside)
        outrun = !work_without_thread(pressed) && pressed;
    if (outrun && !inside) {
        wait_for_memory(size);
        if (registered != NULL)
            registered->wait();
    }
}

void keeper_help(void)
{
    if (load_rlx(&next_part_us) != 0 && !working && load_rlx(&wanted) == 0 && lock_try(&work_lock))
        work_part_locked(true);
}

/* What another thread was doing is half done for ever; what rests is whole. */
static void fork_child(void)
{
    bool cut = !working && !lock_try(&work_lock);
    lock_reset(&start_lock);
    cut = fiber_fork_child(cut);
    store_rlx(&wanted, 0u);
    if (!working) /* else the one who forked goes on with it */
        lock_reset(&work_lock);
    if (!fiber_is_resting())
        store_rlx(&next_part_us, 0u);
    type_fork_child();
    cell_fork_child();
    debug_fork_child();
    if (registered != NULL)
        registered->fork_child(cut);
    store_rlx(&keeper_state, (uint32_t)KEEPER_OFF);
    store_rlx(&watch_asked, false);
    store_rlx(&watch_call, WATCH_CALL_START);
}

/* After epoch.c's: a child that has its locks back has ours as well. */
__attribute__((constructor(102))) static void keeper_construct(void)
{
    pthread_atfork(NULL, NULL, fork_child);
}
