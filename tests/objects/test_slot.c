/* Slots, one thread. */
#include "nodes.h"

#include "arca/gc.h"
#include "gc/objects/header.h"

TEST(slot, a_fresh_slot_is_null)
{
    struct node *owner = node_new();
    CHECK(arca_slot_load(&owner->left) == NULL);
    CHECK(arca_slot_borrow(&owner->left) == NULL);
    CHECK(arca_slot_take(&owner->left) == NULL);
    arca_slot_clear(&owner->left);
    arca_slot_store(&owner->left, NULL);
    arca_slot_put(&owner->left, NULL);
    CHECK(arca_slot_exchange(&owner->left, NULL) == NULL);
    arca_slot_swap(&owner->left, &owner->right);
    arca_release(owner);
    nodes_check_gone();
}

TEST(slot, store_takes_a_unit_of_its_own_and_releases_the_old_one)
{
    struct node *owner = node_new(), *first = node_new(), *second = node_new();
    arca_slot_store(&owner->left, first);
    CHECK_EQ(arca_refcount(first), 2);
    arca_release(first);
    CHECK_EQ(arca_refcount(first), 1);
    arca_slot_store(&owner->left, second);
    CHECK_EQ(nodes_dead, 1);
    arca_slot_store(&owner->left, second); /* itself */
    CHECK_EQ(arca_refcount(second), 2);
    arca_slot_clear(&owner->left);
    CHECK_EQ(arca_refcount(second), 1);
    arca_release(second);
    arca_release(owner);
    nodes_check_gone();
}

TEST(slot, store_of_what_only_the_slot_owns_keeps_it)
{
    struct node *owner = node_new();
    arca_slot_put(&owner->left, node_new());
    struct node *node = arca_slot_borrow(&owner->left);
    arca_slot_store(&owner->left, node);
    node_check(node);
    CHECK_EQ(arca_refcount(node), 1);
    arca_release(owner);
    nodes_check_gone();
}

TEST(slot, load_owns_and_borrow_does_not)
{
    struct node *owner = node_new(), *node = node_new();
    arca_slot_put(&owner->left, node);
    CHECK(arca_slot_borrow(&owner->left) == node);
    CHECK_EQ(arca_refcount(node), 1);
    void *loaded = arca_slot_load(&owner->left);
    CHECK(loaded == node);
    CHECK_EQ(arca_refcount(node), 2);
    arca_release(owner);
    node_check(node);
    arca_release(loaded);
    nodes_check_gone();
}

TEST(slot, moves_keep_the_count_and_touch_the_object)
{
    struct node *owner = node_new(), *node = node_new(), *other = node_new();
    uint64_t word = *word_of(node);
    arca_slot_put(&owner->left, node);
    CHECK_EQ(*word_of(node), word);
    void *taken = arca_slot_take(&owner->left);
    CHECK(taken == node);
    CHECK_EQ(*word_of(node), word + WORD_VERSION);
    CHECK(arca_slot_borrow(&owner->left) == NULL);
    arca_slot_put(&owner->left, node);
    void *old = arca_slot_exchange(&owner->left, other);
    CHECK(old == node);
    CHECK_EQ(*word_of(node), word + 2 * WORD_VERSION);
    CHECK_EQ(arca_refcount(other), 1);
    arca_release(node);
    arca_release(owner);
    nodes_check_gone();
}

TEST(slot, swap_swaps_and_touches_both)
{
    struct node *owner = node_new(), *a = node_new(), *b = node_new();
    arca_slot_put(&owner->left, a);
    arca_slot_put(&owner->right, b);
    uint64_t of_a = *word_of(a), of_b = *word_of(b);
    arca_slot_swap(&owner->left, &owner->right);
    CHECK(arca_slot_borrow(&owner->left) == b);
    CHECK(arca_slot_borrow(&owner->right) == a);
    CHECK_EQ(*word_of(a), of_a + WORD_VERSION);
    CHECK_EQ(*word_of(b), of_b + WORD_VERSION);
    arca_release(owner);
    nodes_check_gone();
}

TEST(slot, an_edit_touches_the_owner)
{
    struct node *owner = node_new();
    arca_slot_put(&owner->left, node_new());
    uint64_t word = *word_of(owner);
    arca_edit_begin(owner);
    arca_slot moved = owner->left;
    owner->left = owner->right;
    owner->right = moved;
    arca_edit_end(owner);
    CHECK_EQ(*word_of(owner), word + WORD_VERSION);
    CHECK(arca_slot_borrow(&owner->left) == NULL);
    arca_release(owner);
    nodes_check_gone();
}

TEST(slot, an_object_may_own_itself)
{
    struct node *node = node_new();
    arca_gc_disable();
    arca_slot_store(&node->left, node);
    arca_release(node);
    CHECK_EQ(nodes_dead, 0); /* a cycle: a collector's */
    arca_slot_clear(&node->left);
    nodes_check_gone();
}

TEST(slot, items_can_be_slots)
{
    static arca_type array_type = {
        .name = "array", .size = sizeof(arca_var_object), .item_size = sizeof(arca_slot), .flags = ARCA_TYPE_ITEM_SLOTS
    };
    for (size_t count = 0; count < 10000; count = count * 3 + 1) {
        arca_var_object *array = arca_new_var(&array_type, count);
        REQUIRE(array != NULL);
        arca_slot *items = (arca_slot *)(array + 1);
        for (size_t i = 0; i < count; i++)
            arca_slot_put(&items[i], node_new());
        arca_release(array);
        nodes_check_gone();
    }
}

struct traversed {
    struct node node;
    unsigned used; /* of the slots below */
    arca_slot slots[4];
};

static void traverse(void *object, arca_visit *visit, void *context)
{
    struct traversed *traversed = object;
    for (unsigned i = 0; i < traversed->used; i++)
        visit(&traversed->slots[i], context);
}

TEST(slot, slots_that_a_traverse_names_are_cleared)
{
    static arca_type type = {
        .name = "traversed", .size = sizeof(struct traversed), .traverse = traverse, .destroy = node_destroy
    };
    for (unsigned used = 0; used <= 4; used++) {
        struct traversed *object = node_of(&type);
        object->used = used;
        for (unsigned i = 0; i < used; i++)
            arca_slot_put(&object->slots[i], node_new());
        arca_release(object);
        nodes_check_gone();
    }
}

TEST_ABORTS(slot, a_dead_object_in_a_slot_is_named, "arca_slot_load(): ")
{
    struct node *owner = node_new(), *node = node_new();
    arca_slot_store(&owner->left, node);
    arca_release(node);
    arca_release(node); /* the slot's */
    arca_release(arca_slot_load(&owner->left));
}
