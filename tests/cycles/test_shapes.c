/* A million objects of every shape (TEST_SCALE=10: ten), on a stack on which nothing recurses; and their memory. */
#include "graph.h"

#include "heap/watch.h"

#define MANY (STEPS((size_t)1000000) * harness_scale())

static void collect_all_of(size_t count)
{
    CHECK_EQ(nodes_alive(), count);
    CHECK_EQ(arca_gc_collect(2), count);
    CHECK_EQ(nodes_alive(), 0);
}

/* In use: not even proposed. */
static void keep_all(void)
{
    uint64_t found = stats_now().generations[2].found;
    CHECK_EQ(arca_gc_collect(2), 0);
    CHECK_EQ(stats_now().generations[2].found, found);
}

static void *ring(void *unused)
{
    arca_release(ring_new(MANY));
    collect_all_of(MANY);
    return unused;
}

/* The same, held: marking follows it. */
static void *held_ring(void *unused)
{
    struct node *first = ring_new(MANY);
    CHECK_EQ(arca_gc_collect(0), 0);
    keep_all();
    arca_release(first);
    collect_all_of(MANY);
    return unused;
}

static void *random_graph(void *unused)
{
    struct node **nodes = malloc(MANY * sizeof *nodes);
    uint64_t chance = harness_seed();
    for (size_t i = 0; i < MANY; i++)
        nodes[i] = node_new();
    for (size_t i = 0; i < MANY; i++) {
        for (unsigned s = 0; s < 3; s++)
            node_link(nodes[i], s, nodes[harness_random(&chance) % MANY]);
        node_link(nodes[i], 3, nodes[(i + 1) % MANY]);
    }
    for (size_t i = 1; i < MANY; i++)
        arca_release(nodes[i]);
    keep_all(); /* all hang on the first */
    arca_release(nodes[0]);
    collect_all_of(MANY);
    free(nodes);
    return unused;
}

/* All refer to one, and it to all: the stack of marking is far too small for it. */
struct hub {
    arca_var_object head;
    arca_slot items[];
};

static struct hub *hub_new(size_t count)
{
    static arca_type type = {
        .name = "hub", .size = sizeof(struct hub), .item_size = sizeof(arca_slot), .flags = ARCA_TYPE_ITEM_SLOTS
    };
    struct hub *center = arca_new_var(&type, count);
    REQUIRE(center != NULL);
    for (size_t i = 0; i < count; i++) {
        struct node *spoke = node_new();
        node_link(spoke, 0, center);
        arca_slot_put(&center->items[i], spoke);
    }
    return center;
}

static void *hub(void *held)
{
    struct hub *center = hub_new(MANY);
    if (held != NULL)
        keep_all();
    arca_release(center);
    CHECK_EQ(arca_gc_collect(2), MANY + 1);
    CHECK_EQ(nodes_alive(), 0);
    return NULL;
}

/* Children hold their parents, too; a leaf is what the caller has. */
static struct node *tree_new(size_t count)
{
    struct node **nodes = malloc(count * sizeof *nodes), *leaf;
    for (size_t i = 0; i < count; i++) {
        nodes[i] = node_new();
        if (i != 0) {
            node_link(nodes[i], 3, nodes[(i - 1) / 2]);
            node_link(nodes[(i - 1) / 2], (unsigned)((i - 1) % 2), nodes[i]);
        }
    }
    for (size_t i = 0; i < count - 1; i++)
        arca_release(nodes[i]);
    leaf = nodes[count - 1];
    free(nodes);
    return leaf;
}

static void *tree(void *unused)
{
    struct node *leaf = tree_new(MANY);
    keep_all(); /* it holds them all */
    arca_release(leaf);
    collect_all_of(MANY);
    return unused;
}

/* Each refers to the one before: marking that goes by addresses finds one a pass. */
static void *backward_ring(void *unused)
{
    struct node *first = node_new(), *last = first;
    for (size_t i = 1; i < MANY; i++) {
        struct node *node = node_new();
        arca_slot_put(&node->slots[0], last);
        last = node;
    }
    arca_slot_put(&first->slots[0], arca_retain(last));
    keep_all();
    arca_release(last);
    collect_all_of(MANY);
    return unused;
}

/* One with so many units from outside and so many from a chain that hangs on it. */
static void units_of_one(size_t outside, size_t inside)
{
    struct node *center = node_new(), *last = center;
    for (size_t i = 0; i < inside; i++) {
        struct node *node = node_new();
        node_link(node, 1, center);
        arca_slot_put(&last->slots[0], node);
        last = node;
    }
    for (size_t i = 1; i < outside; i++)
        arca_retain(center);
    keep_all();
    for (size_t i = 1; i < outside; i++)
        arca_release(center);
    keep_all();
    arca_release(center);
    CHECK_EQ(arca_gc_collect(2), inside + 1);
}

/* What the collector does not look at dies in a loop of its own. */
static struct node *chain_new(size_t count)
{
    static arca_type type = NODE_TYPE("link", .flags = ARCA_TYPE_ACYCLIC);
    struct node *chain = NULL;
    for (size_t i = 0; i < count; i++) {
        struct node *link = node_of(&type);
        arca_slot_put(&link->slots[0], chain);
        chain = link;
    }
    return chain;
}

