/* Rounds, the thread that does them, and who does them without it. */
#include "front/background.h"

#include "arenas/arena.h"
#include "arenas/purge.h"
#include "base/options.h"
#include "base/probe.h"
#include "base/stats.h"
#include "front/pressure.h"
#include "heap/heap.h"

/* A thread is worth its start once this much is in use. */
#define START_SLICES ARENA_ALARM_FIRST

/* A hold is cut into so many rounds: memory leaves at most an eighth late. */
#define ROUNDS_PER_HOLD 8
#define ROUND_MIN_MS 10
#define ROUND_MAX_MS 250

/* The next round after one that a thread interrupted: leaves it most of the time. */
#define INTERRUPTED_MS 2

_Atomic uint32_t background_state = BACKGROUND_OFF;

/* How long who wants to be alone in the process waits for the thread to go; one that serves sleeps for a round. */
#define PAUSE_LOOK_US 50
#define PAUSE_LOOKS 20000

static _Atomic uint32_t paused; /* by so many */
static ARCA_TLS uint32_t paused_here; /* of them in this thread */
static _Atomic bool allowed;
static _Atomic uint32_t last_round_ms;
static _Atomic size_t child_credit; /* bytes that the child of a fork may change before it is worth a thread */
static _Atomic size_t inherited_dirty; /* slices, at the fork */
static struct lock round_lock = LOCK_INIT;
static void (*serve)(uint32_t timeout_ms);

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
    struct heap_entry *at = heap_first();
    for (struct heap *heap; (heap = heap_next(&at)) != NULL;) {
        if (heap_needs_sweep(heap))
            parked += heap_park_begin(heap);
    }
    return parked != 0 && os_barrier();
}

/* *interrupted: a thread came back while its heap was being swept, and work is left. */
static size_t sweep_heaps(uint32_t now_ms, uint32_t since_ms, uint32_t hold_ms, bool *interrupted)
{
    size_t bytes = 0;
    unsigned busy = 0;
    bool barrier = park_idle_heaps();
    struct heap_entry *at = heap_first();
    for (struct heap *heap; (heap = heap_next(&at)) != NULL;) {
        if (!heap_needs_sweep(heap))
            continue;
        if (!heap_park_finish(heap, barrier)) {
            busy++;
            continue;
        }
        size_t trimmed = heap_sweep_locked(heap, now_ms, since_ms, hold_ms);
        PROBE2(sweep, heap->index, trimmed);
        bytes += trimmed;
        *interrupted |= lock_is_wanted(&heap->lock);
        lock_release(&heap->lock);
        stats_add(heaps_swept, 1);
    }
    stats_set(last_busy_heaps, busy);
    return bytes;
}

/* When the last round was, but no longer ago than rounds are apart: before, there was nothing to do. */
static uint32_t last_visit_ms(uint32_t now_ms)
{
    uint32_t ago_ms = now_ms - load_rlx(&last_round_ms);
    return now_ms - (ago_ms < round_ms() ? ago_ms : round_ms());
}

static size_t round_locked(uint32_t hold_ms, bool *interrupted)
{
    uint32_t now_ms = os_now_ms(), since_ms = last_visit_ms(now_ms);
    store_rlx(&last_round_ms, now_ms);
    stats_add(background_rounds, 1);
    size_t trimmed = sweep_heaps(now_ms, since_ms, hold_ms, interrupted);
    stats_add(trimmed_bytes, trimmed);
    return trimmed + heap_shared_trim(now_ms, hold_ms) + purge_free_slices(now_ms, hold_ms);
}

/* As the options and the state of memory have it. */
static void round_due_locked(bool *interrupted)
{
    bool pressed = options.purge != OPTION_NEVER && pressure_look_sometimes();
    round_locked(options.purge == OPTION_NEVER ? INT32_MAX : pressed ? 0 : (uint32_t)options.purge, interrupted);
}

size_t background_round(uint32_t hold_ms)
{
    bool interrupted = false;
    lock_acquire(&round_lock);
    size_t bytes = round_locked(hold_ms, &interrupted);
    lock_release(&round_lock);
    return bytes;
}

static bool work_left(void)
{
    if (purge_has_work() || (heap_shared_has_work() && options.purge != OPTION_NEVER))
        return true;
    struct heap_entry *at = heap_first();
    for (struct heap *heap; (heap = heap_next(&at)) != NULL;) {
        enum heap_state state = load_rlx(&heap->state);
        if (state != HEAP_DEAD && (options.sweep || state >= HEAP_PARKED) && heap_needs_sweep(heap))
            return true;
    }
    return false;
}

/* True when the thread may go; false when it must look again. */
static bool may_leave(void)
{
    if (serve != NULL || work_left())
        return false;
    uint32_t expected = BACKGROUND_OFF;
    exchange_acqrel(&background_state, (uint32_t)BACKGROUND_OFF); /* a barrier of our own, at least */
    os_barrier();
    return !work_left() || !cas_acq(&background_state, &expected, (uint32_t)BACKGROUND_RUNNING);
}

static void sleep_only(uint32_t timeout_ms)
{
    os_wait(&paused, 0, timeout_ms); /* a clock without signals */
}

