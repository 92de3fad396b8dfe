/* What is collected, and what is not. */
#include "graph.h"

#include <sys/mman.h>

TEST(collect, a_cycle_of_any_length_goes_and_is_counted)
{
    manual();
    for (size_t length = 1; length < 70; length++) {
        arca_release(ring_new(length));
        CHECK_EQ(nodes_alive(), length);
        CHECK_EQ(arca_gc_collect(2), length);
        CHECK_EQ(nodes_alive(), 0);
        CHECK_EQ(arca_gc_collect(2), 0);
    }
}

TEST(collect, a_cycle_in_use_stays)
{
    manual();
    struct node *ring = ring_new(10);
    for (int generation = 0; generation < 3; generation++)
        CHECK_EQ(arca_gc_collect(generation), 0);
    CHECK_EQ(nodes_alive(), 10);
    for (struct node *node = node_at(ring, 0); node != ring; node = node_at(node, 0))
        node_check(node);
    arca_release(ring);
    CHECK_EQ(arca_gc_collect(2), 10);
}

TEST(collect, what_garbage_refers_to_dies_of_its_count)
{
    manual();
    struct node *ring = ring_new(3), *tail = node_new(), *kept = node_new();
    struct node *tail_of_tail = node_new();
    arca_slot_put(&tail->slots[0], tail_of_tail);
    node_link(tail, 1, kept);
    arca_slot_put(&ring->slots[1], tail);
    arca_release(ring);
    /* They are garbage, too, and counted. */
    CHECK_EQ(arca_gc_collect(2), 5);
    CHECK_EQ(nodes_alive(), 1);
    CHECK_EQ(arca_refcount(kept), 1);
    arca_release(kept);
}

TEST(collect, what_the_living_refer_to_stays)
{
    manual();
    struct node *root = node_new(), *ring = ring_new(5);
    arca_slot_put(&root->slots[2], ring);
    CHECK_EQ(arca_gc_collect(2), 0);
    CHECK_EQ(nodes_alive(), 6);
    arca_slot_clear(&root->slots[2]);
    CHECK_EQ(arca_gc_collect(2), 5);
    arca_release(root);
}

TEST(collect, garbage_that_refers_to_the_living_goes_alone)
{
    manual();
    struct node *live = ring_new(4), *ring = ring_new(4);
    for (unsigned i = 1; i < SLOTS; i++)
        node_link(ring, i, live);
    arca_release(ring);
    CHECK_EQ(arca_gc_collect(2), 4);
    CHECK_EQ(arca_refcount(live), 2);
    arca_release(live);
    CHECK_EQ(arca_gc_collect(2), 4);
}

TEST(collect, several_slots_may_hold_one_object)
{
    manual();
    struct node *a = node_new(), *b = node_new();
    for (unsigned i = 0; i < SLOTS; i++) {
        node_link(a, i, i % 2 ? a : b);
        node_link(b, i, a);
    }
    arca_release(b);
    CHECK_EQ(arca_gc_collect(2), 0);
    arca_release(a);
    CHECK_EQ(arca_gc_collect(2), 2);
    CHECK_EQ(nodes_alive(), 0);
}

TEST(collect, two_cycles_with_a_bridge)
{
    manual();
    struct node *first = ring_new(3), *second = ring_new(4);
    node_link(first, 1, second);
    arca_release(second);
    CHECK_EQ(arca_gc_collect(2), 0); /* the first is held, and holds the second */
    struct node *third = ring_new(2);
    node_link(second, 1, third);
    node_link(third, 1, second);
    arca_release(first);
    CHECK_EQ(arca_gc_collect(2), 3); /* third is held: so is the second */
    CHECK_EQ(nodes_alive(), 6);
    arca_release(third);
    CHECK_EQ(arca_gc_collect(2), 6);
}

/* ---- kinds of objects -------------------------------------------------------------------------------------- */

struct list {
    arca_var_object head;
    _Atomic uint64_t stamp;
    arca_slot items[];
};

