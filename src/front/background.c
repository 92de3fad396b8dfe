/* Rounds, the thread that does them, and who does them without it. */
#include "front/background.h"

#include "arenas/arena.h"
#include "arenas/purge.h"
#include "base/options.h"
#include "base/stats.h"
#include "heap/heap.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

/* A thread is worth its stack once this much is in use. */
#define START_SLICES 32

/* A hold is cut into so many rounds: memory leaves at most an eighth late. */
#define ROUNDS_PER_HOLD 8
#define ROUND_MIN_MS 10
#define ROUND_MAX_MS 250

/* Without membarrier() a poke may miss ASLEEP; then the sleep is not for ever. */
#define DOZE_MS 2000

#define STACK_BYTES ((size_t)128 << 10)

_Atomic uint32_t background_state = BACKGROUND_OFF;

static _Atomic bool allowed;
static _Atomic uint32_t last_round_ms;
static struct lock round_lock = LOCK_INIT;

static uint32_t hold_in_force(void)
{
    if (options.purge == OPTION_NEVER)
        return UINT32_MAX;
    size_t resident = (load_rlx(&arenas.used_slices) + load_rlx(&arenas.dirty_slices)) << SLICE_SHIFT;
    return options.limit != 0 && resident > options.limit ? 0 : (uint32_t)options.purge;
}

static uint32_t round_ms(void)
{
    uint64_t ms = options.purge / ROUNDS_PER_HOLD;
    return ms < ROUND_MIN_MS ? ROUND_MIN_MS : ms > ROUND_MAX_MS ? ROUND_MAX_MS : (uint32_t)ms;
}

/* First all doors, then one barrier for all of them. */
static bool park_idle_heaps(void)
{
    unsigned parked = 0;
    if (!options.sweep)
        return false;
    for (struct heap *heap = load_acq(&heaps_all); heap != NULL; heap = heap->all_next) { /* P:heap list acquire: with heap_create */
        if (heap_needs_sweep(heap))
            parked += heap_park_begin(heap);
    }
    return parked != 0 && os_barrier();
}

static size_t sweep_heaps(uint32_t now_ms, uint32_t hold_ms)
{
    size_t bytes = 0;
    bool barrier = park_idle_heaps();
    for (struct heap *heap = load_acq(&heaps_all); heap != NULL; heap = heap->all_next) { /* P:heap list acquire: with heap_create */
        if (!heap_needs_sweep(heap) || !heap_park_finish(heap, barrier))
            continue;
        bytes += heap_sweep_locked(heap, now_ms, hold_ms);
        lock_release(&heap->lock);
        stats_add(heaps_swept, 1);
    }
    return bytes;
}

size_t background_round(uint32_t hold_ms)
{
    if (!lock_try(&round_lock))
        return 0;
    uint32_t now_ms = os_now_ms();
    store_rlx(&last_round_ms, now_ms);
    stats_add(background_rounds, 1);
    size_t trimmed = sweep_heaps(now_ms, hold_ms);
    stats_add(trimmed_bytes, trimmed);
    size_t bytes = trimmed + purge_free_slices(now_ms, hold_ms);
    lock_release(&round_lock);
    return bytes;
}

static bool work_left(void)
{
    if (purge_dirty_bytes() != 0)
        return true;
    for (struct heap *heap = load_acq(&heaps_all); heap != NULL; heap = heap->all_next) { /* P:heap list acquire: with heap_create */
        enum heap_state state = load_rlx(&heap->state);
        if (state != HEAP_DEAD && (options.sweep || state >= HEAP_PARKED) && heap_needs_sweep(heap))
            return true;
    }
    return false;
}

static void fall_asleep(void)
{
    store_rlx(&background_state, (uint32_t)BACKGROUND_ASLEEP);
    bool sure = os_barrier(); /* pokes from now on see it, and what was done before them is seen below */
    fence_seq_cst();
    if (!work_left())
        os_wait(&background_state, BACKGROUND_ASLEEP, sure ? OS_FOREVER : DOZE_MS);
    store_rlx(&background_state, (uint32_t)BACKGROUND_RUNNING);
}

static void *background_main(void *unused)
{
    static _Atomic uint32_t never; /* a word that nobody wakes: a clock without signals or stdio */
    for (;;) {
        os_wait(&never, 0, round_ms());
        background_round(hold_in_force());
        if (!work_left())
            fall_asleep();
    }
    return unused;
}

static void start(void)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, old;
    int saved = errno;
    bool started = false;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old); /* the thread inherits it: the program's handlers never run there */
    if (pthread_attr_init(&attr) == 0) {
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        pthread_attr_setstacksize(&attr, STACK_BYTES);
        started = pthread_create(&thread, &attr, background_main, NULL) == 0;
        pthread_attr_destroy(&attr);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (started)
        pthread_setname_np(thread, "arca");
    store_rlx(&background_state, (uint32_t)(started ? BACKGROUND_RUNNING : BACKGROUND_NONE));
    errno = saved;
}

/* The rounds of a process without the thread, at the price of whoever comes by. */
static void round_if_due(void)
{
    uint32_t now_ms = os_now_ms();
    if (now_ms - load_rlx(&last_round_ms) >= round_ms())
        background_round(hold_in_force());
}

void background_poke_slow(void)
{
    uint32_t state = load_rlx(&background_state);
    if (!load_rlx(&allowed) || options.purge == OPTION_NEVER)
        return;
    switch (state) {
    case BACKGROUND_OFF:
        if (!options.background)
            store_rlx(&background_state, (uint32_t)BACKGROUND_NONE);
        else if (load_rlx(&arenas.used_slices) + load_rlx(&arenas.dirty_slices) >= START_SLICES &&
                 cas_acq(&background_state, &state, (uint32_t)BACKGROUND_STARTING))
            start();
        break;
    case BACKGROUND_ASLEEP:
        if (cas_acq(&background_state, &state, (uint32_t)BACKGROUND_RUNNING))
            os_wake(&background_state, 1);
        break;
    case BACKGROUND_NONE:
        round_if_due();
        break;
    default:
        break;
    }
}

void background_allow(void)
{
    store_rlx(&allowed, true);
}

void background_fork_child(void)
{
    lock_reset(&round_lock);
    store_rlx(&background_state, (uint32_t)BACKGROUND_OFF);
}
