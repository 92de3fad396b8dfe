/* finalize, weak references and destroy of what is collected. */
#include "graph.h"

static struct node *saved[16];
static unsigned saves, finalized;

static void note_finalize(void *object)
{
    node_check(object);
    CHECK(arca_is_finalized(object));
    CHECK(node_at(object, 0) != NULL); /* its slots as they were */
    finalized++;
}

static arca_type final_type = NODE_TYPE("final", .finalize = note_finalize);

TEST(finalize, runs_once_for_each_before_any_slot_is_cleared)
{
    manual();
    arca_release(ring_of(&final_type, 20));
    CHECK_EQ(arca_gc_collect(2), 20);
    CHECK_EQ(finalized, 20);
    CHECK_EQ(nodes_alive(), 0);
}

static void save(void *object)
{
    note_finalize(object);
    saved[saves++] = arca_retain(object);
}

static arca_type saving_type = NODE_TYPE("saving", .finalize = save);

TEST(finalize, one_that_rises_saves_what_it_reaches)
{
    manual();
    struct node *ring = ring_new(4), *saviour = node_of(&saving_type), *doomed = ring_new(3);
    node_link(saviour, 0, ring);
    node_link(ring, 1, saviour);
    node_link(doomed, 1, ring); /* garbage that refers to what is saved */
    arca_release(ring);
    arca_release(doomed);
    arca_release(saviour);
    CHECK_EQ(arca_gc_collect(2), 3);
    CHECK_EQ(saves, 1);
    CHECK_EQ(nodes_alive(), 5);
    CHECK(saved[0] == saviour);
    CHECK(arca_is_finalized(saviour));
    CHECK_EQ(arca_refcount(saviour), 2);
    CHECK_EQ(arca_refcount(ring), 2);
    CHECK_EQ(arca_gc_collect(2), 0);
    /* The second death is without finalize. */
    arca_release(saviour);
    CHECK_EQ(arca_gc_collect(2), 5);
    CHECK_EQ(saves, 1);
    CHECK_EQ(nodes_alive(), 0);
}

TEST(finalize, all_may_rise)
{
    manual();
    arca_release(ring_of(&saving_type, 10));
    CHECK_EQ(arca_gc_collect(2), 0);
    CHECK_EQ(saves, 10);
    for (unsigned i = 0; i < 10; i++) {
        node_check(saved[i]);
        CHECK_EQ(arca_refcount(saved[i]), 2);
        arca_release(saved[i]);
    }
    CHECK_EQ(arca_gc_collect(2), 10);
    CHECK_EQ(nodes_alive(), 0);
}

/* What was seen by a collection of 0 and lives is of generation 1; while it is of 0, one of 0 finds it. */
TEST(finalize, the_risen_are_found_by_the_collection_of_their_generation)
{
    manual();
    for (int generation = 0; generation < 3; generation++) {
        saves = 0;
        arca_release(ring_of(&saving_type, 5));
        CHECK_EQ(arca_gc_collect(generation), 0);
        CHECK_EQ(saves, 5);
        int of = arca_gc_generation(saved[0]);
        CHECK_EQ(of, generation < 2 ? generation + 1 : 2);
        for (unsigned i = 0; i < 5; i++)
            arca_release(saved[i]);
        CHECK_EQ(arca_gc_collect(of), 5);
        CHECK_EQ(nodes_alive(), 0);
    }
}

static void break_ring(void *object)
{
    struct node *node = object;
    arca_slot_clear(&node->slots[0]);
    finalized++;
}

TEST(finalize, may_cut_the_cycle)
{
    static arca_type type = NODE_TYPE("cutting", .finalize = break_ring);
    manual();
    arca_release(ring_of(&type, 10));
    CHECK_EQ(arca_gc_collect(2), 10);
    CHECK_EQ(finalized, 10);
    CHECK_EQ(nodes_alive(), 0);
}

static void grow(void *object)
{
    struct node *node = object;
    for (unsigned i = 1; i < SLOTS; i++)
        arca_slot_put(&node->slots[i], ring_new(3));
    node_link(node_at(node, 1), 1, node); /* one of them keeps it */
}

