/* What debug=refs says. */
#include "../unit/capture.h"
#include "nodes.h"

#include <arca/containers.h>

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

TEST_ABORTS(debug, a_slot_of_a_dead_object_is_named, ": one of its slots is used, but the object is dead; it was of type 'node'\n")
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

/* ---- slots that only traverse knows ------------------------------------------------------------------------ */

struct pair_row {
    arca_var_object var; /* count bytes: 24 a row */
    struct {
        arca_slot key, value;
        uint64_t stamp;
    } rows[];
};

static void rows_traverse(void *object, arca_visit *visit, void *context)
{
    struct pair_row *table = object;
    for (size_t i = 0; i < table->var.count / sizeof table->rows[0]; i++) {
        visit(&table->rows[i].key, context);
        visit(&table->rows[i].value, context);
    }
}

static arca_type rows_type = {
    .name = "rows", .size = sizeof(struct pair_row), .item_size = 1, .traverse = rows_traverse
};

static struct pair_row *rows_new(size_t rows)
{
    struct pair_row *table = arca_new_var(&rows_type, rows * sizeof table->rows[0]);
    REQUIRE(table != NULL);
    return table;
}

TEST_ABORTS(debug, a_place_that_traverse_does_not_visit_is_named, ", which is of type 'rows'\n")
{
    debug_refs();
    struct pair_row *table = rows_new(4);
    for (unsigned i = 0; i < 4; i++) {
        arca_slot_put(&table->rows[i].key, node_new());
        arca_slot_store(&table->rows[i].value, table->rows[i].key.arca_target);
    }
    arca_slot_store((arca_slot *)&table->rows[3].stamp, NULL);
}

TEST_ABORTS(debug, the_header_is_no_slot, ": not a slot of the object ")
{
    debug_refs();
    arca_slot_store((arca_slot *)rows_new(4), NULL);
}

TEST(debug, large_objects_are_not_traversed_for_each_of_their_slots)
{
    debug_refs();
    struct pair_row *table = rows_new(100000);
    for (unsigned i = 0; i < 100000; i++)
        arca_slot_put(&table->rows[i].key, arca_int_new(i));
    arca_release(table);
}

/* ---- objects that are none, dead, or of another type ---------------------------------------------------- */

TEST_ABORTS(debug, a_map_that_is_taken_for_a_list_is_named, ": of type 'arca_map', not 'arca_list'\n")
{
    debug_refs();
    (void)arca_list_append((arca_list *)arca_map_new(), arca_int_new(1));
}

TEST_ABORTS(debug, a_shared_integer_that_is_taken_for_a_string_is_named, ": of type 'arca_int', not 'arca_str'\n")
{
    debug_refs();
    (void)arca_str_length((arca_str *)arca_int_new(7));
}

TEST_ABORTS(debug, a_node_that_is_taken_for_a_weak_reference_is_named, "arca: arca_weak_upgrade(): ")
{
    debug_refs();
    arca_release(arca_weak_upgrade((arca_weak *)node_new()));
}

TEST_ABORTS(debug, an_object_that_died_while_it_was_edited_is_named, "arca: arca_edit_end(): ")
{
    debug_refs();
    struct node *node = node_new();
    arca_edit_begin(node);
    arca_release(node);
    arca_edit_end(node);
}

TEST_ABORTS(debug, a_dead_list_is_named, ": the object is dead; it was of type 'arca_list'\n")
{
    debug_refs();
    arca_list *list = arca_list_new();
    arca_release(list);
    (void)arca_list_length(list);
}

TEST_ABORTS(debug, a_dead_object_that_is_put_into_a_slot_is_named, "arca: arca_slot_put(): ")
{
    debug_refs();
    struct node *owner = node_new(), *node = node_new();
    arca_release(node);
    arca_slot_put(&owner->left, node);
}

TEST_ABORTS(debug, a_dead_item_is_named, "arca: arca_list_append(): ")
{
    debug_refs();
    struct node *node = node_new();
    arca_release(node);
    (void)arca_list_append(arca_list_new(), node);
}

TEST_ABORTS(debug, a_block_of_malloc_that_is_put_into_a_slot_is_named, ": not an object\n")
{
    debug_refs();
    struct node *owner = node_new();
    arca_slot_put(&owner->left, arca_calloc(1, 64));
}

TEST_ABORTS(debug, the_inside_of_an_object_is_not_an_object, ": not an object\n")
{
    debug_refs();
    struct node *owner = node_new();
    arca_slot_put(&owner->left, (char *)node_new() + 16);
}

/* ---- who is named, and what ---------------------------------------------------------------------------------- */

TEST_ABORTS(debug, a_copy_in_a_block_of_malloc_that_is_released_is_named, ": not an object\n")
{
    debug_refs();
    struct node *node = node_new(), *copy = arca_malloc(sizeof *copy);
    memcpy(copy, node, sizeof *copy);
    atomic_store(&copy->stamp, node_stamp(copy));
    arca_release(copy);
}

TEST_ABORTS(debug, a_block_of_malloc_that_is_retained_is_no_dead_object, ": not an object\n")
{
    debug_refs();
    arca_retain(arca_calloc(1, 64));
}

TEST_ABORTS(debug, the_inside_of_an_object_that_is_released_is_no_dead_object, ": not an object\n")
{
    debug_refs();
    arca_release((char *)node_new() + 32);
}

