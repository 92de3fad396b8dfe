/* What wakes the collector's thread, and what need not. */
#include "harness.h"

#include "arca/gc.h"
#include "base/os.h"
#include "heap/watch.h"

struct node {
    arca_object object;
    arca_slot next;
};
static const uint32_t slots[] = { offsetof(struct node, next) };
static arca_type node_type = { .name = "node", .size = sizeof(struct node), .slots = slots, .slot_count = 1 };

TEST(gc_ring, whoever_passes_the_limit_rings_unless_it_is_attended)
{
    store_rlx(&watch_limit, 1000);
    uint32_t bell = load_rlx(&watch_bell);
    store_rlx(&watch_attended, true);
    watch_add(2000, 0);
    CHECK_EQ(load_rlx(&watch_bell), bell);
    watch_add(-2000, 0);
    store_rlx(&watch_attended, false);
    watch_add(2000, 0);
    CHECK_EQ(load_rlx(&watch_bell), bell + 1);
    watch_add(2000, 0);
    CHECK_EQ(load_rlx(&watch_bell), bell + 1);
}

TEST(gc_ring, while_it_is_disabled_nobody_rings)
{
    arca_gc_disable();
    void *last = arca_new(&node_type); /* which starts the thread */
    uint32_t bell = load_rlx(&watch_bell);
    for (unsigned i = 0; i < 300000; i++) {
        struct node *node = arca_new(&node_type);
        REQUIRE(node != NULL);
        arca_slot_put(&node->next, last);
        last = node;
    }
    CHECK_EQ(load_rlx(&watch_bell), bell);
    arca_release(last);
}