TEST(finalize, may_make_objects_and_hang_them_in)
{
    static arca_type type = NODE_TYPE("growing", .finalize = grow);
    manual();
    arca_release(ring_of(&type, 3));
    /* What is new was in no proof: its neighbours wait for the next collection. */
    size_t freed = (size_t)arca_gc_collect(2);
    freed += (size_t)arca_gc_collect(2);
    freed += (size_t)arca_gc_collect(2);
    CHECK_EQ(freed, 3 + 3 * 9);
    CHECK_EQ(nodes_alive(), 0);
}

static long nested = -1;

static void collect_inside(void *object)
{
    (void)object;
    nested = arca_gc_collect(2);
}

TEST(finalize, a_nested_collection_does_nothing)
{
    static arca_type type = NODE_TYPE("nesting", .finalize = collect_inside);
    manual();
    arca_release(ring_of(&type, 2));
    CHECK_EQ(arca_gc_collect(2), 2);
    CHECK_EQ(nested, 0);
}

TEST(finalize, a_collection_inside_a_death_by_count_collects)
{
    static arca_type type = NODE_TYPE("dying", .finalize = collect_inside);
    manual();
    litter(3, 3);
    arca_release(node_of(&type));
    CHECK_EQ(nested, 9);
    CHECK_EQ(nodes_alive(), 0);
}

/* ---- destroy --------------------------------------------------------------------------------------------------- */

static void destroy_busily(void *object)
{
    node_destroy(object);
    arca_release(ring_new(2));
    struct node *node = node_new();
    arca_release(arca_weak_bind(node, NULL, NULL));
    arca_release(node);
    CHECK_EQ(arca_gc_collect(2), 0);
}

TEST(finalize, destroy_may_use_the_library)
{
    static arca_type type = {
        .name = "busy", .size = sizeof(struct node), .slots = node_slots, .slot_count = SLOTS, .destroy = destroy_busily
    };
    manual();
    arca_release(ring_of(&type, 500));
    CHECK_EQ(arca_gc_collect(2), 500);
    CHECK_EQ(arca_gc_collect(2), 1000);
    CHECK_EQ(nodes_alive(), 0);
}

static void *late;

static void retain_self(void *object)
{
    late = arca_retain(object);
}

static void release_self(void *object)
{
    arca_release(object);
}

static void bind_self(void *object)
{
    late = arca_weak_bind(object, NULL, NULL);
}

static void see_self(void *object)
{
    CHECK(arca_is_finalized(object));
    CHECK_EQ(arca_refcount(object), 0);
    CHECK_STR(arca_type_of(object)->name, "late");
}

static void nothing_to_finalize(void *object)
{
    (void)object;
}

static void collect_one_that(void (*destroys)(void *object))
{
    static arca_type type = { .name = "late", .size = sizeof(struct node), .slots = node_slots, .slot_count = SLOTS,
                              .finalize = nothing_to_finalize, .flags = NODE_FLAGS };
    type.destroy = destroys;
    manual();
    struct node *node = arca_new(&type);
    node_link(node, 0, node);
    arca_release(node);
    CHECK_EQ(arca_gc_collect(2), 1);
}

/* As one that dies of its last release. */
TEST_ABORTS(finalize, a_collected_object_that_destroy_retains_is_named, "arca: arca_retain(): ")
{
    collect_one_that(retain_self);
}

TEST_ABORTS(finalize, a_collected_object_that_destroy_releases_is_named, "arca: arca_release(): ")
{
    collect_one_that(release_self);
}

TEST_ABORTS(finalize, a_collected_object_that_destroy_binds_to_is_named, "arca: arca_weak_bind(): ")
{
    collect_one_that(bind_self);
}

TEST(finalize, a_collected_object_tells_its_destroy_what_it_was)
{
    collect_one_that(see_self);
}

/* ---- weak references ---------------------------------------------------------------------------------------------- */

static unsigned calls;
static arca_weak *called[8];

static void note_call(arca_weak *weak, void *data)
{
    CHECK(data == &calls);
    CHECK(arca_weak_upgrade(weak) == NULL);
    called[calls++ % 8] = weak;
}