static void list_destroy(void *object)
{
    struct list *list = object;
    CHECK_EQ(atomic_load(&list->stamp), node_stamp(list));
    for (size_t i = 0; i < list->head.count; i++)
        CHECK(arca_slot_borrow(&list->items[i]) == NULL);
    atomic_store(&list->stamp, STAMP_DEAD);
    atomic_fetch_add(&nodes_dead, 1);
}

#define LIST_TYPE(name_, flags_)                                                                                       \
    { .name = name_, .size = sizeof(struct list), .item_size = sizeof(arca_slot), .flags = ARCA_TYPE_ITEM_SLOTS | (flags_), \
      .destroy = list_destroy }

static arca_type list_type = LIST_TYPE("list", 0);
static arca_type own_type = LIST_TYPE("own list", ARCA_TYPE_OWN_BLOCKS);

static struct list *list_of(arca_type *type, size_t count)
{
    struct list *list = arca_new_var(type, count);
    REQUIRE(list != NULL);
    atomic_store(&list->stamp, node_stamp(list));
    atomic_fetch_add(&nodes_born, 1);
    return list;
}

/* Lists that hold themselves and each other throughout, of all sizes around pool, page and large. */
static void check_lists(arca_type *type)
{
    static const size_t sizes[] = { 1, 2, 7, 100, 500, 1000, 4000, 4093, 4094, 5000, 20000, 300000 };
    manual();
    for (unsigned s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct list *a = list_of(type, sizes[s]), *b = list_of(type, sizes[s]);
        for (size_t i = 0; i < sizes[s]; i++) {
            arca_slot_store(&a->items[i], i % 3 ? (void *)a : (void *)b);
            arca_slot_store(&b->items[i], a);
        }
        arca_release(b);
        CHECK_EQ(arca_gc_collect(2), 0);
        arca_release(a);
        CHECK_EQ(arca_gc_collect(2), 2);
        CHECK_EQ(nodes_alive(), 0);
    }
}

TEST(collect, lists_of_slots_small_and_large)
{
    check_lists(&list_type);
}

TEST(collect, lists_in_blocks_of_their_own)
{
    check_lists(&own_type);
}

/* What a table of pairs looks like: a slot in every second word, as many as are in use. */
struct table {
    arca_object object;
    uint64_t used;
    _Atomic uint64_t stamp;
    struct {
        arca_slot key;
        uint64_t value;
    } pairs[6];
};

static void table_traverse(void *object, arca_visit *visit, void *context)
{
    struct table *table = object;
    for (uint64_t i = 0; i < table->used; i++)
        visit(&table->pairs[i].key, context);
}

static void table_destroy(void *object)
{
    struct table *table = object;
    CHECK_EQ(atomic_load(&table->stamp), node_stamp(table));
    for (unsigned i = 0; i < 6; i++)
        CHECK(arca_slot_borrow(&table->pairs[i].key) == NULL);
    atomic_fetch_add(&nodes_dead, 1);
}

TEST(collect, traverse_tells_the_slots)
{
    static arca_type type = {
        .name = "table", .size = sizeof(struct table), .traverse = table_traverse, .destroy = table_destroy
    };
    manual();
    struct table *table = arca_new(&type);
    REQUIRE(table != NULL);
    atomic_store(&table->stamp, node_stamp(table));
    atomic_fetch_add(&nodes_born, 1);
    table->used = 6;
    for (unsigned i = 0; i < 6; i++) {
        table->pairs[i].value = UINT64_MAX;
        arca_slot_store(&table->pairs[i].key, i % 2 ? (void *)table : node_new());
        if (i % 2 == 0) {
            struct node *node = arca_slot_borrow(&table->pairs[i].key);
            node_link(node, 3, table);
            arca_release(node);
        }
    }
    CHECK_EQ(arca_gc_collect(2), 0);
    arca_release(table);
    CHECK_EQ(arca_gc_collect(2), 4);
    CHECK_EQ(nodes_alive(), 0);
}

