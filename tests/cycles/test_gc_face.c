/* The face of gc.h. */
#include "graph.h"

#include "base/options.h"
#include "heap/watch.h"

#include <unistd.h>

TEST(gc_face, generations_that_there_are_not)
{
    for (int i = -2; i < 6; i++) {
        errno = 0;
        bool there = i >= 0 && i < ARCA_GC_GENERATIONS;
        CHECK_EQ(arca_gc_collect(i) == -1, !there);
        CHECK_EQ(errno, there ? 0 : EINVAL);
    }
}

TEST(gc_face, enabled_at_first_and_as_told)
{
    CHECK(arca_gc_is_enabled());
    arca_gc_disable();
    CHECK(!arca_gc_is_enabled());
    litter(1, 2);
    CHECK_EQ(arca_gc_collect(2), 2); /* who asks is answered */
    arca_gc_enable();
    CHECK(arca_gc_is_enabled());
}

TEST(gc_face, thresholds)
{
    unsigned thresholds[3];
    arca_gc_get_threshold(thresholds);
    CHECK_EQ(thresholds[0], 700);
    CHECK_EQ(thresholds[1], 10);
    CHECK_EQ(thresholds[2], 10);
    arca_gc_set_threshold((const unsigned[]){ 5, 6, 7 });
    arca_gc_get_threshold(thresholds);
    CHECK_EQ(thresholds[0], 5);
    CHECK_EQ(thresholds[1], 6);
    CHECK_EQ(thresholds[2], 7);
}

TEST(gc_face, counts_of_collections)
{
    size_t counts[3];
    manual();
    arca_gc_collect(0);
    arca_gc_collect(0);
    arca_gc_collect(1);
    arca_gc_get_count(counts);
    CHECK_EQ(counts[1], 0);
    CHECK_EQ(counts[2], 1);
    arca_gc_collect(0);
    arca_gc_get_count(counts);
    CHECK_EQ(counts[1], 1);
    arca_gc_collect(2);
    arca_gc_get_count(counts);
    CHECK_EQ(counts[1] + counts[2], 0);
}

/* Blocks leave their pools by batches: the count is not exact to the object. */
TEST(gc_face, the_count_of_the_young_grows_and_falls)
{
    size_t counts[3];
    static struct node *nodes[20000];
    manual();
    for (unsigned i = 0; i < 20000; i++)
        nodes[i] = node_new();
    arca_gc_get_count(counts);
    CHECK(counts[0] > 15000 && counts[0] < 30000);
    arca_gc_collect(0);
    arca_gc_get_count(counts);
    CHECK(counts[0] < 1000);
    for (unsigned i = 0; i < 20000; i++)
        arca_release(nodes[i]);
}

/* ---- automatic collections --------------------------------------------------------------------------------------- */

TEST(gc_face, garbage_goes_by_itself)
{
    litter(STEPS(100000), 2);
    WAIT_UNTIL(nodes_alive() < 20000);
}

TEST(gc_face, disabled_is_disabled_and_enabled_enabled)
{
    arca_gc_disable();
    litter(20000, 2);
    wait_ms(30);
    CHECK_EQ(nodes_alive(), 40000);
    arca_gc_enable(); /* there is more than enough: it begins without another birth */
    WAIT_UNTIL(nodes_alive() < 20000);
}

TEST(gc_face, collections_begin_again_after_a_pause_with_a_call)
{
    arca_gc_disable();
    litter(100, 2);
    CHECK(arca_gc_collect(2) >= 0);
    arca_gc_enable();
    litter(STEPS(100000), 2);
    WAIT_UNTIL(nodes_alive() < 20000);
}

TEST(gc_face, thresholds_of_zero_mean_never)
{
    arca_gc_set_threshold((const unsigned[]){ 0, 10, 10 });
    CHECK(arca_gc_is_enabled());
    litter(20000, 2);
    wait_ms(30);
    CHECK_EQ(nodes_alive(), 40000);
    arca_gc_set_threshold((const unsigned[]){ 700, 10, 10 });
    WAIT_UNTIL(nodes_alive() < 20000);
}