TEST(finalize, weak_references_are_cut_off_and_called_once_the_newest_first)
{
    manual();
    struct node *ring = ring_new(3);
    arca_weak *weak[3];
    for (unsigned i = 0; i < 3; i++)
        weak[i] = arca_weak_bind(ring, note_call, &calls);
    CHECK_EQ(arca_gc_collect(2), 0);
    CHECK_EQ(calls, 0);
    void *strong = arca_weak_upgrade(weak[1]);
    CHECK(strong == ring);
    arca_release(strong);
    arca_release(ring);
    CHECK_EQ(arca_gc_collect(2), 3);
    CHECK_EQ(calls, 3);
    for (unsigned i = 0; i < 3; i++) {
        CHECK(called[i] == weak[2 - i]);
        CHECK(arca_weak_upgrade(weak[i]) == NULL);
        arca_release(weak[i]);
    }
}

TEST(finalize, a_weak_reference_in_the_cycle_itself)
{
    manual();
    struct node *ring = ring_new(2);
    arca_slot_put(&ring->slots[1], arca_weak_bind(ring, note_call, &calls));
    arca_slot_put(&ring->slots[2], arca_weak_bind(node_at(ring, 0), NULL, NULL));
    arca_release(ring);
    CHECK_EQ(arca_gc_collect(2), 2);
    CHECK_EQ(calls, 1); /* as when it dies of its count */
    CHECK_EQ(nodes_alive(), 0);
}

static arca_weak *outer, *inner;

static void try_upgrade(void *object)
{
    CHECK(arca_weak_upgrade(outer) == NULL);
    CHECK_EQ(calls, 0); /* callbacks come after */
    inner = arca_weak_bind(object, note_call, &calls);
    void *strong = arca_weak_upgrade(inner);
    CHECK(strong == object);
    arca_release(strong);
}

static arca_type binding_type = NODE_TYPE("binding", .finalize = try_upgrade);

/* One order for both ways to die. */
static void check_order_of_calls(bool by_count)
{
    manual();
    struct node *node = node_of(&binding_type);
    outer = arca_weak_bind(node, note_call, &calls);
    if (!by_count)
        node_link(node, 0, node);
    arca_release(node);
    CHECK_EQ(arca_gc_collect(2), by_count ? 0 : 1);
    CHECK_EQ(nodes_alive(), 0);
    CHECK_EQ(calls, 2);
    CHECK(called[0] == inner); /* the newest first */
    CHECK(called[1] == outer);
    CHECK(arca_weak_upgrade(inner) == NULL);
    arca_release(inner);
    arca_release(outer);
}

TEST(finalize, one_that_finalize_binds_is_lost_and_called_first_by_count)
{
    check_order_of_calls(true);
}

TEST(finalize, one_that_finalize_binds_is_lost_and_called_first_by_collection)
{
    check_order_of_calls(false);
}

static void save_and_bind(void *object)
{
    save(object);
    inner = arca_weak_bind(object, note_call, &calls);
}

static void check_the_risen(bool by_count)
{
    static arca_type type = NODE_TYPE("risen", .finalize = save_and_bind);
    manual();
    struct node *node = node_of(&type);
    node_link(node, 0, node);
    outer = arca_weak_bind(node, note_call, &calls);
    if (by_count) {
        arca_slot_put(&node->slots[1], node_new());
        arca_slot_store(&node->slots[0], node_at(node, 1));
    }
    arca_release(node);
    CHECK_EQ(arca_gc_collect(2), 0);
    CHECK_EQ(saves, 1);
    CHECK_EQ(calls, 1); /* lost, though the object lives: U9 */
    CHECK(called[0] == outer);
    CHECK(arca_weak_upgrade(outer) == NULL);
    void *strong = arca_weak_upgrade(inner);
    CHECK(strong == node);
    arca_release(strong);
    arca_release(node);
    CHECK_EQ(arca_gc_collect(2), by_count ? 0 : 1);
    CHECK_EQ(nodes_alive(), 0);
    CHECK_EQ(calls, 2);
    arca_release(outer);
    arca_release(inner);
}

TEST(finalize, references_to_the_risen_stay_dead_by_count)
{
    check_the_risen(true);
}

TEST(finalize, references_to_the_risen_stay_dead_by_collection)
{
    check_the_risen(false);
}

/* ---- callbacks --------------------------------------------------------------------------------------------------- */

static arca_weak *siblings[3];

static void sever_others(arca_weak *weak, void *data)
{
    (void)data;
    calls++;
    for (unsigned i = 0; i < 3; i++) {
        if (siblings[i] != weak)
            arca_weak_sever(siblings[i]);
    }
}

