/* What debug=refs adds to collections: a slot that was copied as memory is named, one whose unit moves is not. */
#include "graph.h"

#include "base/options.h"
#include "gc/cycles/collector.h"
#include "gc/cycles/finder.h"
#include "gc/objects/limbo.h"

static void debug_refs(void)
{
    options.debug = DEBUG_REFS;
    manual();
}

static struct node *holder, *other, *held;

static void hold(arca_type *type)
{
    debug_refs();
    holder = node_of(type);
    other = node_of(type);
    held = node_new();
    arca_slot_put(&holder->slots[0], held);
}

TEST_ABORTS(audit, a_slot_that_was_copied_is_named, "2 slots hold it, but its count is 1 (one was copied as memory?)")
{
    hold(&node_type);
    memcpy(&other->slots[1], &holder->slots[0], sizeof(arca_slot));
    arca_gc_collect(2);
}

TEST_ABORTS(audit, so_is_one_of_a_struct_that_was_copied, "'node': 3 slots hold it, but its count is 2 ")
{
    struct node *copy, *friend;
    hold(&node_type);
    friend = node_new();
    copy = node_new();
    arca_slot_store(&holder->slots[1], friend);
    memcpy(copy->slots, holder->slots, sizeof copy->slots);
    arca_retain(held);
    arca_slot_put(&other->slots[0], held);
    arca_slot_clear(&copy->slots[1]);
    arca_gc_collect(2);
}

TEST(audit, what_has_more_slots_than_a_byte_counts_is_believed)
{
    struct node *nodes[200];
    hold(&node_type);
    for (unsigned i = 0; i < 200; i++) {
        nodes[i] = node_new();
        for (unsigned s = 0; s < SLOTS; s++)
            arca_slot_store(&nodes[i]->slots[s], held);
    }
    arca_gc_collect(2);
    for (unsigned i = 0; i < 200; i++)
        arca_release(nodes[i]);
    arca_release(other);
    arca_release(holder);
    CHECK_EQ(nodes_alive(), 0);
}

/* The block of who dies while a collection lasts is kept back as others are. */
static void die_meanwhile(const struct arca_gc_event *event, void *data)
{
    (void)data;
    if (event->start) {
        held = node_new();
        collector_activate();
        arca_release(held);
        collector_deactivate();
    }
}

TEST_ABORTS(audit, a_release_too_many_is_named_though_it_died_in_a_collection, "the object is dead already (released too often)\n")
{
    debug_refs();
    CHECK_EQ(arca_gc_add_callback(die_meanwhile, NULL), 0);
    arca_gc_collect(0);
    for (unsigned i = 0; i < 1000; i++)
        arca_retain(node_new());
    arca_release(held);
}

/* ---- seen twice, and rightly -------------------------------------------------------------------------------------- */

static unsigned looks;

static void visit_slots(struct node *node, arca_visit *visit, void *context)
{
    for (unsigned i = 0; i < SLOTS; i++)
        visit(&node->slots[i], context);
}

/* The unit is in the one that is looked at, as often as there is a look. */
static void moving_traverse(void *object, arca_visit *visit, void *context)
{
    struct node *node = object, *from = node == holder ? other : holder;
    options.debug = DEBUG_OFF; /* its checks look, too */
    looks++;
    if (held != NULL && node_at(node, 0) == NULL)
        arca_slot_put(&node->slots[0], arca_slot_take(&from->slots[0]));
    visit_slots(node, visit, context);
    options.debug = DEBUG_REFS;
}

TEST(audit, a_unit_that_moves_is_no_copy)
{
    static arca_type moving = { .name = "moving", .size = sizeof(struct node), .traverse = moving_traverse, .destroy = node_destroy };
    options.debug = DEBUG_OFF;
    hold(&moving);
    arca_gc_collect(2);
    CHECK(looks >= 6); /* counted, looked for, and looked at again */
    options.debug = DEBUG_OFF;
    held = NULL;
    arca_release(holder);
    arca_release(other);
    CHECK_EQ(nodes_alive(), 0);
}

/* Half way both slots have it, and the holder's word tells. */
static void edited_traverse(void *object, arca_visit *visit, void *context)
{
    struct node *node = object;
    bool edits = held != NULL && node == holder;
    looks++;
    if (edits) {
        arca_edit_begin(node);
        node->slots[1] = node->slots[0];
    }
    visit_slots(node, visit, context);
    if (edits) {
        node->slots[1] = (arca_slot){ NULL };
        arca_edit_end(node);
    }
}

TEST(audit, nor_is_one_that_is_edited)
{
    static arca_type edited = { .name = "edited", .size = sizeof(struct node), .traverse = edited_traverse, .destroy = node_destroy };
    hold(&edited);
    looks = 0;
    arca_gc_collect(2);
    CHECK(looks >= 6);
    held = NULL;
    arca_release(holder);
    arca_release(other);
    CHECK_EQ(nodes_alive(), 0);
}

/* So that whoever has released too often is told, whatever the block would have become. */
TEST(audit, what_has_died_in_a_collection_is_reused_late_as_well)
{
    enum { DEAD = 200 };
    struct node *dead[DEAD];
    options.collector = COLLECTOR_INLINE; /* its thread would drain as well */
    debug_refs();
    for (unsigned i = 0; i < DEAD; i++)
        dead[i] = node_new();
    store_seq(&limbo_active, 1u);
    for (unsigned i = 0; i < DEAD; i++)
        arca_release(dead[i]);
    store_seq(&limbo_active, 0u);
    CHECK_EQ(finder_drain(NULL), DEAD);
    for (unsigned i = 0; i < DEAD; i++) {
        struct node *fresh = node_new();
        for (unsigned k = 0; k < DEAD; k++)
            CHECK(fresh != dead[k]);
    }
}
