/* The heap is bounded by bytes as well: garbage that is few objects and much memory. */
#include "harness.h"

#include "arca/gc.h"
#include "arenas/arena.h"
#include "base/options.h"
#include "gc/cycles/collector.h"
#include "heap/watch.h"
#include "threads.h"

#define MIB ((size_t)1 << 20)
#define CYCLE_BYTES ((size_t)16 << 10) /* of each of its two objects */

struct node {
    arca_var_object object;
    arca_slot next, held;
    char payload[];
};
static const uint32_t slots[] = { offsetof(struct node, next), offsetof(struct node, held) };
static arca_type node_type = { .name = "node", .size = sizeof(struct node), .item_size = 1, .slots = slots, .slot_count = 2 };
static arca_type plain_type = { .name = "plain", .size = sizeof(arca_var_object), .item_size = 1 };

static size_t peak;

static void note_peak(void)
{
    size_t now = arena_resident_slices(&arenas) << SLICE_SHIFT;
    peak = now > peak ? now : peak;
}

static struct node *node_new(size_t bytes)
{
    struct node *node = arca_new_var(&node_type, bytes - sizeof *node);
    REQUIRE(node != NULL);
    return node;
}

static struct node *cycle_new(size_t bytes)
{
    struct node *a = node_new(bytes), *b = node_new(bytes);
    arca_slot_store(&a->next, b);
    arca_slot_put(&b->next, arca_retain(a));
    arca_release(b);
    return a;
}

static void churn(size_t bytes)
{
    for (size_t made = 0; made < bytes; made += 2 * CYCLE_BYTES) {
        arca_release(cycle_new(CYCLE_BYTES));
        note_peak();
    }
}

/* Other processes have the processor that the collector needs: what comes to the same is that it sleeps. */
static void be_slow(const struct arca_gc_event *event, void *milliseconds)
{
    if (event->start)
        wait_ms((unsigned)(intptr_t)milliseconds);
}

static void read_options(void)
{
    arca_free(arca_malloc(1));
}

/* Births by count would wait at 16 GiB. */
TEST(gc_bytes, births_of_garbage_wait_for_a_slow_collector)
{
    enum { LIVE = 32 };
    struct node *live[LIVE];
    read_options();
    options.backlog = 250000; /* 61 MiB */
    for (unsigned i = 0; i < LIVE; i++)
        live[i] = node_new(MIB);
    arca_gc_collect(2);
    REQUIRE(arca_gc_add_callback(be_slow, (void *)(intptr_t)300) == 0);
    uint64_t waits = load_rlx(&watch_figures.waits);
    churn(512 * MIB);
    for (unsigned more = 0; more < 40 && load_rlx(&watch_figures.waits) == waits; more++)
        churn(128 * MIB); /* births were slower than the collector, so far */
    CHECK(peak < 12 * LIVE * MIB);
    CHECK(load_rlx(&watch_figures.waits) > waits);
    for (unsigned i = 0; i < LIVE; i++)
        arca_release(live[i]);
}

static struct node *born_meanwhile;

static void give_birth(const struct arca_gc_event *event, void *unused)
{
    (void)unused;
    if (event->start)
        born_meanwhile = node_new(32 * MIB);
}

/* Whom a cycle held, in the end its memory, is no part of what a collection has left; nor is what was born meanwhile. */
TEST(gc_bytes, what_garbage_held_is_not_taken_for_live)
{
    arca_gc_disable(); /* one that is planned would give birth as well */
    arca_gc_add_callback(give_birth, NULL);
    for (unsigned i = 0; i < 1000; i++) {
        struct node *cycle = cycle_new(64);
        arca_slot_put(&cycle->held, arca_new_var(&plain_type, 30000));
        arca_release(cycle);
    }
    arca_gc_collect(0);
    CHECK(load_rlx(&collector.base_bytes) < (int64_t)MIB);
    arca_release(born_meanwhile);
}

/* By count 10000 would have to be born first. */
TEST(gc_bytes, few_large_objects_are_collected)
{
    arca_gc_set_threshold((unsigned[]){ 1000, 10, 10 }); /* 62 MiB */
    for (unsigned i = 0; i < 900; i++) {
        arca_release(cycle_new(2 * MIB / 4));
        note_peak();
        wait_ms(1);
    }
    CHECK(peak < 400 * MIB);
    CHECK(load_rlx(&watch_figures.generations[0].collected) > 0);
}

/* Few of many objects, and most of the memory: by count no full collection would be due. */
TEST(gc_bytes, garbage_that_has_grown_old_is_collected_where_it_is_much)
{
    enum { SMALL = 100000, KEPT = 128, MADE = 2048 };
    static struct node *small[SMALL], *kept[KEPT];
    read_options();
    options.backlog = 100000; /* 24 MiB */
    arca_gc_set_threshold((unsigned[]){ 100, 1000, 1000 });
    for (unsigned i = 0; i < SMALL; i++)
        small[i] = node_new(64);
    arca_gc_collect(2);
    for (unsigned i = 0; i < MADE; i++) {
        arca_release(kept[i % KEPT]);
        kept[i % KEPT] = cycle_new(MIB / 4);
        note_peak();
    }
    CHECK(peak < 400 * MIB);
    for (unsigned i = 0; i < KEPT; i++)
        arca_release(kept[i]);
    for (unsigned i = 0; i < SMALL; i++)
        arca_release(small[i]);
}

