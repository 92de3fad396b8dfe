/* The thread, its start, and who works without it. */
#include "gc/objects/keeper.h"

#include "base/lock.h"
#include "base/os.h"
#include "front/objects.h"
#include "gc/objects/cell.h"
#include "gc/objects/debug.h"
#include "gc/objects/epoch.h"
#include "gc/objects/type.h"
#include "heap/retired.h"
#include "heap/watch.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

/* Spans come in crowds: one grace period for all that come within this time. */
#define GATHER_MS 10
#define RETRY_MS 1000
#define PRIORITY 5 /* nicer than the program */

_Atomic uint32_t keeper_state = KEEPER_OFF;

static const struct keeper_work *registered;
static struct lock start_lock, work_lock;
static uint32_t next_try_ms;
static ARCA_TLS bool working;

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
    for (struct span *span = list; span != NULL; span = span->next) {
        arca_free(load_rlx(&span->side));
        store_rlx(&span->side, NULL);
    }
    object_return_retired(list);
}

static void work_locked(void)
{
    working = true;
    release_retired();
    if (registered != NULL)
        registered->work();
    working = false;
    lock_release(&work_lock);
}

bool keeper_exclusively(void (*job)(void *context), void *context)
{
    if (working)
        return false;
    lock_acquire(&work_lock);
    working = true;
    job(context);
    release_retired();
    working = false;
    lock_release(&work_lock);
    return true;
}

/* Until the bell rings, or the time has come for what is planned.  Asleep for good, the next birth or death rings. */
static void sleep_until_wanted(uint32_t bell)
{
    uint32_t pause_ms = registered != NULL ? registered->pause_ms() : OS_FOREVER;
    store_rlx(&watch_asleep, pause_ms == OS_FOREVER);
    os_wait(&watch_bell, bell, pause_ms);
}

static void *keeper_main(void *unused)
{
    static _Atomic uint32_t never;
    setpriority(PRIO_PROCESS, 0, PRIORITY); /* of this thread, on Linux */
    for (;;) {
        uint32_t bell = load_acq(&watch_bell); /* P:watch acquire: with watch_ring */
        lock_acquire(&work_lock);
        work_locked();
        if (load_rlx(&retired_count) != 0)
            os_wait(&never, 0, GATHER_MS);
        else
            sleep_until_wanted(bell);
    }
    return unused;
}

/* Signals are the program's. */
static bool start(void)
{
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t all, old;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    bool started = pthread_create(&thread, &attributes, keeper_main, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
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

void keeper_poke_slow(void)
{
    if (working)
        return;
    bool inside = epoch_inside(); /* the program's own section: a grace period would wait for us */
    if ((load_rlx(&watch_call) & WATCH_CALL_WAIT) && !inside && registered != NULL)
        registered->wait();
    if (!(load_rlx(&watch_call) & WATCH_CALL_START))
        return;
    if (lock_try(&start_lock)) {
        start_locked();
        lock_release(&start_lock);
    }
    static _Atomic uint32_t seen;
    uint32_t bell = load_acq(&watch_bell); /* P:watch acquire: with watch_ring */
    if (load_rlx(&keeper_state) == KEEPER_NONE && !inside && bell != load_rlx(&seen) && lock_try(&work_lock)) {
        store_rlx(&seen, bell);
        work_locked();
    }
}

static void fork_child(void)
{
    lock_reset(&start_lock);
    if (!working) /* else the one who forked goes on with it */
        lock_reset(&work_lock);
    type_fork_child();
    cell_fork_child();
    debug_fork_child();
    if (registered != NULL)
        registered->fork_child();
    store_rlx(&keeper_state, (uint32_t)KEEPER_OFF);
    store_rlx(&watch_asked, false);
    store_rlx(&watch_call, WATCH_CALL_START);
}

/* After epoch.c's: a child that has its locks back has ours as well. */
__attribute__((constructor(102))) static void keeper_construct(void)
{
    pthread_atfork(NULL, NULL, fork_child);
}
