/* How objects die: order, once, resurrection, and never by recursion. */
#include "nodes.h"

#include "arca/gc.h"
#include "base/options.h"
#include "front/objects.h"
#include "gc/objects/limbo.h"

#include <stdlib.h>

/* ---- order --------------------------------------------------------------------------------------------- */

static char events[64];

static void note(char event)
{
    events[strlen(events)] = event;
}

static struct node *observed;
static arca_weak *observer;

static void finalize_in_order(void *object)
{
    note('f');
    CHECK(arca_weak_upgrade(observer) == NULL);
    CHECK(arca_slot_borrow(&((struct node *)object)->left) != NULL); /* all its slots as they were */
    CHECK_EQ(arca_refcount(object), 1);
    CHECK(arca_is_finalized(object));
}

static void destroy_in_order(void *object)
{
    note('d');
    CHECK(arca_slot_borrow(&((struct node *)object)->left) == NULL);
    node_destroy(object);
}

static void child_destroy(void *object)
{
    note('c');
    node_destroy(object);
}

static void call_in_order(arca_weak *weak, void *data)
{
    (void)weak, (void)data;
    note('w');
    CHECK(arca_slot_borrow(&observed->left) != NULL);
}

static arca_type ordered_type = {
    .name = "ordered", .size = sizeof(struct node), .slots = node_slots, .slot_count = 2,
    .finalize = finalize_in_order, .destroy = destroy_in_order,
};
static arca_type child_type = {
    .name = "child", .size = sizeof(struct node), .slots = node_slots, .slot_count = 2, .destroy = child_destroy
};

TEST(death, goes_from_sever_to_finalize_to_callbacks_to_slots_to_destroy)
{
    observed = node_of(&ordered_type);
    observer = arca_weak_bind(observed, call_in_order, NULL);
    arca_slot_put(&observed->left, node_of(&child_type));
    arca_release(observed);
    CHECK_STR(events, "fwdc"); /* the child in its turn, after its owner */
    arca_release(observer);
    nodes_check_gone();
}

/* ---- finalize and resurrection ---------------------------------------------------------------------------- */

static unsigned finalized;
static struct node *saved[4];

static void rise(void *object)
{
    saved[finalized++ % 4] = arca_retain(object);
}

static arca_type rising_type = {
    .name = "rising", .size = sizeof(struct node), .slots = node_slots, .slot_count = 2,
    .finalize = rise, .destroy = node_destroy,
};

static struct node *shared_child;

static void destroy_when_all_is_given_back(void *object)
{
    CHECK_EQ(arca_refcount(shared_child), 1);
    node_destroy(object);
}

static arca_type giving_type = {
    .name = "giving", .size = sizeof(struct node), .slots = node_slots, .slot_count = 2, .destroy = destroy_when_all_is_given_back
};

TEST(death, destroy_finds_the_last_slot_given_back_as_well)
{
    struct node *parent = node_of(&giving_type);
    shared_child = node_new();
    arca_slot_store(&parent->left, shared_child);
    arca_slot_store(&parent->right, shared_child);
    CHECK_EQ(arca_refcount(shared_child), 3);
    arca_release(parent);
    CHECK_EQ(nodes_dead, 1);
    arca_release(shared_child);
    CHECK_EQ(nodes_dead, 2);
}

TEST(death, finalize_runs_once_and_may_save_its_object)
{
    struct node *node = node_of(&rising_type);
    arca_slot_put(&node->left, node_new());
    arca_release(node);
    CHECK_EQ(finalized, 1);
    CHECK(saved[0] == node);
    CHECK_EQ(arca_refcount(node), 1);
    CHECK(arca_is_finalized(node));
    node_check(node);
    node_check(arca_slot_borrow(&node->left));
    for (unsigned i = 0; i < 10; i++) { /* the counts of a finalised object go another way */
        arca_retain(node);
        arca_slot_store(&node->right, node);
        void *taken = arca_slot_take(&node->right);
        arca_release(taken);
        arca_release(node);
    }
    CHECK_EQ(arca_refcount(node), 1);
    arca_release(node);
    CHECK_EQ(finalized, 1);
    nodes_check_gone();
}