TEST(finalize, a_callback_may_sever_those_that_wait_for_theirs)
{
    manual();
    struct node *ring = ring_new(3);
    for (unsigned i = 0; i < 3; i++)
        siblings[i] = arca_weak_bind(i == 0 ? ring : node_at(ring, 0), sever_others, NULL);
    arca_release(ring);
    CHECK_EQ(arca_gc_collect(2), 3);
    CHECK_EQ(calls, 1);
    for (unsigned i = 0; i < 3; i++)
        arca_release(siblings[i]);
}

static void release_weak(arca_weak *weak, void *data)
{
    (void)data;
    calls++;
    arca_release(weak); /* the unit of the test */
    litter(1, 2);
    CHECK_EQ(arca_gc_collect(2), 0);
}

TEST(finalize, a_callback_may_release_its_weak_reference_and_make_garbage)
{
    manual();
    struct node *ring = ring_new(3);
    for (unsigned i = 0; i < 5; i++)
        CHECK(arca_weak_bind(ring, release_weak, NULL) != NULL);
    arca_release(ring);
    CHECK_EQ(arca_gc_collect(2), 3);
    CHECK_EQ(calls, 5);
    CHECK_EQ(arca_gc_collect(2), 10);
    CHECK_EQ(nodes_alive(), 0);
}

/* Lost is lost: whoever looks at all objects does not meet what is about to be freed. */
static unsigned met;

static bool meet(void *object, void *lost)
{
    if (arca_type_of(object) == lost) {
        met++;
        saved[saves++ % 16] = arca_retain(object);
    }
    return true;
}

static void look_in_callback(arca_weak *weak, void *lost)
{
    (void)weak;
    calls++;
    arca_gc_objects(-1, meet, lost);
}

static arca_type lost_type = NODE_TYPE("lost", .flags = 0);

TEST(finalize, the_lost_are_not_met_by_who_looks_at_all_objects)
{
    manual();
    struct node *ring = ring_of(&lost_type, 3);
    arca_weak *weak = arca_weak_bind(ring, look_in_callback, &lost_type);
    arca_release(ring);
    CHECK_EQ(arca_gc_collect(2), 3);
    CHECK_EQ(calls, 1);
    CHECK_EQ(met, 0);
    for (unsigned i = 0; i < saves; i++)
        node_check(saved[i]);
    arca_release(weak);
}

/* bug1055820: of a callback whose data is garbage as well, c holds the weak reference to a member. */
TEST(finalize, callbacks_of_several_members_each_come_once)
{
    manual();
    struct node *ring = ring_new(3);
    arca_weak *weak[3] = { arca_weak_bind(ring, note_call, &calls), arca_weak_bind(node_at(ring, 0), note_call, &calls),
                           arca_weak_bind(node_at(node_at(ring, 0), 0), note_call, &calls) };
    arca_slot_put(&ring->slots[1], arca_retain(weak[1]));
    arca_release(ring);
    CHECK_EQ(arca_gc_collect(2), 3);
    CHECK_EQ(calls, 3);
    for (unsigned i = 0; i < 3; i++)
        arca_release(weak[i]);
    CHECK_EQ(nodes_alive(), 0);
}

/* ---- one order for both ways to die ---------------------------------------------------------------------------------- */

static char order[64];

static void order_finalize(void *object)
{
    (void)object;
    strcat(order, "f");
}

static void order_call(arca_weak *weak, void *data)
{
    (void)weak;
    (void)data;
    strcat(order, "c");
}

static void order_destroy(void *object)
{
    strcat(order, "d");
    node_destroy(object);
}

static void check_order(bool by_count)
{
    static arca_type type = { .name = "order", .size = sizeof(struct node), .slots = node_slots, .slot_count = SLOTS,
                              .finalize = order_finalize, .destroy = order_destroy };
    manual();
    struct node *node = node_of(&type);
    node_link(node, 0, by_count ? NULL : node);
    arca_weak *weak = arca_weak_bind(node, order_call, NULL);
    arca_release(node);
    arca_gc_collect(2);
    CHECK_STR(order, "fcd");
    arca_release(weak);
}

TEST(finalize, order_of_death_by_count)
{
    check_order(true);
}

TEST(finalize, order_of_death_by_collection)
{
    check_order(false);
}
