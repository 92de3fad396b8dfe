/* Weak references. */
#include "nodes.h"

#include "gc/objects/cell.h"

static unsigned calls;
static arca_weak *called[8];

static void note_call(arca_weak *weak, void *data)
{
    CHECK(data == &calls);
    CHECK(arca_weak_upgrade(weak) == NULL);
    called[calls++ % 8] = weak;
}

TEST(weak, null_is_no_object)
{
    CHECK(arca_weak_bind(NULL, note_call, NULL) == NULL);
    CHECK(arca_weak_upgrade(NULL) == NULL);
    arca_weak_sever(NULL);
}

TEST(weak, upgrade_owns_until_the_object_is_lost)
{
    struct node *node = node_new();
    arca_weak *weak = arca_weak_bind(node, NULL, NULL);
    CHECK_EQ(arca_refcount(node), 1);
    void *strong = arca_weak_upgrade(weak);
    CHECK(strong == node);
    CHECK_EQ(arca_refcount(node), 2);
    arca_release(node);
    node_check(node);
    arca_release(strong);
    nodes_check_gone();
    CHECK(arca_weak_upgrade(weak) == NULL);
    arca_release(weak);
}

TEST(weak, callbacks_come_once_and_the_newest_first)
{
    struct node *node = node_new();
    arca_weak *weak[5];
    for (unsigned i = 0; i < 5; i++)
        weak[i] = arca_weak_bind(node, note_call, &calls);
    arca_release(node);
    CHECK_EQ(calls, 5);
    for (unsigned i = 0; i < 5; i++) {
        CHECK(called[i] == weak[4 - i]);
        arca_release(weak[i]);
    }
    CHECK_EQ(calls, 5);
}

TEST(weak, one_that_dies_first_is_not_called)
{
    for (unsigned gone = 0; gone < 3; gone++) { /* the newest, the middle, the oldest */
        struct node *node = node_new();
        arca_weak *weak[3];
        for (unsigned i = 0; i < 3; i++)
            weak[i] = arca_weak_bind(node, note_call, &calls);
        arca_release(weak[gone]);
        calls = 0;
        arca_release(node);
        CHECK_EQ(calls, 2);
        for (unsigned i = 0; i < 3; i++) {
            if (i != gone)
                arca_release(weak[i]);
        }
    }
}

TEST(weak, a_severed_one_is_neither_upgraded_nor_called)
{
    struct node *node = node_new();
    arca_weak *weak = arca_weak_bind(node, note_call, &calls), *other = arca_weak_bind(node, note_call, &calls);
    arca_weak_sever(weak);
    arca_weak_sever(weak);
    CHECK(arca_weak_upgrade(weak) == NULL);
    void *strong = arca_weak_upgrade(other);
    CHECK(strong == node);
    arca_release(strong);
    arca_release(node);
    CHECK_EQ(calls, 1);
    CHECK(called[0] == other);
    arca_release(weak);
    arca_release(other);
}

static void release_weak(arca_weak *weak, void *data)
{
    (void)data;
    calls++;
    arca_release(weak); /* the unit of the test */
}

TEST(weak, a_callback_may_release_its_weak_reference)
{
    struct node *node = node_new();
    for (unsigned i = 0; i < 3; i++)
        CHECK(arca_weak_bind(node, release_weak, NULL) != NULL);
    arca_release(node);
    CHECK_EQ(calls, 3);
}

static arca_weak *siblings[3];

static void release_others(arca_weak *weak, void *data)
{
    (void)data;
    calls++;
    for (unsigned i = 0; i < 3; i++) {
        if (siblings[i] != weak)
            arca_release(siblings[i]);
    }
}

TEST(weak, a_callback_may_release_those_that_wait_for_theirs)
{
    struct node *node = node_new();
    for (unsigned i = 0; i < 3; i++)
        siblings[i] = arca_weak_bind(node, release_others, NULL);
    arca_release(node);
    /* Their death waits for the callback to return; they are dead by their count and are not called. */
    CHECK_EQ(calls, 1);
    arca_release(siblings[2]);
}