static void background_main(void)
{
    bool interrupted = false;
    do {
        (serve != NULL ? serve : sleep_only)(interrupted ? INTERRUPTED_MS : round_ms());
        if (load_rlx(&paused) != 0) { /* the work is done by the one that comes after the pause */
            store_rlx(&background_state, (uint32_t)BACKGROUND_OFF);
            return;
        }
        interrupted = false;
        lock_acquire(&round_lock);
        round_due_locked(&interrupted);
        lock_release(&round_lock);
    } while (!may_leave());
}

/* Of the child of a fork, until it has changed as much as a new process may have without a thread, or given up as much:
 * most children of a server live for milliseconds, and what they inherited is their parent's to give back.  A slow path
 * changes what it claims, or what a refill or a flush moves.  A hint: pokes of several threads may count once. */
static bool does_little(size_t incoming)
{
    size_t left = load_rlx(&child_credit), flush = options.cache / 2, bytes = incoming > flush ? incoming : flush;
    if (load_rlx(&arenas.dirty_slices) >= load_rlx(&inherited_dirty) + START_SLICES)
        left = 0;
    store_rlx(&child_credit, left > bytes ? left - bytes : 0);
    return left > bytes;
}

static bool worth_starting(size_t incoming)
{
    if (serve != NULL)
        return true;
    return arena_resident_slices(&arenas) >= START_SLICES && (load_rlx(&child_credit) == 0 || !does_little(incoming));
}

static bool process_is_ours(void)
{
    if (!os_rare_begin())
        return false;
    bool ours = os_process_is_ours();
    os_rare_end();
    return ours;
}

/* The state first: the thread may be through before os_thread_start() returns. */
static void start(void)
{
    store_rlx(&background_state, (uint32_t)BACKGROUND_RUNNING);
    if (!os_thread_start(background_main))
        store_rlx(&background_state, (uint32_t)BACKGROUND_NONE);
}

/* The rounds of a process without the thread, at the price of whoever comes by; then another try to start it. */
static void round_if_due(void)
{
    bool interrupted = false;
    if (os_now_ms() - load_rlx(&last_round_ms) < round_ms() || !lock_try(&round_lock))
        return;
    round_due_locked(&interrupted);
    lock_release(&round_lock);
    uint32_t expected = BACKGROUND_NONE;
    if (options.background)
        cas_acq(&background_state, &expected, (uint32_t)BACKGROUND_OFF);
}

/* Memory may be short.  While it is, or when a claim may make it so before anybody comes by again, who claims waits for what the
 * rounds bring. */
static void answer_alarm(size_t incoming)
{
    bool interrupted = false;
    if (pressure_is_near(incoming))
        lock_acquire(&round_lock);
    else if (!lock_try(&round_lock))
        return;
    if (exchange_rlx(&arenas.alarm, false) && pressure_look(incoming)) {
        round_locked(0, &interrupted);
        pressure_look(incoming); /* the alarm for what there is now */
    }
    lock_release(&round_lock);
}

void background_poke_slow(size_t incoming)
{
    uint32_t state = load_rlx(&background_state);
    bool never = options.purge == OPTION_NEVER;
    if (!load_rlx(&allowed) || load_rlx(&paused) != 0 || (never && serve == NULL)) /* who serves is started again in a child all the same */
        return;
    if (!never && load_rlx(&arenas.alarm))
        answer_alarm(incoming);
    switch (state) {
    case BACKGROUND_OFF:
        if (!options.background || os_is_confined())
            store_rlx(&background_state, (uint32_t)BACKGROUND_NONE);
        else if (worth_starting(incoming) && process_is_ours() && cas_acq(&background_state, &state, (uint32_t)BACKGROUND_STARTING))
            start();
        break;
    case BACKGROUND_NONE:
        round_if_due();
        break;
    default:
        break;
    }
}

static void start_if_off(void)
{
    uint32_t expected = BACKGROUND_OFF;
    if (cas_acq(&background_state, &expected, (uint32_t)BACKGROUND_STARTING))
        start();
}

void background_serve(void (*wait)(uint32_t timeout_ms))
{
    serve = wait;
    start_if_off();
}

/* As far as it may be asked: each look is a call of its own, for whoever confines the process waits for those under way. */
static bool thread_is_gone(void)
{
    if (!os_rare_begin())
        return true;
    bool gone = os_thread_is_gone();
    os_rare_end();
    return gone;
}

bool background_pause(void)
{
    if (!process_is_ours() || thread_is_gone())
        return false;
    add_rlx(&paused, 1u);
    fence_compiler(); /* where a handler forks between the two, here and below, its child counts one too few, not too many */
    paused_here++;
    os_wake(&paused, INT32_MAX);
    for (unsigned i = 0; i < PAUSE_LOOKS && !thread_is_gone(); i++)
        os_pause(PAUSE_LOOK_US);
    return true;
}

void background_resume(void)
{
    uint32_t before = load_rlx(&paused);
    paused_here--;
    fence_compiler();
    while (before != 0 && !cas_weak_rlx(&paused, &before, before - 1))
        continue;
    if (before <= 1 && !os_is_confined())
        start_if_off();
}

void background_allow(void)
{
    store_rlx(&allowed, true);
}

void background_fork_child(void)
{
    os_thread_fork_child();
    lock_reset(&round_lock);
    store_rlx(&paused, paused_here); /* a handler may fork while its thread waits; both will resume */
    store_rlx(&inherited_dirty, load_rlx(&arenas.dirty_slices));
    store_rlx(&child_credit, START_SLICES * SLICE_SIZE);
    store_rlx(&background_state, (uint32_t)BACKGROUND_OFF);
}
