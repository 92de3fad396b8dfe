/* Much garbage is proved and freed part by part: what is in one part, what crosses them, and what holds some of it. */
#include "graph.h"

#include "base/compiler.h"

#define MANY ((size_t)120000) /* more than is proved at once */

static struct node **many_new(arca_type *type)
{
    struct node **nodes = malloc(MANY * sizeof *nodes);
    REQUIRE(nodes != NULL);
    for (size_t i = 0; i < MANY; i++)
        nodes[i] = node_of(type);
    return nodes;
}

static void release_all(struct node **nodes)
{
    for (size_t i = 0; i < MANY; i++)
        arca_release(nodes[i]);
    free(nodes);
}

static void tie(struct node *a, struct node *b)
{
    node_link(a, 0, b);
    node_link(b, 0, a);
}

/* Each with its neighbour. */
static struct node **pairs_new(arca_type *type)
{
    struct node **nodes = many_new(type);
    for (size_t i = 0; i < MANY; i += 2)
        tie(nodes[i], nodes[i + 1]);
    return nodes;
}

static size_t finalized, finalized_after_a_death;

static void note_finalize(void *object)
{
    node_check(object);
    node_check(node_at(object, 0));
    finalized++;
    finalized_after_a_death += atomic_load(&nodes_dead) != 0;
}

static arca_type final_type = NODE_TYPE("final", .finalize = note_finalize);

TEST(parts, neighbours_go_part_by_part)
{
    manual();
    release_all(pairs_new(&final_type));
    CHECK_EQ(arca_gc_collect(2), MANY);
    CHECK_EQ(nodes_alive(), 0);
    CHECK_EQ(finalized, MANY);
    CHECK(finalized_after_a_death > MANY / 2);
    CHECK_EQ(stats_now().generations[2].aborted, 0);
}

TEST(parts, what_crosses_them_goes_at_the_end)
{
    manual();
    struct node **nodes = pairs_new(&node_type);
    for (size_t i = 0; i < MANY; i += 100) /* a ring through all of it */
        node_link(nodes[i], 1, nodes[(i + 100) % MANY]);
    release_all(nodes);
    CHECK_EQ(arca_gc_collect(2), MANY);
    CHECK_EQ(nodes_alive(), 0);
}

/* Without a destroy nobody looks at slots but for the units that they give back. */
TEST(parts, what_was_dropped_from_one_gets_its_units_back)
{
    static arca_type plain_type = { .name = "plain", .size = sizeof(struct node), .slots = node_slots, .slot_count = SLOTS };
    manual();
    struct node **nodes = pairs_new(&plain_type);
    for (size_t i = 0; i < MANY; i += 100) {
        node_link(nodes[i], 1, nodes[(i + 100) % MANY]);
        node_link(nodes[i + 2], 1, nodes[i]);
    }
    release_all(nodes);
    CHECK_EQ(arca_gc_collect(2), MANY);
}

TEST(parts, nothing_may_be_in_one)
{
    manual();
    struct node **nodes = many_new(&node_type);
    for (size_t i = 0; i < MANY / 2; i++)
        tie(nodes[i], nodes[i + MANY / 2]);
    release_all(nodes);
    CHECK_EQ(arca_gc_collect(2), MANY);
    CHECK_EQ(nodes_alive(), 0);
}

/* A unit for each reference from garbage, whichever part that was in. */
TEST(parts, what_they_refer_to_gets_its_units_back)
{
    manual();
    struct node *held = node_new(), **nodes = pairs_new(&node_type);
    for (size_t i = 0; i < MANY; i += 3)
        node_link(nodes[i], 2, held);
    for (size_t i = 0; i < MANY; i += 1000) /* from one part into another, and not back */
        node_link(nodes[i], 3, nodes[MANY - 1 - i]);
    release_all(nodes);
    CHECK_EQ(arca_refcount(held), 1 + MANY / 3);
    CHECK_EQ(arca_gc_collect(2), MANY);
    CHECK_EQ(arca_refcount(held), 1);
    CHECK_EQ(nodes_alive(), 1);
    arca_release(held);
}

static struct node *saved[MANY / 1000 + 1];
static size_t saves;

static void save_one_in_a_thousand(void *object)
{
    if (finalized++ % 1000 == 0)
        saved[saves++] = arca_retain(object);
}

static arca_type saving_type = NODE_TYPE("saving", .finalize = save_one_in_a_thousand);

TEST(parts, what_rises_in_one_is_not_lost_with_the_rest)
{
    manual();
    release_all(pairs_new(&saving_type));
    size_t collected = (size_t)arca_gc_collect(2);
    CHECK_EQ(finalized, MANY);
    CHECK_EQ(saves, MANY / 1000);
    CHECK_EQ(collected, MANY - 2 * saves);
    CHECK_EQ(nodes_alive(), 2 * saves);
    for (size_t i = 0; i < saves; i++) {
        node_check(saved[i]);
        CHECK(node_at(node_at(saved[i], 0), 0) == saved[i]);
        arca_release(saved[i]);
    }
    CHECK_EQ(arca_gc_collect(2), 2 * saves);
    CHECK_EQ(nodes_alive(), 0);
}

static _Atomic size_t calls;

static void count_call(arca_weak *weak, void *unused)
{
    (void)unused;
    CHECK(arca_weak_upgrade(weak) == NULL);
    atomic_fetch_add(&calls, 1);
}

TEST(parts, weak_references_are_cut_off_in_each)
{
    static arca_weak *weak[MANY / 100];
    manual();
    struct node **nodes = pairs_new(&node_type);
    for (size_t i = 0; i < ARCA_ARRAY_LENGTH(weak); i++)
        REQUIRE((weak[i] = arca_weak_bind(nodes[i * 100], count_call, NULL)) != NULL);
    release_all(nodes);
    CHECK_EQ(arca_gc_collect(2), MANY);
    CHECK_EQ(atomic_load(&calls), ARCA_ARRAY_LENGTH(weak));
    for (size_t i = 0; i < ARCA_ARRAY_LENGTH(weak); i++)
        arca_release(weak[i]);
    CHECK_EQ(nodes_alive(), 0);
}

TEST(parts, garbage_is_saved_from_all_of_them)
{
    manual();
    arca_gc_set_debug(ARCA_GC_DEBUG_SAVEALL);
    release_all(pairs_new(&node_type));
    CHECK_EQ(arca_gc_collect(2), 0);
    CHECK_EQ(stats_now().generations[2].uncollectable, MANY);
    CHECK_EQ(nodes_alive(), MANY);
}
