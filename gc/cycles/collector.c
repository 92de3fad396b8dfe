/* When to collect. */
#include "gc/cycles/collector.h"

#include "base/log.h"
#include "base/options.h"
#include "base/os.h"
#include "base/probe.h"
#include "gc/cycles/collection.h"
#include "gc/cycles/events.h"
#include "gc/cycles/finder.h"
#include "gc/objects/fiber.h"
#include "gc/objects/keeper.h"
#include "gc/objects/limbo.h"
#include "gc/objects/recall.h"
#include "gc/objects/weak.h"

/* In a larger heap than this generation 0 may grow in proportion. */
#define SMALL_HEAP 70000

/* By bytes as well: of the young an object of so many counts as one, of a backlog one of so many; larger ones count as
 * several.  In a larger heap the young may be a share of it before they are collected, and births by another share ahead
 * before they wait.
 * Law: bytes in use <= what the last collection left + young + ahead, and what births make that wait. */
#define YOUNG_BYTES ((int64_t)64 << 10)
#define YOUNG_SHARE 8
#define AHEAD_BYTES 256
#define AHEAD_SHARE 2
/* What may have been left since the last full one, before another: a share, or so many times the young. */
#define OLD_SHARE 2
#define OLD_YOUNG 8

/* The limbo is emptied again while so much comes into it meanwhile; the deaths of a thread that does nothing else but die
 * bring half of it back. */
#define DRAIN_FEW 4096
#define DRAIN_ROUNDS 16

/* A birth in so many sleeps while the backlog is full, more often the fuller it is: seldom enough for the ten-thousandth
 * slowest birth, short enough for the slowest: in a virtual machine it lasts up to 0.2 ms longer than it is asked to. */
#define WAIT_EVERY 12288
#define WAIT_MICROSECONDS 200
/* So long each of them does while memory is short: who is to answer may wait for user code, or for a reader. */
#define ASKED_MAX_MS 1000

/* Who changes a setting and then the limits must not be outrun by who read the setting before. */
static struct lock limits_lock;

struct collector collector = { .enabled = true };

/* ---- figures ---------------------------------------------------------------------------------------------- */

static bool limit_is_passed(void)
{
    return load_rlx(&watch_blocks) >= load_rlx(&watch_limit) || load_rlx(&watch_bytes) >= load_rlx(&watch_limit_bytes);
}

/* A share, or so many objects of so many bytes. */
static int64_t share_of(int64_t bytes, int64_t share, uint64_t objects, int64_t each)
{
    int64_t most = WATCH_BYTES_NEVER / 16, few = objects < (uint64_t)(most / each) ? (int64_t)objects * each : most;
    return bytes / share > few ? bytes / share : few;
}

/* More than there can ever be is as good as any more: sums with it do not overflow. */
static int64_t backlog(void)
{
    return options.backlog < WATCH_BYTES_NEVER ? (int64_t)options.backlog : WATCH_BYTES_NEVER;
}

void collector_set_limits(void)
{
    lock_acquire(&limits_lock);
    int64_t base = load_rlx(&collector.base), threshold = load_rlx(&collector.thresholds[0]);
    int64_t bytes = load_rlx(&collector.base_bytes), lead = share_of(bytes, AHEAD_SHARE, options.backlog, AHEAD_BYTES);
    store_rlx(&watch_lead_bytes, lead);
    if (!load_rlx(&collector.enabled) || threshold == 0) {
        store_rlx(&watch_limit, INT64_MAX);
        store_rlx(&watch_full, INT64_MAX);
        store_rlx(&watch_limit_bytes, WATCH_BYTES_NEVER);
        store_rlx(&watch_full_bytes, WATCH_BYTES_NEVER);
    } else {
        int64_t growth = base > SMALL_HEAP ? threshold * (base / SMALL_HEAP) : threshold;
        store_rlx(&watch_limit, base + growth);
        store_rlx(&watch_full, base + growth + backlog() + load_rlx(&collector.unwatched));
        bytes += share_of(bytes, YOUNG_SHARE, (uint64_t)threshold, YOUNG_BYTES);
        store_rlx(&watch_limit_bytes, bytes);
        store_rlx(&watch_full_bytes, bytes + lead + load_rlx(&collector.unwatched_bytes));
    }
    watch_judge();
    lock_release(&limits_lock);
    if (limit_is_passed()) /* nothing will pass it */
        watch_ring();
}

