/* Where much is found, pools that are garbage throughout go as such, and no block of theirs is looked at any more. */
#include "graph.h"

#include "gc/objects/keeper.h"
#include "heap/watch.h"

#include <sys/wait.h>

#define MUCH 100000 /* more than is collected in one piece, and many pools */

static arca_type plain_type = { .name = "plain", .size = sizeof(struct node), .slots = node_slots, .slot_count = SLOTS };
static arca_type own_type = { .name = "own", .size = sizeof(struct node), .slots = node_slots, .slot_count = SLOTS,
                              .flags = ARCA_TYPE_OWN_BLOCKS };

static void *collect(void *generation)
{
    return (void *)(intptr_t)arca_gc_collect((int)(intptr_t)generation);
}

/* By another thread than the one whose blocks they are. */
static long collect_elsewhere(void)
{
    pthread_t thread = start_thread(collect, (void *)(intptr_t)2);
    void *collected;
    pthread_join(thread, &collected);
    return (long)(intptr_t)collected;
}

static bool count_visit(void *object, void *count)
{
    (void)object;
    ++*(size_t *)count;
    return true;
}

static size_t objects_seen(void)
{
    size_t count = 0;
    arca_gc_objects(-1, count_visit, &count);
    return count;
}

static struct node *plain_ring(arca_type *type, size_t count)
{
    struct node *first = arca_new(type), *last = first;
    for (size_t i = 1; i < count; i++) {
        struct node *next = arca_new(type);
        REQUIRE(next != NULL);
        arca_slot_put(&last->slots[0], next);
        last = next;
    }
    arca_slot_put(&last->slots[0], arca_retain(first));
    return first;
}

/* Blocks whose memory had other objects in it. */
static void live_again(arca_type *type)
{
    struct node *ring = plain_ring(type, MUCH), *node = ring;
    size_t count = 0;
    do {
        for (unsigned i = 1; i < SLOTS; i++)
            CHECK(node_at(node, i) == NULL);
        CHECK_EQ(arca_refcount(node), node == ring ? 2 : 1);
        node = node_at(node, 0);
        count++;
    } while (node != ring);
    CHECK_EQ(count, MUCH);
    CHECK_EQ(objects_seen(), MUCH);
    CHECK_EQ(arca_gc_collect(2), 0);
    arca_release(ring);
    CHECK_EQ(arca_gc_collect(2), MUCH);
}

static void go_and_come_back(arca_type *type, bool elsewhere)
{
    manual();
    for (unsigned round = 0; round < 3; round++) {
        arca_release(plain_ring(type, MUCH));
        CHECK_EQ(elsewhere ? collect_elsewhere() : arca_gc_collect(2), MUCH);
        uint64_t found = stats_now().generations[2].found;
        CHECK_EQ(arca_gc_collect(2), 0); /* they are nobody's, and not found again */
        CHECK_EQ(stats_now().generations[2].found, found);
        CHECK_EQ(objects_seen(), 0);
        arca_heap_check();
        live_again(type);
        arca_heap_check();
    }
    for (unsigned i = 0; i < 6000 && load_rlx(&watch_blocks) != 0; i++) {
        arca_trim(0);
        wait_ms(5);
    }
    CHECK_EQ(load_rlx(&watch_blocks), 0);
    CHECK_EQ(load_rlx(&watch_bytes), 0);
    arca_heap_check();
}

TEST(gc_pools, what_another_thread_has_collected_comes_back)
{
    go_and_come_back(&plain_type, true);
}

TEST(gc_pools, what_the_thread_itself_has_collected_comes_back)
{
    go_and_come_back(&plain_type, false);
}

TEST(gc_pools, blocks_of_one_type_come_back)
{
    go_and_come_back(&own_type, true);
}

/* Every so many nodes one lives. */
static void keep_some(size_t every)
{
    static struct node *kept[MUCH];
    size_t count = 0;
    struct node *first = node_new(), *last = first;
    for (size_t i = 1; i < MUCH; i++) {
        struct node *next = node_new();
        if (i % every == 0)
            kept[count++] = next;
        else {
            arca_slot_put(&last->slots[0], next);
            arca_slot_put(&next->slots[1], node_new()); /* dies with it */
            last = next;
        }
    }
    node_link(last, 0, first);
    arca_release(first);
    collect_elsewhere();
    CHECK_EQ(nodes_alive(), count);
    for (size_t i = 0; i < count; i++) {
        node_check(kept[i]);
        CHECK_EQ(arca_refcount(kept[i]), 1);
        arca_release(kept[i]);
    }
    CHECK_EQ(nodes_alive(), 0);
    arca_heap_check();
}

TEST(gc_pools, one_that_lives_keeps_its_pool)
{
    manual();
    keep_some(500);
    keep_some(20000);
    keep_some(7);
}

TEST(gc_pools, weak_references_to_what_has_gone_find_nothing)
{
    enum { WEAK = 100 };
    arca_weak *weak[WEAK];
    manual();
    struct node *ring = plain_ring(&plain_type, MUCH), *node = ring;
    for (unsigned i = 0; i < WEAK; i++) {
        weak[i] = arca_weak_bind(node, NULL, NULL);
        for (unsigned step = 0; step < MUCH / WEAK; step++)
            node = node_at(node, 0);
    }
    arca_release(ring);
    CHECK_EQ(collect_elsewhere(), MUCH);
    for (unsigned i = 0; i < WEAK; i++) {
        CHECK(arca_weak_upgrade(weak[i]) == NULL);
        arca_release(weak[i]);
    }
    live_again(&plain_type);
}

/* ---- a fork in the middle ------------------------------------------------------------------------------------------ */

static _Atomic bool in_destroy, go_on;

static void wait_in_destroy(void *object)
{
    (void)object;
    atomic_store(&in_destroy, true);
    while (!atomic_load(&go_on))
        wait_ms(1);
}

static arca_type slow_type = { .name = "slow", .size = sizeof(struct node), .slots = node_slots, .slot_count = SLOTS,
                               .destroy = wait_in_destroy };

static bool child_lives(void)
{
    size_t before = objects_seen();
    struct node *ring = plain_ring(&plain_type, MUCH);
    CHECK_EQ(objects_seen(), before + MUCH);
    arca_release(ring);
    long collected = arca_gc_collect(2);
    arca_heap_check();
    return collected >= MUCH && objects_seen() <= before;
}

TEST(gc_pools, a_child_finds_what_has_gone_no_more)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    SKIP("the sanitizers' own locks do not survive the fork; starting a thread takes them");
#endif
    manual();
    struct node *ring = plain_ring(&plain_type, MUCH), *slow = arca_new(&slow_type);
    arca_slot_put(&slow->slots[0], arca_retain(slow));
    arca_release(slow);
    arca_release(ring);
    pthread_t thread = start_thread(collect, (void *)(intptr_t)2);
    while (!atomic_load(&in_destroy))
        wait_ms(1);
    pid_t child = fork();
    if (child == 0) {
        _exit(child_lives() ? 0 : 1);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    atomic_store(&go_on, true);
    pthread_join(thread, NULL);
}