static void sever_others(arca_weak *weak, void *data)
{
    (void)data;
    calls++;
    for (unsigned i = 0; i < 3; i++) {
        if (siblings[i] != weak)
            arca_weak_sever(siblings[i]);
    }
}

TEST(weak, a_callback_may_sever_those_that_wait_for_theirs)
{
    struct node *node = node_new();
    for (unsigned i = 0; i < 3; i++)
        siblings[i] = arca_weak_bind(node, sever_others, NULL);
    arca_release(node);
    CHECK_EQ(calls, 1);
    for (unsigned i = 0; i < 3; i++)
        arca_release(siblings[i]);
}

TEST(weak, a_weak_reference_lives_in_slots_and_can_be_weakly_referenced)
{
    struct node *node = node_new(), *owner = node_new();
    arca_weak *weak = arca_weak_bind(node, NULL, NULL);
    arca_weak *to_weak = arca_weak_bind(weak, note_call, &calls);
    arca_slot_put(&owner->left, weak);
    void *strong = arca_weak_upgrade(to_weak);
    CHECK(strong == weak);
    arca_release(strong);
    arca_release(owner);
    CHECK_EQ(calls, 1);
    CHECK(arca_weak_upgrade(to_weak) == NULL);
    arca_release(to_weak);
    arca_release(node);
    nodes_check_gone();
}

TEST(weak, the_object_may_own_its_own_weak_reference)
{
    struct node *node = node_new();
    arca_slot_put(&node->left, arca_weak_bind(node, note_call, &calls));
    arca_release(node);
    CHECK_EQ(calls, 1);
    nodes_check_gone();
}

/* ---- finalize ---------------------------------------------------------------------------------------- */

static arca_weak *outer, *bound_in_finalize;
static struct node *risen;

static void upgrade_and_rise(void *object)
{
    CHECK(arca_weak_upgrade(outer) == NULL); /* cut off before */
    CHECK_EQ(calls, 0);                      /* and called back after */
    risen = arca_retain(object);
}

static arca_type rising_type = {
    .name = "rising", .size = sizeof(struct node), .finalize = upgrade_and_rise, .destroy = node_destroy
};

TEST(weak, references_to_a_risen_object_stay_dead)
{
    struct node *node = node_of(&rising_type);
    outer = arca_weak_bind(node, note_call, &calls);
    arca_release(node);
    CHECK(risen == node);
    CHECK_EQ(calls, 1); /* lost, though the object lives: U9 */
    CHECK(arca_weak_upgrade(outer) == NULL);

    arca_weak *again = arca_weak_bind(node, note_call, &calls);
    void *strong = arca_weak_upgrade(again);
    CHECK(strong == node);
    arca_release(strong);
    CHECK(arca_weak_upgrade(outer) == NULL);
    arca_release(node);
    CHECK_EQ(calls, 2);
    CHECK(arca_weak_upgrade(again) == NULL);
    nodes_check_gone();
    arca_release(again);
    arca_release(outer);
}

static void bind_late(void *object)
{
    bound_in_finalize = arca_weak_bind(object, note_call, &calls);
    void *strong = arca_weak_upgrade(bound_in_finalize);
    CHECK(strong == object);
    arca_release(strong);
}

TEST(weak, one_that_finalize_binds_is_lost_with_the_object)
{
    static arca_type type = {
        .name = "binding", .size = sizeof(struct node), .finalize = bind_late, .destroy = node_destroy
    };
    struct node *node = node_of(&type);
    arca_weak *before = arca_weak_bind(node, note_call, &calls);
    arca_release(node);
    CHECK_EQ(calls, 2);
    CHECK(called[0] == bound_in_finalize); /* the newest first */
    CHECK(called[1] == before);
    CHECK(arca_weak_upgrade(bound_in_finalize) == NULL);
    nodes_check_gone();
    arca_release(before);
    arca_release(bound_in_finalize);
}

/* ---- dead objects -------------------------------------------------------------------------------------- */

static void bind_self(void *object)
{
    arca_release(arca_weak_bind(object, NULL, NULL));
}