TEST(collect, acyclic_types_are_not_looked_at)
{
    static arca_type type = NODE_TYPE("acyclic", .flags = ARCA_TYPE_ACYCLIC);
    manual();
    struct node *node = node_of(&type);
    node_link(node, 0, node);
    CHECK(!arca_gc_is_tracked(node));
    CHECK_EQ(arca_gc_generation(node), -1);
    arca_release(node);
    CHECK_EQ(arca_gc_collect(2), 0);
    node_check(node);
    arca_slot_clear(&node->slots[0]);
    CHECK_EQ(nodes_alive(), 0);
}

TEST(collect, acyclic_members_die_of_their_count)
{
    static arca_type type = NODE_TYPE("leaf", .flags = ARCA_TYPE_ACYCLIC);
    manual();
    struct node *ring = ring_new(3);
    for (unsigned i = 1; i < SLOTS; i++)
        arca_slot_put(&ring->slots[i], node_of(&type));
    arca_release(ring);
    CHECK_EQ(arca_gc_collect(2), 3);
    CHECK_EQ(nodes_alive(), 0);
}

TEST(collect, immortal_objects_and_what_they_hold_stay)
{
    static arca_type type = NODE_TYPE("god", .flags = ARCA_TYPE_IMMORTAL);
    manual();
    struct node *god = node_of(&type), *ring = ring_new(3);
    node_link(god, 0, god);
    node_link(god, 1, ring);
    node_link(ring, 1, god);
    arca_make_immortal(god);
    CHECK(!arca_gc_is_tracked(god));
    arca_release(god);
    arca_release(ring);
    CHECK_EQ(arca_gc_collect(2), 0);
    node_check(god);
    node_check(ring);
    arca_slot_clear(&god->slots[1]);
    CHECK_EQ(arca_gc_collect(2), 3);
    node_check(god);
}

TEST(collect, an_object_that_becomes_immortal_in_a_cycle_keeps_it)
{
    static arca_type type = NODE_TYPE("hero", .flags = ARCA_TYPE_IMMORTAL);
    manual();
    struct node *ring = ring_of(&type, 5);
    arca_make_immortal(node_at(ring, 0));
    arca_release(ring);
    CHECK_EQ(arca_gc_collect(2), 0);
    CHECK_EQ(nodes_alive(), 5);
}

/* ---- generations --------------------------------------------------------------------------------------------- */

TEST(collect, survivors_grow_older)
{
    manual();
    struct node *ring = ring_new(3);
    CHECK_EQ(arca_gc_generation(ring), 0);
    arca_gc_collect(0);
    CHECK_EQ(arca_gc_generation(ring), 1);
    arca_gc_collect(0);
    CHECK_EQ(arca_gc_generation(ring), 1);
    arca_gc_collect(1);
    CHECK_EQ(arca_gc_generation(ring), 2);
    arca_gc_collect(2);
    CHECK_EQ(arca_gc_generation(ring), 2);
    arca_release(ring);
    CHECK_EQ(arca_gc_collect(0), 0);
    CHECK_EQ(arca_gc_collect(1), 0);
    CHECK_EQ(arca_gc_collect(2), 3);
}

TEST(collect, a_generation_goes_with_its_younger_ones)
{
    manual();
    struct node *rings[3];
    for (int age = 2; age >= 0; age--) {
        rings[age] = ring_new(4);
        if (age != 0)
            arca_gc_collect(age - 1); /* those of 2 were seen by two collections */
    }
    CHECK_EQ(arca_gc_generation(rings[2]), 2);
    CHECK_EQ(arca_gc_generation(rings[1]), 1);
    CHECK_EQ(arca_gc_generation(rings[0]), 0);
    for (unsigned age = 0; age < 3; age++)
        arca_release(rings[age]);
    CHECK_EQ(arca_gc_collect(0), 4);
    CHECK_EQ(nodes_alive(), 8);
    litter(1, 2);
    CHECK_EQ(arca_gc_collect(1), 6);
    CHECK_EQ(arca_gc_collect(2), 4);
}