/* All of it: of the blocks that are in bins, parcels and on their way, too. */
TEST(gc_bytes, what_is_counted_on_is_counted_off)
{
    static void *objects[20000];
    int64_t blocks = load_rlx(&watch_blocks), bytes = load_rlx(&watch_bytes);
    for (unsigned i = 0; i < 20000; i++)
        objects[i] = arca_new_var(&plain_type, i * 3);
    CHECK(load_rlx(&watch_bytes) > bytes + 3 * 20000 / 2 * 20000L);
    for (unsigned i = 0; i < 20000; i++)
        arca_release(objects[i]);
    for (unsigned i = 0; i < 6000 && load_rlx(&watch_blocks) != blocks; i++) {
        arca_trim(0);
        wait_ms(5);
    }
    CHECK_EQ(load_rlx(&watch_blocks), blocks);
    CHECK_EQ(load_rlx(&watch_bytes), bytes);
}

static _Atomic bool looking, may_go_on;

static void look_for_long(void *object, arca_visit *visit, void *context)
{
    (void)object, (void)visit, (void)context;
    store_rlx(&looking, true);
    while (!load_rlx(&may_go_on))
        wait_ms(1);
}

static arca_type slow_type = { .name = "slow", .size = sizeof(arca_object), .traverse = look_for_long };

static void *collect(void *unused)
{
    arca_gc_collect(2);
    return unused;
}

/* The dead are no garbage, but stay as long as a collection does. */
static void check_deaths_wait_for_a_collection(size_t bytes)
{
    read_options();
    options.backlog = 100000; /* 24 MiB */
    arca_gc_set_threshold((unsigned[]){ 100, 1000, 1000 });
    arca_object *slow = arca_new(&slow_type);
    pthread_t thread = start_thread(collect, NULL);
    while (!load_rlx(&looking))
        wait_ms(1);
    uint64_t waits = load_rlx(&watch_figures.waits);
    size_t made = 0;
    for (; made < 512 * MIB && load_rlx(&watch_figures.waits) == waits; made += bytes)
        arca_release(arca_new_var(&plain_type, bytes));
    CHECK(made >= 24 * MIB);
    CHECK(made < 64 * MIB);
    store_rlx(&may_go_on, true);
    pthread_join(thread, NULL);
    arca_release(slow);
}

TEST(gc_bytes, births_wait_where_large_objects_die_in_a_long_collection)
{
    check_deaths_wait_for_a_collection(MIB);
}

TEST(gc_bytes, births_wait_where_objects_of_pools_die_in_a_long_collection)
{
    check_deaths_wait_for_a_collection(20000);
}

TEST(gc_bytes, births_do_not_wait_for_a_disabled_collector)
{
    CHECK(load_rlx(&watch_full_bytes) < WATCH_BYTES_NEVER);
    arca_gc_disable();
    CHECK_EQ(load_rlx(&watch_full_bytes), WATCH_BYTES_NEVER);
    CHECK_EQ(load_rlx(&watch_limit_bytes), WATCH_BYTES_NEVER);
}

static size_t full(void)
{
    return (size_t)load_rlx(&watch_full_bytes);
}

TEST(gc_bytes, births_do_not_wait_for_what_came_before_the_collector_was_enabled)
{
    enum { KEPT = 64 };
    static struct node *kept[KEPT];
    read_options();
    options.backlog = 1000;
    arca_gc_set_threshold((unsigned[]){ 1, 1000, 1000 });
    arca_object *slow = arca_new(&slow_type);
    pthread_t thread = start_thread(collect, NULL); /* while it looks there is no other */
    while (!load_rlx(&looking))
        wait_ms(1);
    size_t before = full();
    CHECK(before < 10 * MIB);
    arca_gc_disable();
    for (unsigned i = 0; i < KEPT; i++)
        kept[i] = node_new(MIB);
    arca_gc_enable();
    CHECK(watch_ahead_bytes() <= 0);
    CHECK(full() >= before + KEPT * MIB && full() < before + (KEPT + 2) * MIB);
    CHECK(load_rlx(&watch_full) > load_rlx(&watch_blocks));
    size_t enabled = full();
    arca_gc_disable();
    arca_gc_enable();
    CHECK_EQ(full(), enabled); /* nothing came meanwhile */
    store_rlx(&may_go_on, true);
    pthread_join(thread, NULL);
    arca_gc_collect(2);
    CHECK_EQ(load_rlx(&collector.unwatched), 0);
    CHECK_EQ(load_rlx(&collector.unwatched_bytes), 0);
    CHECK(full() >= KEPT * MIB && full() < 2 * KEPT * MIB);
    for (unsigned i = 0; i < KEPT; i++)
        arca_release(kept[i]);
    arca_release(slow);
}