TEST_ABORTS(debug, what_is_asked_about_is_an_object, "arca: arca_type_of(): ")
{
    debug_refs();
    CHECK(arca_is_list(arca_calloc(1, 64)));
}

TEST_ABORTS(debug, what_a_list_holds_and_is_dead_is_named_with_its_type,
            ": in a slot of a dying object and dead already (released too often); it was of type 'node'\n")
{
    debug_refs();
    arca_list *list = arca_list_new();
    struct node *node = node_new();
    CHECK_EQ(arca_list_append(list, node), 0);
    arca_release(node);
    arca_release(node);
    arca_release(list);
}

TEST_ABORTS(debug, a_dead_object_that_had_weak_references_has_its_type, "the object is dead; it was of type 'node'\n")
{
    debug_refs();
    struct node *node = node_new();
    CHECK(arca_weak_bind(node, NULL, NULL) != NULL);
    arca_release(node);
    arca_retain(node);
}

static void destroy_that_asks(void *object)
{
    CHECK(arca_type_of(object) != NULL && arca_refcount(object) == 0 && !arca_is_finalized(object) && !arca_is_list(object));
}

TEST(debug, a_destroy_may_ask_what_its_object_is)
{
    static arca_type type = { .name = "asking", .size = 32, .destroy = destroy_that_asks };
    debug_refs();
    arca_release(arca_new(&type));
}

/* The function that the program called, not one that this one calls. */
TEST_ABORTS(debug, a_take_is_called_take, "arca: arca_slot_take(): ")
{
    static arca_slot slot;
    debug_refs();
    arca_release(arca_slot_take(&slot));
}

TEST_ABORTS(debug, a_swap_is_called_swap, "arca: arca_slot_swap(): ")
{
    static arca_slot slot;
    debug_refs();
    arca_slot_swap(&((struct node *)node_new())->left, &slot);
}

TEST_ABORTS(debug, a_clear_is_called_clear, "arca: arca_slot_clear(): ")
{
    static arca_slot slot;
    debug_refs();
    arca_slot_clear(&slot);
}

TEST_ABORTS(debug, a_comparison_is_called_so, "arca: arca_str_compare(): ")
{
    debug_refs();
    CHECK_EQ(arca_str_compare(NULL, (arca_str *)node_new()), 0);
}

TEST_ABORTS(debug, a_copy_is_called_so, "arca: arca_deep_copy(): ")
{
    debug_refs();
    arca_release(arca_deep_copy(arca_calloc(1, 64)));
}

TEST(debug, containers_work)
{
    debug_refs();
    for (unsigned round = 0; round < 3; round++) {
        arca_map *map = arca_map_new();
        arca_list *list = arca_list_new();
        for (int i = 0; i < 3000; i++) {
            arca_auto arca_int *number = arca_int_new(i);
            arca_auto arca_str *text = arca_str_intern((char *)&i, sizeof i);
            CHECK(arca_map_set(map, text, number) == 0 && arca_map_set(map, number, list) == 0);
            CHECK(arca_list_append(list, text) == 0 && arca_list_insert(list, 0, number) == 0);
            if (i % 3 == 0)
                arca_release(arca_map_remove(map, number));
        }
        arca_auto arca_list *copy = arca_deep_copy(list);
        CHECK_EQ(arca_list_length(copy), 6000);
        arca_auto arca_box *box = arca_box_new(list, NULL);
        CHECK(arca_box_data(box) == list);
        arca_list_clear(list); /* it holds the map by nothing, and the map holds it */
        arca_release(map);
        arca_release(list);
    }
    arca_heap_check();
}

TEST_ABORTS(debug, put_into_a_full_slot_is_named, ": the slot is not empty\n")
{
    debug_refs();
    struct node *node = node_new();
    arca_slot_put(&node->left, node_new());
    arca_slot_put(&node->left, node_new());
}

TEST_ABORTS(debug, a_release_too_many_is_named_long_after, "the object is dead already (released too often); it was of type 'node'\n")
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
    for (unsigned i = 0; i < 2; i++) { /* as in a library that was unloaded and came back to its place */
        memset(&large_type.arca_private, 0, sizeof large_type.arca_private);
        arca_retain(arca_new(&large_type));
    }
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

static void watch_and_release(void *object)
{
    arca_weak *weak = arca_weak_bind(object, NULL, NULL);
    CHECK(weak != NULL);
    arca_release(weak);
}

static void make_nothing(void)
{
    static ARCA_STATIC(struct node) standing = { .object = { .object = ARCA_IMMORTAL(&node_type) } };
    void *immortal = arca_new(&leaked_type);
    arca_make_immortal(immortal);
    watch_and_release(immortal);
    watch_and_release(&standing.object);
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
    const char *large = strstr(said, "arca: debug=refs: 2 objects of type 'large' are left\n");
    REQUIRE(large != NULL);
    CHECK(strstr(large + 1, "arca: debug=refs: 2 objects of type 'large'") == NULL);
    CHECK(strstr(said, "arca: debug=refs: 1 object of type 'arca_weak' is left\n") != NULL);
}

TEST(debug, nothing_is_said_when_nothing_is_left)
{
    debug_refs();
    CHECK_STR(capture(exit_clean), "");
}
