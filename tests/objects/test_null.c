/* NULL where a C programmer expects it: every function of the headers of objects that takes a pointer, as they say it.
 * tests/text/nulls.py looks whether one is missing here. */
#include "nodes.h"

#include "base/options.h"

#include <arca/containers.h>
#include <arca/gc.h>

#include <errno.h>

/* The headers say that these are given no NULL: slots, types, iterators, callbacks, what is to be filled in. */
#define NEVER(functions)
NEVER(arca_new arca_new_var)
NEVER(arca_slot_load arca_slot_borrow arca_slot_take arca_slot_clear arca_slot_swap)
NEVER(arca_list_next arca_list_iterate_end arca_map_next arca_map_iterate_end)
NEVER(arca_gc_set_threshold arca_gc_get_threshold arca_gc_get_count arca_gc_get_stats arca_gc_objects)

/* The answer holds, and errno is set to that, or left alone. */
#define SAYS(wanted, ...)                                                                                              \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        CHECK((__VA_ARGS__));                                                                                          \
        CHECK_EQ(errno, (wanted));                                                                                     \
    } while (0)
#define DOES_NOTHING(...) SAYS(0, ((void)(__VA_ARGS__), true))

static bool visit_nobody(void *object, void *context)
{
    (void)object, (void)context;
    harness_fail(__FILE__, __LINE__, "NULL refers to an object");
    return true;
}

static void ask_objects(void)
{
    struct node *owner = node_new();
    SAYS(0, arca_retain(NULL) == NULL);
    DOES_NOTHING(arca_release(NULL));
    SAYS(0, arca_type_of(NULL) == NULL);
    SAYS(0, arca_refcount(NULL) == 0);
    SAYS(0, !arca_is_finalized(NULL));
    DOES_NOTHING(arca_make_immortal(NULL));
    DOES_NOTHING(arca_edit_begin(NULL), arca_edit_end(NULL));
    DOES_NOTHING(arca_slot_store(&owner->left, NULL));
    DOES_NOTHING(arca_slot_put(&owner->left, NULL));
    SAYS(0, arca_slot_exchange(&owner->left, NULL) == NULL);
    SAYS(0, arca_weak_bind(NULL, NULL, NULL) == NULL);
    SAYS(0, arca_weak_upgrade(NULL) == NULL);
    DOES_NOTHING(arca_weak_sever(NULL));
    arca_release(owner);
}

static void ask_the_collector(void)
{
    SAYS(0, !arca_gc_is_tracked(NULL));
    SAYS(0, arca_gc_generation(NULL) == -1);
    DOES_NOTHING(arca_gc_referrers(NULL, visit_nobody, NULL));
    DOES_NOTHING(arca_gc_referents(NULL, visit_nobody, NULL));
    DOES_NOTHING(arca_gc_garbage(NULL, NULL));
    SAYS(EINVAL, arca_gc_add_callback(NULL, NULL) == -1);
    SAYS(ENOENT, arca_gc_remove_callback(NULL, NULL) == -1);
}

static void ask_values(void)
{
    arca_auto arca_str *none = arca_str_new(NULL, 0), *interned = arca_str_intern(NULL, 0);
    SAYS(0, none != NULL && arca_str_length(none) == 0 && arca_str_equal(none, interned));
    SAYS(0, arca_int_value(NULL) == 0);
    SAYS(0, !arca_is_int(NULL) && !arca_is_str(NULL) && !arca_is_box(NULL) && !arca_is_list(NULL) && !arca_is_map(NULL));
    SAYS(0, *arca_str_bytes(NULL) == '\0');
    SAYS(0, arca_str_length(NULL) == 0);
    SAYS(0, arca_str_hash(NULL) == 0 && arca_str_hash(none) != 0);
    SAYS(0, arca_str_equal(NULL, NULL) && !arca_str_equal(NULL, none) && !arca_str_equal(none, NULL));
    SAYS(0, arca_str_compare(NULL, NULL) == 0 && arca_str_compare(none, NULL) == 0 && arca_str_compare(NULL, none) == 0);
    SAYS(0, arca_box_data(NULL) == NULL);
    arca_auto arca_box *box = arca_box_new(NULL, NULL);
    SAYS(0, box != NULL && arca_box_data(box) == NULL);
}