TEST(gc_face, older_generations_have_their_turns)
{
    struct arca_gc_stats stats;
    arca_gc_set_threshold((const unsigned[]){ 100, 2, 1 });
    for (unsigned i = 0; i < 20000; i++) {
        litter(500, 2);
        wait_ms(1);
        stats = stats_now();
        if (stats.generations[2].collections != 0 && stats.generations[1].collections != 0)
            break;
    }
    CHECK(stats.generations[0].collections > stats.generations[1].collections);
    CHECK(stats.generations[1].collections != 0);
    CHECK(stats.generations[2].collections != 0);
}

/* Nobody would do what they wait for. */
TEST(gc_face, births_do_not_wait_for_a_disabled_collector)
{
    CHECK(load_rlx(&watch_full) < INT64_MAX);
    arca_gc_disable();
    CHECK_EQ(load_rlx(&watch_full), INT64_MAX);
}

/* ---- figures ------------------------------------------------------------------------------------------------------ */

TEST(gc_face, stats_tell_what_was_done)
{
    manual();
    struct arca_gc_stats before = stats_now();
    litter(10, 3);
    CHECK_EQ(arca_gc_collect(0), 30);
    struct node *kept = ring_new(4);
    CHECK_EQ(arca_gc_collect(1), 0);
    struct arca_gc_stats after = stats_now();
    CHECK_EQ(after.generations[0].collections - before.generations[0].collections, 1);
    CHECK_EQ(after.generations[0].collected - before.generations[0].collected, 30);
    CHECK_EQ(after.generations[0].found - before.generations[0].found, 30);
    CHECK_EQ(after.generations[0].aborted - before.generations[0].aborted, 0);
    CHECK_EQ(after.generations[1].collections - before.generations[1].collections, 1);
    CHECK_EQ(after.generations[1].found - before.generations[1].found, 0);
    CHECK(after.blocks >= 4);
    arca_release(kept);
    struct arca_gc_stats small = { .size = offsetof(struct arca_gc_stats, blocks) };
    CHECK_EQ(arca_gc_get_stats(&small), 0);
    CHECK_EQ(small.blocks, 0);
    small.size = 4;
    errno = 0;
    CHECK_EQ(arca_gc_get_stats(&small), -1);
    CHECK_EQ(errno, EINVAL);
}

static struct arca_gc_event events[8];
static unsigned event_count;
static long inside = -1;

static void note_event(const struct arca_gc_event *event, void *data)
{
    CHECK(data == events);
    events[event_count++ % 8] = *event;
    inside = arca_gc_collect(2);
    if (!event->start)
        arca_gc_disable();
}

TEST(gc_face, callbacks_frame_a_collection_with_its_figures)
{
    manual();
    CHECK_EQ(arca_gc_add_callback(note_event, events), 0);
    litter(5, 2);
    CHECK_EQ(arca_gc_collect(1), 10);
    CHECK_EQ(event_count, 2);
    CHECK_EQ(inside, 0);
    CHECK(events[0].start && !events[1].start);
    CHECK_EQ(events[0].generation, 1);
    CHECK_EQ(events[1].generation, 1);
    CHECK_EQ(events[1].collected, 10);
    CHECK_EQ(events[1].uncollectable, 0);
    CHECK_EQ(arca_gc_remove_callback(note_event, events), 0);
    arca_gc_collect(2);
    CHECK_EQ(event_count, 2);
    errno = 0;
    CHECK_EQ(arca_gc_remove_callback(note_event, events), -1);
    CHECK_EQ(errno, ENOENT);
    CHECK_EQ(arca_gc_add_callback(NULL, events), -1);
    CHECK_EQ(errno, EINVAL);
}

static void count_event(const struct arca_gc_event *event, void *data)
{
    (void)event;
    ++*(unsigned *)data;
}

