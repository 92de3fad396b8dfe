/* What debug=refs says. */
#include "../unit/capture.h"
#include "nodes.h"

#include "base/options.h"

#include <stdlib.h>
#include <sys/wait.h>

static void debug_refs(void)
{
    options.debug = DEBUG_REFS;
}

TEST_ABORTS(debug, a_slot_outside_an_object_is_named, "arca: arca_slot_store(): ")
{
    arca_slot slot = { NULL };
    debug_refs();
    arca_slot_store(&slot, node_new());
}

TEST_ABORTS(debug, a_load_from_a_slot_outside_an_object_is_named, ": a slot outside an object\n")
{
    static arca_slot slot;
    debug_refs();
    arca_release(arca_slot_load(&slot));
}

TEST_ABORTS(debug, a_slot_in_a_block_of_malloc_is_named, ": a slot outside an object\n")
{
    debug_refs();
    arca_slot_put(arca_calloc(1, sizeof(arca_slot)), node_new());
}

TEST_ABORTS(debug, a_slot_of_a_dead_object_is_named, ": a slot of the dead object ")
{
    debug_refs();
    struct node *node = node_new();
    arca_release(node);
    arca_release(arca_slot_take(&node->left));
}

/* An object that is taken for one of another type. */
TEST_ABORTS(debug, a_place_that_is_no_slot_of_its_type_is_named, ", which is of type 'node'\n")
{
    debug_refs();
    struct node *node = node_new();
    arca_slot_store((arca_slot *)&node->stamp, NULL);
}

TEST_ABORTS(debug, an_item_behind_the_last_one_is_named, ": not a slot of the object ")
{
    static arca_type type = { .name = "row", .size = sizeof(arca_var_object), .item_size = sizeof(arca_slot),
                              .flags = ARCA_TYPE_ITEM_SLOTS };
    debug_refs();
    arca_slot *items = (arca_slot *)((arca_var_object *)arca_new_var(&type, 4) + 1);
    arca_slot_store(&items[3], NULL);
    arca_slot_store(&items[4], NULL);
}

TEST_ABORTS(debug, put_into_a_full_slot_is_named, ": the slot is not empty\n")
{
    debug_refs();
    struct node *node = node_new();
    arca_slot_put(&node->left, node_new());
    arca_slot_put(&node->left, node_new());
}

TEST_ABORTS(debug, a_release_too_many_is_named_long_after, "the object is dead already (released too often)\n")
{
    debug_refs();
    struct node *node = node_new();
    arca_release(node);
    for (unsigned i = 0; i < 1000; i++) /* without debug=refs one of these has the block */
        arca_retain(node_new());
    arca_release(node);
}

TEST(debug, good_programs_run)
{
    debug_refs();
    for (unsigned i = 0; i < 20000; i++) {
        struct node *owner = node_new(), *node = node_new();
        arca_slot_put(&owner->left, node);
        arca_slot_store(&owner->right, node);
        arca_slot_clear(&owner->left);
        arca_slot_swap(&owner->left, &owner->right);
        arca_weak *weak = arca_weak_bind(owner, NULL, NULL);
        arca_release(owner);
        CHECK(arca_weak_upgrade(weak) == NULL);
        arca_release(weak);
    }
    nodes_check_gone();
    arca_heap_check();
}

/* ---- at exit -------------------------------------------------------------------------------------------- */

static arca_type leaked_type = { .name = "leaked", .size = sizeof(struct node), .flags = ARCA_TYPE_IMMORTAL };
static arca_type large_type = { .name = "large", .size = 100000 };

static void make_leaks(void)
{
    for (unsigned i = 0; i < 7; i++)
        node_init(arca_new(&node_type));
    for (unsigned i = 0; i < 3; i++)
        arca_release(arca_retain(arca_new(&leaked_type)));
    arca_make_immortal(arca_new(&leaked_type)); /* meant to stay */
    for (unsigned i = 0; i < 2; i++)
        arca_retain(arca_new(&large_type));
    arca_weak *weak = arca_weak_bind(node_new(), NULL, NULL);
    CHECK(weak != NULL);
    arca_release(node_new());
}

static void exit_in_a_child(void (*body)(void))
{
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        body();
        exit(0);
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
}

static void exit_with_leaks(void)
{
    exit_in_a_child(make_leaks);
}

static void make_nothing(void)
{
    arca_release(node_new());
}

static void exit_clean(void)
{
    exit_in_a_child(make_nothing);
}

TEST(debug, what_is_left_at_exit_is_listed_by_type)
{
    debug_refs();
    const char *said = capture(exit_with_leaks);
    CHECK(strstr(said, "arca: debug=refs: 8 objects of type 'node' are left\n") != NULL);
    CHECK(strstr(said, "arca: debug=refs: 3 objects of type 'leaked' are left\n") != NULL);
    CHECK(strstr(said, "arca: debug=refs: 2 objects of type 'large' are left\n") != NULL);
    CHECK(strstr(said, "arca: debug=refs: 1 objects of type 'arca_weak' are left\n") != NULL);
}

TEST(debug, nothing_is_said_when_nothing_is_left)
{
    debug_refs();
    CHECK_STR(capture(exit_clean), "");
}