TEST(death, a_reused_block_is_not_finalised)
{
    for (unsigned i = 0; i < 100; i++) {
        struct node *node = node_of(&rising_type);
        CHECK(!arca_is_finalized(node));
        finalized = 0;
        arca_release(node);
        CHECK_EQ(finalized, 1);
        arca_release(node);
    }
    nodes_check_gone();
}

static struct node *shelter;

static void rise_into_a_slot(void *object)
{
    arca_slot_store(&shelter->left, object);
}

TEST(death, finalize_may_save_its_object_in_a_slot)
{
    static arca_type type = {
        .name = "sheltered", .size = sizeof(struct node), .finalize = rise_into_a_slot, .destroy = node_destroy
    };
    shelter = node_new();
    struct node *node = node_of(&type);
    arca_release(node);
    node_check(node);
    CHECK(arca_slot_borrow(&shelter->left) == node);
    arca_release(shelter);
    nodes_check_gone();
}

static void rise_and_fall(void *object)
{
    finalized++;
    arca_retain(object);
    arca_release(object); /* not the last unit: the dying object has one */
}

TEST(death, a_finalize_that_retains_and_releases_its_object_lets_it_die)
{
    static arca_type type = {
        .name = "undecided", .size = sizeof(struct node), .finalize = rise_and_fall, .destroy = node_destroy
    };
    arca_release(node_of(&type));
    CHECK_EQ(finalized, 1);
    nodes_check_gone();
}

static void break_own_slots(void *object)
{
    struct node *node = object;
    arca_slot_clear(&node->left);
    arca_slot_store(&node->right, node); /* a cycle of its own making: it lives */
    finalized++;
}

TEST(death, a_finalize_that_stores_its_object_in_itself_saves_it)
{
    static arca_type type = {
        .name = "narcissus", .size = sizeof(struct node), .slots = node_slots, .slot_count = 2,
        .finalize = break_own_slots, .destroy = node_destroy,
    };
    struct node *node = node_of(&type);
    arca_gc_disable(); /* it would find the cycle */
    arca_slot_put(&node->left, node_new());
    arca_release(node);
    CHECK_EQ(nodes_dead, 1);
    node_check(node);
    arca_slot_clear(&node->right);
    CHECK_EQ(finalized, 1);
    nodes_check_gone();
}

static void make_others(void *object)
{
    (void)object;
    struct node *list = NULL;
    for (unsigned i = 0; i < 1000; i++) {
        struct node *node = node_new();
        if (list != NULL)
            arca_slot_put(&node->left, list);
        list = node;
    }
    arca_release(list);
    arca_weak *weak = arca_weak_bind(object, NULL, NULL);
    arca_release(arca_weak_upgrade(weak));
    arca_release(weak);
}

TEST(death, finalize_may_make_and_drop_other_objects)
{
    static arca_type type = {
        .name = "maker", .size = sizeof(struct node), .finalize = make_others, .destroy = node_destroy
    };
    arca_release(node_of(&type));
    CHECK_EQ(nodes_dead, 1001);
    nodes_check_gone();
}

static void release_a_unit_too_many(void *object)
{
    arca_release(object);
}

TEST_ABORTS(death, a_finalize_that_releases_what_it_does_not_own_is_named, "'hasty' has released its object without retaining it")
{
    static arca_type type = { .name = "hasty", .size = sizeof(struct node), .finalize = release_a_unit_too_many };
    arca_release(arca_new(&type));
}

/* ---- never by recursion ------------------------------------------------------------------------------------ */

struct link {
    arca_object object;
    arca_slot next;
};

static const uint32_t link_slots[] = { offsetof(struct link, next) };
static _Atomic size_t links_dead;

static void count_link(void *object)
{
    (void)object;
    atomic_fetch_add_explicit(&links_dead, 1, memory_order_relaxed);
}

static arca_type link_type = {
    .name = "link", .size = sizeof(struct link), .slots = link_slots, .slot_count = 1, .destroy = count_link
};