TEST(gc_face, sixteen_callbacks)
{
    static unsigned seen[17];
    manual();
    for (unsigned i = 0; i < 17; i++)
        CHECK_EQ(arca_gc_add_callback(count_event, &seen[i]), i < 16 ? 0 : -1);
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(arca_gc_remove_callback(count_event, &seen[3]), 0);
    CHECK_EQ(arca_gc_add_callback(count_event, &seen[16]), 0);
    arca_gc_collect(0);
    for (unsigned i = 0; i < 17; i++)
        CHECK_EQ(seen[i], i == 3 ? 0 : 2);
}

/* ---- looking ---------------------------------------------------------------------------------------------------- */

struct found {
    const void *objects[32];
    unsigned count, stop_at;
    arca_type *type;
};

static bool note_object(void *object, void *context)
{
    struct found *found = context;
    if (found->type == NULL || arca_type_of(object) == found->type)
        found->objects[found->count++ % 32] = object;
    return found->stop_at == 0 || found->count < found->stop_at;
}

static bool was_found(const struct found *found, const void *object)
{
    for (unsigned i = 0; i < found->count && i < 32; i++) {
        if (found->objects[i] == object)
            return true;
    }
    return false;
}

TEST(gc_face, objects_of_a_generation)
{
    manual();
    struct node *old = node_new(), *young;
    arca_gc_collect(2);
    young = node_new();
    for (int generation = -1; generation < 3; generation++) {
        struct found found = { .type = &node_type };
        arca_gc_objects(generation, note_object, &found);
        CHECK_EQ(was_found(&found, old), generation == -1 || generation == 2);
        CHECK_EQ(was_found(&found, young), generation == -1 || generation == 0);
        CHECK_EQ(found.count, generation == -1 ? 2 : generation == 1 ? 0 : 1);
    }
    struct found first = { .stop_at = 1 };
    arca_gc_objects(-1, note_object, &first);
    CHECK_EQ(first.count, 1);
    arca_release(old);
    arca_release(young);
}

TEST(gc_face, referrers_and_referents)
{
    manual();
    struct node *hub = node_new(), *spokes[5];
    for (unsigned i = 0; i < 5; i++) {
        spokes[i] = node_new();
        node_link(spokes[i], i % SLOTS, hub);
    }
    node_link(hub, 1, spokes[0]);
    node_link(hub, 2, spokes[1]);
    node_link(hub, 3, hub);
    struct found to = { .count = 0 }, from = { .count = 0 }, nobody = { .count = 0 };
    arca_gc_referrers(hub, note_object, &to);
    CHECK_EQ(to.count, 6);
    for (unsigned i = 0; i < 5; i++)
        CHECK(was_found(&to, spokes[i]));
    CHECK(was_found(&to, hub));
    arca_gc_referents(hub, note_object, &from);
    CHECK_EQ(from.count, 3);
    CHECK(was_found(&from, spokes[0]) && was_found(&from, spokes[1]) && was_found(&from, hub));
    arca_gc_referrers(spokes[4], note_object, &nobody);
    arca_gc_referrers(NULL, note_object, &nobody);
    CHECK_EQ(nobody.count, 0);
    for (unsigned i = 0; i < 5; i++)
        arca_release(spokes[i]);
    arca_release(hub);
    CHECK_EQ(arca_gc_collect(2), 3); /* three of the spokes died of their counts */
}

TEST(gc_face, tracked_are_those_with_slots)
{
    static arca_type plain = { .name = "plain", .size = 48 };
    manual();
    struct node *node = node_new();
    void *atom = arca_new(&plain);
    CHECK(arca_gc_is_tracked(node));
    CHECK(!arca_gc_is_tracked(atom));
    CHECK_EQ(arca_gc_generation(atom), -1);
    CHECK_EQ(arca_gc_generation(node), 0);
    arca_release(atom);
    arca_release(node);
}

