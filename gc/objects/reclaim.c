/* Grace periods for retired spans. */
#include "gc/objects/reclaim.h"

#include "base/lock.h"
#include "base/os.h"
#include "front/objects.h"
#include "gc/objects/cell.h"
#include "gc/objects/debug.h"
#include "gc/objects/epoch.h"
#include "gc/objects/type.h"
#include "heap/retired.h"

#include <pthread.h>
#include <signal.h>

/* Spans come in crowds: one grace period for all that come within this time. */
#define GATHER_MS 10
#define RETRY_MS 1000
#define STACK_BYTES ((size_t)256 << 10)

_Atomic uint32_t reclaim_state = RECLAIM_OFF;

static struct lock start_lock;
static uint32_t next_try_ms;

static void reclaim_round(void)
{
    struct span *list = retired_take();
    if (list == NULL)
        return;
    epoch_wait();
    object_return_retired(list);
}

static void *reclaim_main(void *unused)
{
    static _Atomic uint32_t never;
    for (;;) {
        os_wait(&retired_count, 0, OS_FOREVER);
        os_wait(&never, 0, GATHER_MS);
        reclaim_round();
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
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    bool started = pthread_create(&thread, &attributes, reclaim_main, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    return started;
}

void reclaim_poke_slow(void)
{
    if (!lock_try(&start_lock))
        return;
    uint32_t now_ms = os_now_ms();
    if (load_rlx(&reclaim_state) == RECLAIM_NONE)
        reclaim_round();
    if (load_rlx(&reclaim_state) == RECLAIM_OFF || (int32_t)(now_ms - next_try_ms) >= 0) {
        store_rlx(&reclaim_state, (uint32_t)(start() ? RECLAIM_RUNNING : RECLAIM_NONE));
        next_try_ms = now_ms + RETRY_MS;
    }
    lock_release(&start_lock);
}

static void fork_child(void)
{
    lock_reset(&start_lock);
    type_fork_child();
    cell_fork_child();
    debug_fork_child();
    if (load_rlx(&reclaim_state) == RECLAIM_RUNNING)
        store_rlx(&reclaim_state, (uint32_t)RECLAIM_OFF);
}

/* After epoch.c's: a child that has its locks back has ours as well. */
__attribute__((constructor(102))) static void reclaim_construct(void)
{
    pthread_atfork(NULL, NULL, fork_child);
}
