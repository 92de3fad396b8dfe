/* The collector's plan in a process that has been idle for weeks, and what does not wait for a plan. */
#include "harness.h"

#include "arca/gc.h"
#include "base/os.h"
#include "gc/cycles/collector.h"
#include "heap/watch.h"

#include <time.h>

#define DAY_S ((time_t)24 * 3600)

static _Atomic time_t forward_s;
static struct timespec stopped_at; /* not 0: there it stands */

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    int status = __real_clock_gettime(clock, now);
    if (clock != CLOCK_MONOTONIC && clock != CLOCK_MONOTONIC_COARSE)
        return status;
    if (stopped_at.tv_sec != 0)
        *now = stopped_at;
    else
        now->tv_sec += load_rlx(&forward_s);
    return status;
}

struct node {
    arca_object object;
    arca_slot next;
};
static const uint32_t slots[] = { offsetof(struct node, next) };
static arca_type node_type = { .name = "node", .size = sizeof(struct node), .slots = slots, .slot_count = 1 };

static void drop_a_cycle(void)
{
    struct node *a = arca_new(&node_type), *b = arca_new(&node_type);
    REQUIRE(a != NULL && b != NULL);
    arca_slot_store(&a->next, b);
    arca_slot_store(&b->next, a);
    arca_release(a);
    arca_release(b);
}

/* The time limit is the test's. */
static void await_collected(uint64_t objects)
{
    while (load_rlx(&watch_figures.generations[2].collected) < objects) {
        drop_a_cycle(); /* something happens */
        os_pause(10000);
    }
}

TEST(gc_clock, collections_are_planned_after_a_month_of_idleness)
{
    await_collected(2);
    store_rlx(&forward_s, 35 * DAY_S);
    uint64_t before = load_rlx(&watch_figures.generations[2].collected);
    await_collected(before + 2);
}

static uint64_t young_collections(void)
{
    return load_rlx(&watch_figures.generations[0].collections);
}

/* Some births come while the thread attends, some when it has just stopped, some later: all are looked at.  No plan falls
 * due meanwhile; the time limit is the test's. */
TEST(gc_clock, no_birth_slips_through_when_the_attention_ends)
{
    static const unsigned thresholds[] = { 700, 1000000, 1000000 };
    uint64_t random = harness_seed();
    clock_gettime(CLOCK_MONOTONIC, &stopped_at);
    arca_gc_set_threshold(thresholds);
    for (unsigned round = 0; round < 150; round++) {
        uint64_t before = young_collections();
        for (unsigned i = 0; i < 3000; i++) {
            struct node *node = arca_new(&node_type);
            REQUIRE(node != NULL);
            arca_slot_put(&node->next, node); /* a cycle, with the only unit */
        }
        while (young_collections() == before)
            os_pause(200);
        os_pause((uint32_t)(harness_random(&random) % 15000)); /* it looks every 5000 */
    }
}