TEST(gc_face, the_frozen_are_not_looked_at_until_they_thaw)
{
    manual();
    struct node *ring = ring_new(6), *root = node_new();
    arca_slot_put(&root->slots[0], ring_new(2));
    CHECK_EQ(arca_gc_freeze_count(), 0);
    arca_gc_freeze();
    CHECK_EQ(arca_gc_freeze_count(), 9);
    CHECK_EQ(arca_gc_generation(ring), 3);
    CHECK(arca_gc_is_tracked(ring));
    struct found found = { .count = 0 };
    arca_gc_objects(-1, note_object, &found);
    CHECK_EQ(found.count, 0);
    struct node *young = ring_new(3);
    arca_slot_put(&root->slots[1], young);
    arca_release(ring);
    CHECK_EQ(arca_gc_collect(2), 0); /* the frozen keep what they hold */
    node_check(young);
    arca_slot_clear(&root->slots[1]);
    CHECK_EQ(arca_gc_collect(2), 3);
    arca_gc_unfreeze();
    CHECK_EQ(arca_gc_freeze_count(), 0);
    CHECK_EQ(arca_gc_generation(root), 2);
    CHECK_EQ(arca_gc_collect(1), 0);
    CHECK_EQ(arca_gc_collect(2), 6);
    arca_release(root);
    CHECK_EQ(arca_gc_collect(2), 2);
    CHECK_EQ(nodes_alive(), 0);
}

static size_t frozen;

static void freeze_and_thaw(void)
{
    arca_gc_freeze();
    frozen = arca_gc_freeze_count();
    arca_gc_unfreeze();
    CHECK_EQ(arca_gc_freeze_count(), 0);
}

static void freeze_at_the_stop(const struct arca_gc_event *event, void *data)
{
    (void)data;
    if (!event->start)
        freeze_and_thaw();
}

static void freeze_in_finalize(void *object)
{
    (void)object;
    freeze_and_thaw();
}

TEST(gc_face, a_callback_may_freeze)
{
    manual();
    struct node *node = node_new();
    CHECK_EQ(arca_gc_add_callback(freeze_at_the_stop, NULL), 0);
    arca_gc_collect(0);
    CHECK_EQ(frozen, 1);
    CHECK_EQ(arca_gc_generation(node), 2);
    CHECK_EQ(arca_gc_remove_callback(freeze_at_the_stop, NULL), 0);
    arca_release(node);
}

TEST(gc_face, a_finalize_may_freeze_and_what_dies_is_reborn_young)
{
    static arca_type type = NODE_TYPE("freezing", .finalize = freeze_in_finalize);
    manual();
    struct node *node = node_new();
    arca_release(ring_of(&type, 3));
    CHECK_EQ(arca_gc_collect(2), 3);
    CHECK_EQ(frozen, 4);
    struct node *ring = ring_new(100);
    CHECK_EQ(arca_gc_freeze_count(), 0);
    arca_release(ring);
    CHECK_EQ(arca_gc_collect(0), 100);
    arca_release(node);
}

/* ---- debugging --------------------------------------------------------------------------------------------------- */

static bool keep_some(void *object, void *context)
{
    struct found *found = context;
    node_check(object);
    if (found->count++ < found->stop_at)
        found->objects[found->count - 1] = arca_retain(object);
    return true;
}

static unsigned finalized;

static void note_finalize(void *object)
{
    (void)object;
    finalized++;
}

static arca_type final_type = NODE_TYPE("final", .finalize = note_finalize);