static struct link *chain(size_t length)
{
    struct link *first = NULL;
    for (size_t i = 0; i < length; i++) {
        struct link *link = arca_new(&link_type);
        REQUIRE(link != NULL);
        arca_slot_put(&link->next, first);
        first = link;
    }
    return first;
}

static void *release_in_a_thread(void *object)
{
    arca_release(object);
    return NULL;
}

#define CHAIN (STEPS((size_t)3000000) * harness_scale())

TEST(death, a_chain_of_millions_dies_on_a_small_stack)
{
    run_on_a_small_stack(release_in_a_thread, chain(CHAIN));
    CHECK_EQ(links_dead, CHAIN);
}

TEST(death, chains_die_in_several_threads_at_once)
{
    pthread_t threads[3];
    for (unsigned i = 0; i < 3; i++)
        threads[i] = start_thread(release_in_a_thread, chain(CHAIN / 10));
    for (unsigned i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(links_dead, CHAIN / 10 * 3);
}

static struct node *tree(unsigned depth)
{
    struct node *node = node_new();
    if (depth != 0) {
        arca_slot_put(&node->left, tree(depth - 1));
        arca_slot_put(&node->right, tree(depth - 1));
    }
    return node;
}

TEST(death, a_tree_dies_on_a_small_stack)
{
    run_on_a_small_stack(release_in_a_thread, tree(SANITIZED ? 14 : 17));
    nodes_check_gone();
}

TEST(death, shared_children_die_with_their_last_owner)
{
    struct node *layer[100];
    for (unsigned i = 0; i < 100; i++)
        layer[i] = node_new();
    for (unsigned depth = 0; depth < 100; depth++) {
        struct node *above[100];
        for (unsigned i = 0; i < 100; i++) {
            above[i] = node_new();
            arca_slot_store(&above[i]->left, layer[i]);
            arca_slot_store(&above[i]->right, layer[(i + 1) % 100]);
        }
        for (unsigned i = 0; i < 100; i++) {
            arca_release(layer[i]);
            layer[i] = above[i];
        }
    }
    CHECK_EQ(nodes_dead, 0);
    for (unsigned i = 0; i < 100; i++)
        arca_release(layer[i]);
    nodes_check_gone();
}

static arca_type fan_type = {
    .name = "fan", .size = sizeof(arca_var_object), .item_size = sizeof(arca_slot), .flags = ARCA_TYPE_ITEM_SLOTS
};

TEST(death, a_wide_fan_dies_on_a_small_stack)
{
    arca_var_object *fan = arca_new_var(&fan_type, STEPS(500000));
    REQUIRE(fan != NULL);
    for (size_t i = 0; i < fan->count; i++)
        arca_slot_put((arca_slot *)(fan + 1) + i, node_new());
    run_on_a_small_stack(release_in_a_thread, fan);
    nodes_check_gone();
}

/* ---- chains through everything ------------------------------------------------------------------------------ */

/* Its destroy, not a slot, releases the next one. */
struct box {
    struct node node;
    void *content;
};

static void box_destroy(void *object)
{
    arca_release(((struct box *)object)->content);
    node_destroy(object);
}

static void count_finalize(void *object)
{
    node_check(object);
    finalized++;
}

static arca_type box_type = { .name = "box", .size = sizeof(struct box), .destroy = box_destroy };
static arca_type ending_type = {
    .name = "ending", .size = sizeof(struct node), .slots = node_slots, .slot_count = 2,
    .finalize = count_finalize, .destroy = node_destroy,
};

static unsigned callbacks;

static void count_callback(arca_weak *weak, void *data)
{
    (void)data;
    callbacks++;
    arca_release(weak);
}

TEST(death, a_chain_through_boxes_finalizers_and_weak_references_dies_on_a_small_stack)
{
    const unsigned length = STEPS(200000);
    void *first = NULL;
    for (unsigned i = 0; i < length; i++) {
        if (i % 3 == 0) {
            struct box *box = node_of(&box_type);
            box->content = first;
            first = box;
        } else {
            struct node *node = node_of(i % 3 == 1 ? &ending_type : &node_type);
            arca_slot_put(i % 2 ? &node->left : &node->right, first);
            first = node;
        }
        if (i % 5 == 0) /* dies with a cell: the wait link goes elsewhere */
            REQUIRE(arca_weak_bind(first, count_callback, NULL) != NULL);
    }
    run_on_a_small_stack(release_in_a_thread, first);
    nodes_check_gone();
    CHECK_EQ(finalized, length / 3 + (length % 3 == 2));
    CHECK_EQ(callbacks, (length + 4) / 5);
}

/* Resurrection in the middle of a falling chain keeps the rest of it. */
TEST(death, a_saved_object_saves_what_it_owns)
{
    struct node *below = node_new(), *middle = node_of(&rising_type), *top = node_new();
    arca_slot_put(&middle->left, below);
    arca_slot_put(&top->left, middle);
    arca_release(top);
    CHECK_EQ(nodes_dead, 1);
    node_check(below);
    arca_release(saved[0]);
    nodes_check_gone();
}

TEST(death, a_typed_chain_of_many_types_finds_every_type_again)
{
    enum { TYPES = 300 };
    static arca_type types[TYPES];
    struct node *first = NULL;
    for (unsigned i = 0; i < TYPES; i++)
        types[i] = node_type;
    for (unsigned i = 0; i < 10 * TYPES; i++) {
        struct node *node = node_of(&types[i * 7 % TYPES]);
        arca_slot_put(i % 2 ? &node->left : &node->right, first);
        if (i % 4 == 0)
            arca_slot_store(i % 2 ? &node->right : &node->left, first);
        first = node;
    }
    arca_release(first);
    nodes_check_gone();
}

/* ---- while a collection runs, and after it ----------------------------------------------------------------- */

#define KEPT 10 /* fewer than go into the limbo in one piece */

static unsigned buried;

static void destroy_when_a_collection_ends(void *object)
{
    if (++buried == KEPT / 2)
        store_seq(&limbo_active, 0u);
    node_destroy(object);
}

static arca_type kept_type = {
    .name = "kept", .size = sizeof(struct node) + 992, .slots = node_slots, .slot_count = 2, .destroy = destroy_when_a_collection_ends
};

/* Of a size that nothing else has: so the next births get the blocks of the last deaths. */
TEST(death, blocks_that_were_kept_back_go_at_once_when_the_collection_has_ended_meanwhile)
{
    struct node *chain = NULL, *dead[KEPT];
    options.collector = COLLECTOR_INLINE; /* its thread would drain as well */
    for (unsigned i = 0; i < KEPT; i++) {
        dead[i] = node_of(&kept_type);
        arca_slot_put(&dead[i]->left, chain);
        chain = dead[i];
    }
    store_seq(&limbo_active, 1u);
    arca_release(chain);
    CHECK_EQ(buried, KEPT);
    CHECK(!limbo_is_active());
    CHECK(limbo_drain() == NULL);
    for (unsigned i = 0; i < KEPT; i++) {
        struct node *fresh = node_of(&kept_type);
        unsigned k = 0;
        while (k < KEPT && dead[k] != fresh)
            k++;
        CHECK(k < KEPT);
        if (k < KEPT)
            dead[k] = NULL;
    }
}

/* Whatever ends first, their chain or the room for them. */
TEST(death, blocks_that_were_kept_back_while_a_collection_runs_are_in_the_limbo)
{
    enum { DEAD = 200 };
    struct node *chain = NULL;
    unsigned kept = 0;
    options.collector = COLLECTOR_INLINE;
    for (unsigned i = 0; i < DEAD; i++) {
        struct node *node = node_of(&node_type);
        arca_slot_put(&node->left, chain);
        chain = node;
    }
    store_seq(&limbo_active, 1u);
    arca_release(chain);
    store_seq(&limbo_active, 0u);
    for (void *object = limbo_drain(), *next; object != NULL; object = next, kept++) {
        next = limbo_next(object);
        object_free(object);
    }
    CHECK_EQ(kept, DEAD);
}
