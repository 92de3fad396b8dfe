/* Memory that is short starts a collection, and births wait for it: garbage stays below the limit though no threshold is
 * near. */
#include "harness.h"

#include "arca/arca.h"
#include "arca/gc.h"
#include "arenas/arena.h"
#include "base/options.h"
#include "base/os.h"
#include "base/stats.h"
#include "gc/cycles/collector.h"
#include "heap/watch.h"

#include <sys/resource.h>
#include <time.h>

/* How busy the machine is decides nothing: the library's clock stands, so that births wait until they are answered and no
 * collection is planned, and a birth that waits does so until the collector has had as much of a processor. */
#define WAIT_US 200
#define WAITS_MAX 150000 /* half a minute, and more */
#define STANDS_AT_MS 1000000u

uint32_t __wrap_arca_private_os_now_ms(void);
uint32_t __wrap_arca_private_os_now_ms(void)
{
    return STANDS_AT_MS;
}

uint64_t __wrap_arca_private_os_clock_ms(void);
uint64_t __wrap_arca_private_os_clock_ms(void)
{
    return STANDS_AT_MS;
}

uint64_t __wrap_arca_private_os_now_us(void);
uint64_t __wrap_arca_private_os_now_us(void)
{
    return STANDS_AT_MS * (uint64_t)1000;
}

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

static uint64_t processor_us(clockid_t clock)
{
    struct timespec used;
    clock_gettime(clock, &used);
    return (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000;
}

static uint64_t others_us(void)
{
    return processor_us(CLOCK_PROCESS_CPUTIME_ID) - processor_us(CLOCK_THREAD_CPUTIME_ID);
}

static void wait_on(uint64_t start_us, uint64_t waits)
{
    for (unsigned i = 0; i < WAITS_MAX && load_rlx(&watch_asked) && others_us() - start_us < waits * WAIT_US; i++)
        os_pause(WAIT_US);
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
        uint64_t waits = load_rlx(&watch_figures.waits), start_us = others_us();
        drop_a_cycle();
        if (load_rlx(&watch_figures.waits) != waits)
            wait_on(start_us, load_rlx(&watch_figures.waits) - waits);
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