static void check_saveall(arca_type *type)
{
    manual();
    arca_gc_set_debug(ARCA_GC_DEBUG_SAVEALL);
    CHECK_EQ(arca_gc_get_debug(), ARCA_GC_DEBUG_SAVEALL);
    arca_release(ring_of(type, 7));
    CHECK_EQ(arca_gc_collect(2), 0);
    CHECK_EQ(nodes_alive(), 7);
    CHECK_EQ(finalized, type->finalize != NULL ? 7 : 0);
    CHECK_EQ(stats_now().generations[2].uncollectable, 7);
    CHECK_EQ(arca_gc_collect(2), 0); /* the list keeps them */
    CHECK_EQ(nodes_alive(), 7);
    arca_gc_set_debug(0);
    struct found found = { .stop_at = 1 };
    arca_gc_garbage(keep_some, &found);
    CHECK_EQ(found.count, 7);
    CHECK_EQ(arca_gc_collect(2), 0); /* one is kept and keeps the ring */
    node_check((struct node *)found.objects[0]);
    arca_release((void *)found.objects[0]);
    CHECK_EQ(arca_gc_collect(2), 7);
    CHECK_EQ(nodes_alive(), 0);
    arca_gc_garbage(keep_some, &found);
    CHECK_EQ(found.count, 7);
}

TEST(gc_face, saveall_keeps_garbage_until_the_list_is_taken)
{
    check_saveall(&node_type);
}

TEST(gc_face, saveall_finalizes_first)
{
    check_saveall(&final_type);
}

static void say_all(void)
{
    manual();
    arca_gc_set_debug(ARCA_GC_DEBUG_STATS | ARCA_GC_DEBUG_COLLECTABLE);
    litter(1, 2);
    arca_gc_collect(1);
    abort();
}

TEST(gc_face, null_is_no_object)
{
    struct found none = { .count = 0 };
    arca_gc_referents(NULL, note_object, &none);
    arca_gc_referrers(NULL, note_object, &none);
    CHECK_EQ(none.count, 0);
    CHECK(!arca_gc_is_tracked(NULL));
    CHECK_EQ(arca_gc_generation(NULL), -1);
}

TEST_ABORTS(gc_face, referents_of_a_dead_object_are_refused, "arca: arca_gc_referents(): ")
{
    struct found none = { .count = 0 };
    struct node *node = node_new();
    options.debug = DEBUG_REFS;
    arca_release(node);
    arca_gc_referents(node, note_object, &none);
}

TEST_ABORTS(gc_face, debug_stats_say_a_line, "arca: gc: generation 1: ")
{
    say_all();
}

TEST_ABORTS(gc_face, debug_collectable_says_a_line_an_object, " 'node'")
{
    say_all();
}

static void say_uncollectable(void)
{
    manual();
    arca_gc_set_debug(ARCA_GC_DEBUG_LEAK);
    litter(1, 2);
    arca_gc_collect(1);
    abort();
}

TEST_ABORTS(gc_face, debug_uncollectable_says_a_line_an_object, "arca: gc: uncollectable ")
{
    say_uncollectable();
}

/* ---- odd places ---------------------------------------------------------------------------------------------------- */

static pthread_key_t key;

static void collect_at_end(void *unused)
{
    (void)unused;
    litter(10, 2);
    arca_gc_collect(2);
}

static void *end_with_key(void *unused)
{
    pthread_setspecific(key, &key);
    litter(10, 2);
    return unused;
}

TEST(gc_face, a_thread_may_collect_in_its_last_destructors)
{
    manual();
    REQUIRE(pthread_key_create(&key, collect_at_end) == 0);
    for (unsigned i = 0; i < 10; i++)
        pthread_join(start_thread(end_with_key, NULL), NULL);
    arca_gc_collect(2);
    CHECK_EQ(nodes_alive(), 0);
}

static void *collect_often(void *unused)
{
    for (unsigned i = 0; i < STEPS(300); i++)
        arca_gc_collect((int)i % 3);
    return unused;
}

TEST(gc_face, calls_from_several_threads_take_turns)
{
    pthread_t threads[3];
    for (unsigned t = 0; t < 3; t++)
        threads[t] = start_thread(collect_often, NULL);
    litter(STEPS(30000), 3);
    for (unsigned t = 0; t < 3; t++)
        pthread_join(threads[t], NULL);
    arca_gc_collect(2);
    CHECK_EQ(nodes_alive(), 0);
}
