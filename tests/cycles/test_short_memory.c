/* Memory that is short starts a collection, and births wait for it: garbage stays below the limit though no threshold is
 * near. */
#include "harness.h"

#include "arca/arca.h"
#include "arca/gc.h"
#include "arenas/arena.h"
#include "base/options.h"
#include "base/stats.h"
#include "gc/cycles/collector.h"
#include "heap/watch.h"

#include <sys/resource.h>


#define MIB ((size_t)1 << 20)
#define LIMIT (48 * MIB)
#define OBJECT_BYTES 4096
#define CYCLES 40000 /* of two objects: several times the limit */

struct node {
    arca_object object;
    arca_slot next;
    char payload[OBJECT_BYTES - 24];
};
static const uint32_t slots[] = { offsetof(struct node, next) };
static arca_type node_type = { .name = "node", .size = sizeof(struct node), .slots = slots, .slot_count = 1 };

static size_t resident(void)
{
    return arena_resident_slices(&arenas) << SLICE_SHIFT;
}

static void drop_a_cycle(void)
{
    struct node *a = arca_new(&node_type), *b = arca_new(&node_type);
    REQUIRE(a != NULL && b != NULL);
    arca_slot_store(&a->next, b);
    arca_slot_store(&b->next, a);
    arca_release(a);
    arca_release(b);
}

/* The most that was resident at any time. */
static size_t churn(void)
{
    size_t peak = 0;
    for (unsigned i = 0; i < CYCLES; i++) {
        drop_a_cycle();
        if (resident() > peak)
            peak = resident();
    }
    return peak;
}

/* The thresholds alone would let all of it pile up. */
static void set_far_thresholds(void)
{
    arca_gc_set_threshold((unsigned[]){ 10000000, 1000, 1000 });
}

TEST(short_memory, garbage_stays_below_the_limit)
{
    options.limit = LIMIT;
    set_far_thresholds();
    size_t peak = churn();
    CHECK(peak < LIMIT + LIMIT / 2);
    CHECK(stats_read(pressure_events) > 0);
    CHECK(load_rlx(&watch_figures.generations[2].collections) > 0);
}

TEST(short_memory, without_a_limit_it_would_not)
{
    set_far_thresholds();
    CHECK(churn() > 3 * LIMIT);
    CHECK_EQ(stats_read(pressure_events), 0);
}

TEST(short_memory, a_collector_that_is_off_is_not_started_by_it)
{
    arca_gc_disable();
    options.limit = LIMIT;
    CHECK(churn() > 3 * LIMIT);
    CHECK(stats_read(pressure_events) > 0);
    CHECK_EQ(load_rlx(&watch_figures.generations[2].collections), 0);
}

TEST(short_memory, without_the_thread_births_collect)
{
    options.limit = LIMIT;
    options.collector = COLLECTOR_INLINE;
    set_far_thresholds();
    CHECK(churn() < LIMIT + LIMIT / 2);
}

/* A sanitizer's shadow is address space too. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static size_t mapped_bytes(void)
{
    size_t pages = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    REQUIRE(statm != NULL && fscanf(statm, "%zu", &pages) == 1);
    fclose(statm);
    return pages * OS_PAGE_SIZE;
}

TEST(short_memory, no_birth_fails_where_garbage_has_taken_the_address_space)
{
    drop_a_cycle(); /* the thread is there, and its stack */
    size_t limit = mapped_bytes() + 160 * MIB;
    set_far_thresholds();
    REQUIRE(setrlimit(RLIMIT_AS, &(struct rlimit){ limit, limit }) == 0);
    churn();
    CHECK(stats_read(pressure_events) > 0);
}
#endif