TEST(collect, the_old_keep_the_young)
{
    manual();
    struct node *old = node_new();
    arca_gc_collect(2);
    arca_slot_put(&old->slots[0], ring_new(3));
    CHECK_EQ(arca_gc_collect(0), 0);
    CHECK_EQ(arca_gc_collect(1), 0);
    CHECK_EQ(nodes_alive(), 4);
    arca_release(old);
    CHECK_EQ(arca_gc_collect(2), 3);
}

/* A block's next life begins young, whoever freed it. */
TEST(collect, a_block_that_was_old_is_born_young)
{
    manual();
    for (unsigned round = 0; round < 3; round++) {
        struct node *nodes[50];
        for (unsigned i = 0; i < 50; i++)
            nodes[i] = ring_new(1);
        arca_gc_collect(2);
        CHECK_EQ(arca_gc_generation(nodes[7]), 2);
        for (unsigned i = 0; i < 50; i++) {
            if (round == 0)
                arca_slot_clear(&nodes[i]->slots[0]);
            arca_release(nodes[i]);
        }
        CHECK_EQ(arca_gc_collect(2), round == 0 ? 0 : 50);
        for (unsigned i = 0; i < 50; i++) {
            nodes[i] = ring_new(1);
            CHECK_EQ(arca_gc_generation(nodes[i]), 0);
            arca_release(nodes[i]);
        }
        CHECK_EQ(arca_gc_collect(0), 50);
    }
}

/* ---- young collections find what is born in any block ---------------------------------------------------------- */

TEST(collect, births_in_cached_blocks_are_found_by_young_collections)
{
    manual();
    for (unsigned round = 0; round < 200; round++) {
        struct node *kept = ring_new(1);
        litter(1 + round % 7, 1);
        CHECK_EQ(arca_gc_collect(0), 1 + round % 7);
        arca_release(kept);
        CHECK_EQ(arca_gc_collect(1), 1);
    }
    CHECK_EQ(nodes_alive(), 0);
}

static void *litter_in_a_thread(void *argument)
{
    litter(*(size_t *)argument, 2);
    return NULL;
}

TEST(collect, garbage_of_a_thread_that_has_ended_is_found)
{
    manual();
    for (size_t rings = 1; rings < 2000; rings = rings * 3 + 1) {
        pthread_join(start_thread(litter_in_a_thread, &rings), NULL);
        CHECK_EQ(arca_gc_collect(0), 2 * rings);
    }
}

/* ---- a library that is unloaded ---------------------------------------------------------------------------------- */

#define LEAVING 20000

static _Atomic bool unloaded;

static void *collect_until_then(void *unused)
{
    while (!atomic_load(&unloaded))
        arca_gc_collect(2);
    return unused;
}

static void use_a_type_that_leaves(void)
{
    static struct node *nodes[LEAVING];
    arca_type *type = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(type != MAP_FAILED);
    *type = (arca_type)NODE_TYPE("leaving", .flags = NODE_FLAGS);
    for (unsigned i = 0; i < LEAVING; i++) {
        nodes[i] = node_of(type);
        node_link(nodes[i], 0, i != 0 ? nodes[i - 1] : NULL);
    }
    for (unsigned i = LEAVING; i > 0; i--)
        arca_release(nodes[i - 1]);
    CHECK_EQ(arca_gc_collect(0), 0); /* one that was under way may still look at them, and so at their type */
    CHECK_EQ(munmap(type, 4096), 0);
}

TEST(collect, a_type_may_leave_after_a_collection)
{
    manual();
    pthread_t thread = start_thread(collect_until_then, NULL);
    for (unsigned i = 0; i < STEPS(40); i++)
        use_a_type_that_leaves();
    atomic_store(&unloaded, true);
    pthread_join(thread, NULL);
}