static void *acyclic_tail(void *unused)
{
    struct node *ring = ring_new(2);
    arca_slot_put(&ring->slots[1], chain_new(MANY));
    arca_release(ring);
    CHECK_EQ(arca_gc_collect(2), 2);
    CHECK_EQ(nodes_alive(), 0);
    return unused;
}

TEST(shapes, a_ring)
{
    manual();
    run_on_a_small_stack(ring, NULL);
}

TEST(shapes, a_ring_in_use)
{
    manual();
    run_on_a_small_stack(held_ring, NULL);
}

TEST(shapes, a_random_graph)
{
    manual();
    harness_seed();
    run_on_a_small_stack(random_graph, NULL);
}

TEST(shapes, a_ring_against_the_addresses)
{
    manual();
    run_on_a_small_stack(backward_ring, NULL);
}

/* The finder counts in bytes. */
TEST(shapes, any_number_of_units)
{
    static const size_t numbers[] = { 1, 2, 126, 127, 128, 129, 254, 255, 256, 257, 384, STEPS(65536) };
    manual();
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(numbers); i++) {
        for (unsigned j = 0; j < ARCA_ARRAY_LENGTH(numbers); j++)
            units_of_one(numbers[i], numbers[j]);
    }
}

TEST(shapes, a_hub)
{
    manual();
    run_on_a_small_stack(hub, NULL);
}

TEST(shapes, a_hub_in_use)
{
    manual();
    run_on_a_small_stack(hub, &nodes_born);
}

TEST(shapes, a_tree_whose_leaf_is_held)
{
    manual();
    run_on_a_small_stack(tree, NULL);
}

TEST(shapes, a_cycle_with_a_long_tail_of_acyclic_objects)
{
    manual();
    run_on_a_small_stack(acyclic_tail, NULL);
}

/* ---- four threads at once ------------------------------------------------------------------------------------------- */

static void *release_and_collect(void *object)
{
    arca_release(object);
    (void)arca_gc_collect(2); /* proves nothing when it takes too long */
    return NULL;
}

TEST(shapes, four_threads_drop_one_each_at_once)
{
    pthread_t threads[4];
    size_t count = harness_scale() > 1 ? MANY : MANY / 4;
    void *owned[4] = { chain_new(count), ring_new(count), hub_new(count), tree_new(count) };
    for (unsigned i = 0; i < 4; i++)
        threads[i] = start_on_a_small_stack(release_and_collect, owned[i]);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < 20 && nodes_alive() != 0; i++)
        (void)arca_gc_collect(2);
    CHECK_EQ(nodes_alive(), 0);
    fprintf(stderr, "a chain, a ring, a hub and a tree of %zu objects each\n", count);
}

/* ---- memory ------------------------------------------------------------------------------------------------------- */

static size_t memory_in_use(void)
{
    struct arca_stats stats = { .size = sizeof stats };
    CHECK_EQ(arca_stats_get(&stats), 0);
    return stats.live + stats.free;
}

/* A part of the garbage is old, as it is in a program that lives on. */
TEST(shapes, memory_comes_back_by_itself)
{
    size_t before = memory_in_use();
    struct node *kept = ring_new(MANY / 2);
    size_t peak = memory_in_use();
    litter(MANY / 4, 2);
    arca_release(kept);
    litter(1000, 2);
    WAIT_UNTIL(nodes_alive() < MANY / 2 + 1400);
    arca_gc_collect(2);
    CHECK_EQ(nodes_alive(), 0);
    size_t now = memory_in_use();
    for (unsigned waited = 0; now > before + (peak - before) / 20 && waited < 10000; waited += 5) {
        wait_ms(5);
        now = memory_in_use();
    }
    CHECK(now <= before + (peak - before) / 20);
}

/* Caches of threads are emptied by the sweep. */
TEST(shapes, the_count_of_blocks_comes_back_to_nothing)
{
    litter(STEPS(100000), 3);
    for (unsigned i = 0; i < 1000; i++) {
        struct node *node = node_new();
        arca_release(arca_weak_bind(node, NULL, NULL));
        arca_release(node);
    }
    arca_gc_collect(2);
    CHECK_EQ(nodes_alive(), 0);
    arca_free(arca_malloc(8 << 20)); /* the child of a fork that does little has no thread to sweep */
    WAIT_UNTIL(load_rlx(&watch_blocks) == 0);
}

TEST(shapes, a_young_collection_looks_at_the_young)
{
    manual();
    struct node *old = ring_new(MANY);
    arca_gc_collect(2);
    arca_gc_set_debug(0);
    /* What it costs shows in the clock only; that it proposes nothing old, in the figures. */
    arca_release(old);
    uint64_t found = stats_now().generations[0].found;
    litter(5, 2);
    CHECK_EQ(arca_gc_collect(0), 10);
    CHECK_EQ(stats_now().generations[0].found - found, 10);
    CHECK_EQ(nodes_alive(), MANY);
    CHECK_EQ(arca_gc_collect(2), MANY);
}