static int64_t lower(int64_t amount, int64_t other)
{
    return amount < other ? amount : other;
}

static void add_growth(_Atomic int64_t *sum, int64_t now, int64_t before)
{
    if (now > before)
        add_rlx(sum, now - before);
}

void collector_enable(bool enabled)
{
    static int64_t blocks, bytes; /* when it was disabled */
    int64_t now = load_rlx(&watch_blocks), now_bytes = load_rlx(&watch_bytes);
    lock_acquire(&limits_lock);
    bool was = exchange_rlx(&collector.enabled, enabled);
    if (was && !enabled) {
        blocks = now;
        bytes = now_bytes;
    } else if (enabled && !was) {
        add_growth(&collector.unwatched, now, blocks);
        add_growth(&collector.unwatched_bytes, now_bytes, bytes);
    }
    lock_release(&limits_lock);
    collector_set_limits();
}

/* The young are what there is more than so many blocks, or so many bytes. */
static void count_from(int64_t blocks, int64_t bytes)
{
    store_rlx(&collector.base, lower(blocks, load_rlx(&watch_blocks)));
    store_rlx(&collector.base_bytes, lower(bytes, load_rlx(&watch_bytes)));
    collector_set_limits();
}

static void note(unsigned generation, const struct outcome *outcome, uint64_t microseconds)
{
    bump_rlx(&watch_figures.generations[generation].collections, 1u);
    bump_rlx(&watch_figures.generations[generation].collected, outcome->collected);
    bump_rlx(&watch_figures.generations[generation].uncollectable, outcome->uncollectable);
    bump_rlx(&watch_figures.generations[generation].found, outcome->found);
    bump_rlx(&watch_figures.generations[generation].aborted, outcome->found - outcome->collected - outcome->uncollectable);
    bump_rlx(&watch_figures.generations[generation].microseconds, microseconds);
    if (microseconds > load_rlx(&watch_figures.longest_microseconds))
        store_rlx(&watch_figures.longest_microseconds, microseconds);
    for (unsigned g = 0; g <= generation; g++)
        store_rlx(&collector.runs[g], 0u);
    if (generation + 1 < ARCA_GC_GENERATIONS)
        bump_rlx(&collector.runs[generation + 1], 1u);
    if (generation == ARCA_GC_GENERATIONS - 1) {
        store_rlx(&collector.old_total, outcome->tracked - outcome->collected);
        store_rlx(&collector.old_pending, 0);
    } else if (generation == ARCA_GC_GENERATIONS - 2) {
        bump_rlx(&collector.old_pending, outcome->tracked - outcome->collected);
    }
    if (load_rlx(&events_debug) & ARCA_GC_DEBUG_STATS)
        log_line("gc: generation %u: %zu tracked, %zu found, %zu freed, %zu kept, %lu us", generation, outcome->tracked,
                 outcome->found, outcome->collected, outcome->uncollectable, microseconds);
}

void collector_activate(void)
{
    store_seq(&limbo_active, 1u);
    fence_seq(); /* what dies from here on sees it, or is seen dead */
}

/* While much is left deaths shall see that there is something to help with. */
void collector_deactivate(void)
{
    for (unsigned round = 0; round < DRAIN_ROUNDS && finder_drain(NULL) > DRAIN_FEW; round++)
        ;
    store_seq(&limbo_active, 0u);
    finder_drain(NULL);
}

long collector_collect(unsigned generation)
{
    struct outcome outcome = { .failed = false };
    uint64_t start = os_now_us() - fiber_rested_us();
    int64_t unwatched = load_rlx(&collector.unwatched), unwatched_bytes = load_rlx(&collector.unwatched_bytes);
    int64_t blocks = load_rlx(&watch_blocks), bytes = load_rlx(&watch_bytes);
    struct keeper_freed before = keeper_freed;
    PROBE1(collect_begin, generation);
    events_call(&(struct arca_gc_event){ .start = true, .generation = (int)generation });
    collector_activate();
    collection_run(generation, &outcome);
    collector_deactivate();
    uint64_t microseconds = os_now_us() - fiber_rested_us() - start;
    note(generation, &outcome, microseconds);
    sub_rlx(&collector.unwatched, unwatched); /* it is seen now */
    sub_rlx(&collector.unwatched_bytes, unwatched_bytes);
    /* What was born meanwhile is young. */
    count_from(blocks - (keeper_freed.blocks - before.blocks), bytes - (keeper_freed.bytes - before.bytes));
    if (generation == GENERATIONS - 1)
        store_rlx(&collector.old_bytes, load_rlx(&collector.base_bytes));
    PROBE2(collect_end, generation, outcome.collected);
    events_call(&(struct arca_gc_event){ .generation = (int)generation, .collected = outcome.collected,
                                         .uncollectable = outcome.uncollectable, .microseconds = microseconds });
    return outcome.failed ? -1 : (long)outcome.collected;
}

