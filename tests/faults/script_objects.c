#include "script.h"

#include "../cycles/graph.h"

#define RINGS 200

static unsigned risen;

static void rise_sometimes(void *object)
{
    node_check(object);
    if (risen++ % 16 == 0)
        arca_slot_store(&((struct node *)object)->slots[3], object);
}

static arca_type final_type = NODE_TYPE("final", .finalize = rise_sometimes);
static arca_type large_type = {
    .name = "large", .size = 50000, .slots = node_slots, .slot_count = SLOTS, .destroy = node_destroy
};

static struct node *try_new(arca_type *type)
{
    errno = 0;
    void *object = arca_new(type);
    if (object != NULL)
        return node_init(object);
    CHECK_EQ(errno, ENOMEM);
    return NULL;
}

static void try_bind(struct node *node)
{
    arca_weak *weak = arca_weak_bind(node, NULL, NULL);
    if (weak != NULL)
        arca_slot_put(&node->slots[2], weak);
    else
        CHECK_EQ(errno, ENOMEM);
}

static void make_ring(unsigned number)
{
    struct node *a = try_new(number % 4 == 0 ? &final_type : &node_type);
    struct node *b = try_new(number % 32 == 0 ? &large_type : &node_type);
    if (a != NULL && b != NULL) {
        node_link(a, 0, b);
        node_link(b, 0, a);
        if (number % 8 == 0)
            try_bind(a);
    }
    arca_release(a);
    arca_release(b);
}

void script_objects(void)
{
    for (unsigned i = 0; i < RINGS; i++)
        make_ring(i);
    errno = 0;
    if (arca_gc_collect(2) < 0)
        CHECK_EQ(errno, ENOMEM);
}

void script_objects_work(void)
{
    litter(RINGS, 3);
    struct node *node = node_new();
    arca_weak *weak = arca_weak_bind(node, NULL, NULL);
    REQUIRE(weak != NULL);
    arca_release(node);
    CHECK(arca_weak_upgrade(weak) == NULL);
    arca_release(weak);
    for (unsigned empty = 0; empty < 2;)
        empty = arca_gc_collect(2) == 0 ? empty + 1 : 0;
    CHECK_EQ(nodes_alive(), 0);
}