static void ask_lists(void)
{
    arca_auto arca_list *list = arca_list_new();
    arca_auto struct node *node = node_new();
    REQUIRE(list != NULL && arca_list_append(list, node) == 0);
    SAYS(0, arca_list_length(NULL) == 0);
    SAYS(0, arca_list_get(NULL, 0) == NULL);
    SAYS(EINVAL, arca_list_set(NULL, 0, node) == -1);
    SAYS(EINVAL, arca_list_set(list, 0, NULL) == -1);
    SAYS(EINVAL, arca_list_append(NULL, node) == -1);
    SAYS(EINVAL, arca_list_append(list, NULL) == -1);
    SAYS(EINVAL, arca_list_insert(NULL, 0, node) == -1);
    SAYS(EINVAL, arca_list_insert(list, 0, NULL) == -1);
    SAYS(EINVAL, arca_list_remove(NULL, 0) == NULL);
    SAYS(EINVAL, arca_list_pop(NULL) == NULL);
    DOES_NOTHING(arca_list_clear(NULL));
    arca_list_iterator each = arca_list_iterate(NULL), zeroed = { 0 };
    SAYS(0, arca_list_next(&each) == NULL && arca_list_next(&zeroed) == NULL);
    DOES_NOTHING(arca_list_iterate_end(&zeroed));
    CHECK(arca_list_length(list) == 1 && arca_refcount(node) == 2 && arca_refcount(list) == 1);
}

static void ask_maps(void)
{
    arca_auto arca_map *map = arca_map_new();
    arca_auto struct node *node = node_new();
    REQUIRE(map != NULL && arca_map_set(map, node, node) == 0);
    SAYS(0, arca_map_length(NULL) == 0);
    SAYS(0, arca_map_get(NULL, node) == NULL);
    SAYS(0, arca_map_get(map, NULL) == NULL);
    SAYS(0, !arca_map_contains(NULL, node));
    SAYS(0, !arca_map_contains(map, NULL));
    SAYS(EINVAL, arca_map_set(NULL, node, node) == -1);
    SAYS(EINVAL, arca_map_set(map, NULL, node) == -1);
    SAYS(EINVAL, arca_map_set(map, node, NULL) == -1);
    SAYS(EINVAL, arca_map_set_default(NULL, node, node) == NULL);
    SAYS(EINVAL, arca_map_set_default(map, NULL, node) == NULL);
    SAYS(EINVAL, arca_map_set_default(map, node, NULL) == NULL);
    SAYS(EINVAL, arca_map_remove(NULL, node) == NULL);
    SAYS(EINVAL, arca_map_remove(map, NULL) == NULL);
    DOES_NOTHING(arca_map_clear(NULL));
    arca_map_iterator each = arca_map_iterate(NULL), zeroed = { 0 };
    SAYS(0, !arca_map_next(&each) && !arca_map_next(&zeroed));
    DOES_NOTHING(arca_map_iterate_end(&zeroed));
    CHECK(arca_map_length(map) == 1 && arca_refcount(node) == 3 && arca_refcount(map) == 1);
}

static void ask_copies(void)
{
    SAYS(0, arca_copy(NULL) == NULL);
    SAYS(0, arca_deep_copy(NULL) == NULL);
}

static void ask_all(void)
{
    ask_objects();
    ask_the_collector();
    ask_values();
    ask_lists();
    ask_maps();
    ask_copies();
    nodes_check_gone();
    CHECK(arca_gc_collect(2) >= 0); /* no section was left open */
    arca_heap_check();
}

TEST(null, is_taken_as_the_headers_say)
{
    ask_all();
}

TEST(null, is_no_misuse)
{
    options.debug = DEBUG_REFS;
    ask_all();
}