/* ---- when ----------------------------------------------------------------------------------------------------- */

int64_t collector_young(void)
{
    int64_t young = load_rlx(&watch_blocks) - load_rlx(&collector.base);
    return young > 0 ? young : 0;
}

static bool young_due(void)
{
    return load_rlx(&collector.enabled) && limit_is_passed();
}

/* By bytes: few large objects may be among them. */
static bool old_have_grown(void)
{
    int64_t old = load_rlx(&collector.old_bytes);
    return load_rlx(&collector.base_bytes) - old > share_of(old, OLD_SHARE, load_rlx(&collector.thresholds[0]), OLD_YOUNG * YOUNG_BYTES);
}

/* The oldest that is due; the oldest of all only when what it would look at anew is worth looking at the rest. */
static unsigned generation_due(void)
{
    if (old_have_grown())
        return 2;
    if (load_rlx(&collector.runs[2]) > load_rlx(&collector.thresholds[2]) &&
        load_rlx(&collector.old_pending) >= load_rlx(&collector.old_total) / 4)
        return 2;
    return load_rlx(&collector.runs[1]) > load_rlx(&collector.thresholds[1]) ? 1 : 0;
}

/* Garbage that no birth follows must not wait for one: a full collection is planned some time after whatever happens to
 * objects.  One that finds nothing is followed by another after twice the time (a thread that releases the last way to a
 * cycle leaves no sign), and after some of these by none until something happens.  They take a bounded share of a
 * processor. */
#define PLAN_FIRST_MS 500
#define PLAN_LAST_MS 60000
#define PLAN_SHARE 25 /* of the time at most one part in so many */
#define PLAN_WORTH 8  /* a collection pays that frees one object in so many */

static struct {
    uint32_t turns, delay_ms;
    uint64_t at_ms, earliest_ms; /* the latter by the share */
    bool changed;         /* something happened since the last one */
    bool paid;            /* as that one did */
} plan = { .delay_ms = UINT32_MAX }; /* beyond the last: nothing is planned */

static void plan_after(uint64_t now_ms, uint32_t delay_ms)
{
    plan.delay_ms = delay_ms;
    plan.at_ms = now_ms + delay_ms;
    if (plan.earliest_ms > plan.at_ms)
        plan.at_ms = plan.earliest_ms;
}

static bool may_plan(void)
{
    return load_rlx(&collector.enabled) && load_rlx(&collector.thresholds[0]) != 0;
}

/* While memory is short the next one is due as soon as something has happened, and as often as it pays. */
static bool plan_is_due(uint64_t now_ms, bool asked)
{
    if (!may_plan())
        return false;
    if (asked && plan.changed && (plan.paid || now_ms >= plan.earliest_ms))
        return true;
    return plan.delay_ms <= PLAN_LAST_MS && now_ms >= plan.at_ms;
}

static void follow_plan(bool asked)
{
    uint64_t now_ms = os_clock_ms();
    uint32_t turns = load_rlx(&watch_turns);
    plan.changed |= turns != plan.turns;
    if (turns != plan.turns && plan.delay_ms != PLAN_FIRST_MS)
        plan_after(now_ms, PLAN_FIRST_MS);
    plan.turns = turns;
    if (!plan_is_due(now_ms, asked))
        return;
    uint64_t rested_us = fiber_rested_us();
    long collected = collector_collect(GENERATIONS - 1);
    uint64_t end_ms = os_clock_ms(), rested_ms = (fiber_rested_us() - rested_us) / 1000;
    plan.earliest_ms = end_ms + PLAN_SHARE * (end_ms - now_ms > rested_ms ? end_ms - now_ms - rested_ms : 0);
    plan.paid = collected > 0 && (size_t)collected >= load_rlx(&collector.old_total) / PLAN_WORTH;
    plan.changed = false;
    plan_after(end_ms, collected > 0 ? PLAN_FIRST_MS : 2 * plan.delay_ms);
    if (collected > 0) /* its own; else what has happened meanwhile is still to be looked at */
        plan.turns = load_rlx(&watch_turns);
}

