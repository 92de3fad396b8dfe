/* Objects when the system refuses memory. */
#include "../unit/faults.h"
#include "nodes.h"

#include "arca/gc.h"
#include "gc/objects/cell.h"

#include <errno.h>

static arca_type bytes_type = { .name = "bytes", .size = sizeof(arca_var_object), .item_size = 1 };
static arca_type private_type = {
    .name = "private", .size = sizeof(struct node), .destroy = node_destroy, .flags = ARCA_TYPE_OWN_BLOCKS
};

TEST(objects_faults, the_first_object_can_fail_and_the_next_can_succeed)
{
    for (unsigned n = 1; n < 10; n++) {
        os_fault_after(n, true);
        errno = 0;
        struct node *node = arca_new(&node_type);
        os_fault_after(0, false);
        if (node != NULL) {
            arca_release(node_init(node));
            continue;
        }
        CHECK_EQ(errno, ENOMEM);
    }
    struct node *node = node_new();
    arca_release(node);
    nodes_check_gone();
    arca_heap_check();
}

TEST(objects_faults, a_type_of_its_own_blocks_can_fail_and_recover)
{
    os_fault_after(1, true);
    errno = 0;
    void *none = arca_new(&private_type);
    CHECK(none == NULL);
    CHECK_EQ(errno, ENOMEM);
    os_fault_after(0, false);
    arca_release(node_of(&private_type));
    nodes_check_gone();
}

/* Fills what is mapped, so that the next one of this size needs the system. */
static void *exhaust(arca_type *type, size_t count)
{
    arca_var_object *list = NULL, *object;
    while ((object = arca_new_var(type, count)) != NULL) {
        *(void **)(object + 1) = list;
        list = object;
    }
    return list;
}

static void release_list(void *list)
{
    while (list != NULL) {
        void *next = *(void **)((arca_var_object *)list + 1);
        arca_release(list);
        list = next;
    }
}

TEST(objects_faults, counts_are_untouched_when_memory_ends)
{
    struct node *node = node_new(), *owner = node_new();
    arca_slot_store(&owner->left, node);
    os_fault_after(1, true);
    void *large = exhaust(&bytes_type, 1 << 20), *middle = exhaust(&bytes_type, 20000), *small = exhaust(&bytes_type, 16);
    /* The sizes of weak references and cells. */
    void *weak_size = exhaust(&bytes_type, sizeof(struct node) - 8), *next_size = exhaust(&bytes_type, 64);
    errno = 0;
    CHECK(arca_weak_bind(node, NULL, NULL) == NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(arca_refcount(node), 2);
    CHECK(arca_type_of(node) == &node_type);
    /* What needs no memory goes on. */
    void *taken = arca_slot_take(&owner->left);
    CHECK(taken == node);
    arca_slot_put(&owner->left, node);
    arca_release(arca_slot_load(&owner->left));
    os_fault_after(0, false);
    arca_weak *weak = arca_weak_bind(node, NULL, NULL);
    REQUIRE(weak != NULL);
    arca_release(owner);
    arca_release(node);
    CHECK(arca_weak_upgrade(weak) == NULL);
    arca_release(weak);
    release_list(large);
    release_list(middle);
    release_list(small);
    release_list(weak_size);
    release_list(next_size);
    nodes_check_gone();
    arca_heap_check();
}

/* The cell fails, the reference does not: one block of its size is there. */
TEST(objects_faults, a_bind_that_fails_half_way_leaves_nothing)
{
    struct node *node = node_new();
    size_t weak_bytes = sizeof(struct arca_weak) - sizeof(arca_var_object);
    size_t cell_bytes = sizeof(struct cell) - sizeof(arca_var_object);
    arca_gc_disable(); /* what dies during a collection is free after it */
    os_fault_after(1, true);
    void *weaks = exhaust(&bytes_type, weak_bytes), *cells = exhaust(&bytes_type, cell_bytes);
    REQUIRE(weaks != NULL && cells != NULL);
    void *next = *(void **)((arca_var_object *)weaks + 1);
    arca_release(weaks);
    weaks = next;
    for (unsigned i = 0; i < 10; i++) {
        errno = 0;
        CHECK(arca_weak_bind(node, NULL, NULL) == NULL);
        CHECK_EQ(errno, ENOMEM);
        CHECK_EQ(arca_refcount(node), 1);
    }
    next = *(void **)((arca_var_object *)cells + 1);
    arca_release(cells);
    cells = next;
    arca_weak *weak = arca_weak_bind(node, NULL, NULL); /* the reference was given back each time */
    CHECK(weak != NULL);
    os_fault_after(0, false);
    arca_release(node);
    CHECK(arca_weak_upgrade(weak) == NULL);
    arca_release(weak);
    release_list(weaks);
    release_list(cells);
    nodes_check_gone();
    arca_heap_check();
}

TEST(objects_faults, every_nth_failure_is_survived)
{
    for (unsigned n = 1; n < 60; n++) {
        void *objects[40];
        os_fault_after(n, false);
        for (unsigned i = 0; i < 40; i++)
            objects[i] = arca_new_var(&bytes_type, (size_t)1 << i % 22);
        os_fault_after(0, false);
        for (unsigned i = 0; i < 40; i++)
            arca_release(objects[i]);
    }
    arca_heap_check();
}
