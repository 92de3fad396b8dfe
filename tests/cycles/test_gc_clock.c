/* The collector's plan in a process that has been idle for weeks, and what does not wait for a plan. */
#include "harness.h"

#include "arca/gc.h"
#include "base/os.h"
#include "gc/cycles/collector.h"
#include "heap/watch.h"

#define DAY_MS ((uint64_t)24 * 3600 * 1000)

static _Atomic uint64_t forward_ms;
static _Atomic uint64_t stopped_us; /* not 0: there it stands */

uint64_t __real_arca_private_os_now_us(void);
uint64_t __wrap_arca_private_os_now_us(void);
uint64_t __wrap_arca_private_os_now_us(void)
{
    uint64_t stopped = load_rlx(&stopped_us);
    return stopped != 0 ? stopped : __real_arca_private_os_now_us() + load_rlx(&forward_ms) * 1000;
}

uint64_t __wrap_arca_private_os_clock_ms(void);
uint64_t __wrap_arca_private_os_clock_ms(void)
{
    return __wrap_arca_private_os_now_us() / 1000;
}

uint32_t __wrap_arca_private_os_now_ms(void);
uint32_t __wrap_arca_private_os_now_ms(void)
{
    return (uint32_t)__wrap_arca_private_os_clock_ms();
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
    store_rlx(&forward_ms, 35 * DAY_MS);
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
    store_rlx(&stopped_us, os_now_us());
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