/* After a collection the young are attended to, while something happens to objects: but so many times, and then the
 * next ones may ring. */
#define ATTEND_MS 5
#define ATTEND_LOOKS 20

static struct {
    uint32_t turns, looks;
} attention;

static bool attend(void)
{
    uint32_t turns = load_rlx(&watch_turns);
    if (attention.looks != 0 && turns != attention.turns) {
        attention.turns = turns;
        attention.looks--;
        store_rlx(&watch_attended, true);
        return true;
    }
    attention.looks = 0;
    watch_unattend();
    return false;
}

static void collector_work(void)
{
    bool asked = load_rlx(&watch_asked);
    recall_when_due(asked);
    finder_drain(NULL); /* of deaths that saw the end of a collection late */
    for (; young_due() && !keeper_is_wanted(); attention.looks = ATTEND_LOOKS) {
        collector_collect(generation_due());
        keeper_return_much();
    }
    if (young_due()) /* as soon as those who wait have had their turn */
        watch_ring();
    if (load_rlx(&watch_wanted) && exchange_rlx(&watch_wanted, false)) {
        recall_when_due(true);
        collector_collect(GENERATIONS - 1);
    }
    if (load_rlx(&watch_blocks) < load_rlx(&collector.base) || load_rlx(&watch_bytes) < load_rlx(&collector.base_bytes))
        count_from(load_rlx(&collector.base), load_rlx(&collector.base_bytes));
    follow_plan(asked);
    if (asked)
        watch_answer();
}

/* With nothing planned the next birth or death rings, if that would be planned for. */
static uint32_t pause_ms(void)
{
    bool planned = plan.delay_ms <= PLAN_LAST_MS && may_plan();
    store_rlx(&watch_asleep, !planned && may_plan());
    if (attend())
        return ATTEND_MS;
    if (!planned)
        return OS_FOREVER;
    uint64_t now_ms = os_clock_ms();
    return plan.at_ms > now_ms ? (uint32_t)(plan.at_ms - now_ms) : 1;
}

static uint32_t collector_pause_ms(void)
{
    uint32_t planned_ms = pause_ms(), recall_ms = recall_pause_ms();
    return planned_ms < recall_ms ? planned_ms : recall_ms;
}

/* Births between two sleeps. */
static uint32_t wait_every(void)
{
    int64_t ahead = load_rlx(&watch_blocks) - load_rlx(&watch_full);
    if (load_rlx(&watch_asked) && os_now_ms() - load_rlx(&watch_asked_ms) < ASKED_MAX_MS)
        return 1;
    int64_t times = 1 + (ahead > 0 ? ahead / (backlog() + 1) : 0), every = WAIT_EVERY / (times * times);
    return every > 0 ? (uint32_t)every : 1;
}

static void collector_wait(void)
{
    static ARCA_TLS uint32_t births;
    if (!load_rlx(&collector.enabled) || ++births % wait_every() != 0)
        return;
    add_rlx(&watch_figures.waits, 1u);
    os_pause(WAIT_MICROSECONDS);
}

/* A collection that a fork cut is forgotten, with what it was freeing. */
static void collector_fork_child(bool cut)
{
    if (cut) {
        store_rlx(&limbo_active, 0u);
        store_rlx(&weak_certifying, 0u);
        collection_fork_child();
    }
    lock_reset(&weak_lock);
    lock_reset(&limits_lock);
    store_rlx(&watch_attended, false);
    events_fork_child();
    recall_fork_child();
    count_from(INT64_MAX, INT64_MAX);
}

static const struct keeper_work work = { collector_work, collector_wait, collector_pause_ms, collector_fork_child };

__attribute__((constructor(102))) static void collector_construct(void)
{
    store_rlx(&watch_figures.loaded, true);
    store_rlx(&collector.enabled, options.collector != COLLECTOR_OFF);
    store_rlx(&collector.thresholds[0], (uint32_t)options.threshold0);
    store_rlx(&collector.thresholds[1], (uint32_t)options.threshold1);
    store_rlx(&collector.thresholds[2], (uint32_t)options.threshold2);
    plan.earliest_ms = os_clock_ms();
    collector_set_limits();
    keeper_set_work(&work);
}