TEST_ABORTS(weak, binding_to_an_object_in_its_destroy_is_named, "arca: arca_weak_bind(): ")
{
    static arca_type type = { .name = "late", .size = 16, .destroy = bind_self };
    arca_release(arca_new(&type));
}

TEST_ABORTS(weak, binding_to_a_dead_object_is_named, "arca: arca_weak_bind(): ")
{
    void *node = node_new();
    arca_release(node);
    arca_release(arca_weak_bind(node, NULL, NULL));
}

/* ---- the law of cells ------------------------------------------------------------------------------------ */

TEST(weak, references_to_one_object_share_a_cell_that_dies_with_the_last)
{
    struct node *node = node_new();
    arca_weak *a = arca_weak_bind(node, NULL, NULL), *b = arca_weak_bind(node, NULL, NULL);
    struct cell *cell = a->cell;
    CHECK(b->cell == cell);
    CHECK_EQ(arca_refcount(cell), 3);
    arca_release(a);
    CHECK_EQ(arca_refcount(cell), 2);
    arca_release(node);
    CHECK_EQ(arca_refcount(cell), 1);
    CHECK(load_rlx(&cell->target) == NULL);
    arca_release(b);
    CHECK_EQ(arca_refcount(cell), 0);
}

static pthread_barrier_t start;

static void *bind_in_a_thread(void *object)
{
    pthread_barrier_wait(&start);
    return arca_weak_bind(object, NULL, NULL);
}

TEST(weak, racing_binders_share_a_cell)
{
    pthread_barrier_init(&start, NULL, 3);
    for (unsigned i = 0; i < STEPS(500); i++) {
        struct node *node = node_new();
        pthread_t threads[3];
        void *weak[3];
        for (unsigned t = 0; t < 3; t++)
            threads[t] = start_thread(bind_in_a_thread, node);
        for (unsigned t = 0; t < 3; t++)
            pthread_join(threads[t], &weak[t]);
        struct cell *cell = ((arca_weak *)weak[0])->cell;
        CHECK_EQ(arca_refcount(cell), 4);
        for (unsigned t = 0; t < 3; t++) {
            CHECK(((arca_weak *)weak[t])->cell == cell);
            arca_release(weak[t]);
        }
        CHECK_EQ(arca_refcount(cell), 1);
        arca_release(node);
    }
    nodes_check_gone();
}

/* ---- what a fork catches half way ------------------------------------------------------------------------- */

static struct node *watched;
static struct arca_weak *watchers[3]; /* newest last, so first in the list */

static void watch_three(void)
{
    calls = 0;
    watched = node_new();
    for (unsigned i = 0; i < 3; i++)
        watchers[i] = (struct arca_weak *)arca_weak_bind(watched, note_call, &calls);
    lock_acquire(&cells_lock);
    cells_change = (struct cells_change){ watchers[0]->cell, NULL };
}

/* In the child. */
static void go_on(unsigned expected_calls)
{
    cell_fork_child();
    CHECK(!lock_is_held(&cells_lock));
    arca_release(watchers[2]);
    arca_release(watchers[1]);
    arca_release(watched);
    CHECK_EQ(calls, expected_calls);
    arca_release(watchers[0]);
    nodes_check_gone();
}

TEST(weak, a_fork_finishes_what_another_thread_unlinks)
{
    watch_three();
    cells_change.weak = watchers[1];
    watchers[2]->next = watchers[0];
    go_on(1);
    CHECK(called[0] == (arca_weak *)watchers[0]);
}

TEST(weak, a_fork_forgets_what_is_not_unlinked_yet)
{
    watch_three();
    cells_change.weak = watchers[1];
    go_on(1);
    CHECK(called[0] == (arca_weak *)watchers[0]);
}

TEST(weak, a_fork_forgets_what_is_not_linked_yet)
{
    watch_three();
    struct arca_weak *fresh = (struct arca_weak *)arca_weak_bind(watched, NULL, NULL);
    cells_change.weak = fresh;
    fresh->listed = true;
    fresh->next = watchers[2];
    watchers[2]->prev = fresh;
    go_on(1);
    CHECK(!fresh->listed);
    arca_release(fresh);
}
