/* Units in reserve of hot objects: who counts them, and who gives them back. */
#include "../objects/nodes.h"
#include "../unit/faults.h"

#include "arca/containers.h"
#include "arca/gc.h"
#include "base/lock.h"
#include "base/options.h"
#include "base/os.h"
#include "gc/objects/header.h"
#include "gc/objects/keeper.h"
#include "gc/objects/recall.h"
#include "gc/objects/reserve.h"

#include <sys/wait.h>
#include <unistd.h>

static arca_type hot_type = {
    .name = "hot", .size = sizeof(struct node), .slots = node_slots, .slot_count = 2, .destroy = node_destroy,
    .flags = ARCA_TYPE_HOT | ARCA_TYPE_IMMORTAL
};

static arca_type bare_type = { .name = "bare", .size = sizeof(arca_object) };

/* The library's thread, without which there are no reserves, starts with a birth. */
static void start_keeper(void)
{
    arca_release(arca_new(&bare_type));
    WAIT_UNTIL(load_rlx(&keeper_state) == KEEPER_RUNNING);
}

/* Collections only when the test asks; one that was planned is over. */
static void manual(void)
{
    arca_gc_disable();
    arca_gc_collect(2);
}

static void *hot_new(void)
{
    start_keeper();
    return node_of(&hot_type);
}

/* Until the caller has some in reserve: a recall may be under way. */
static void use(struct node *node)
{
    bool used = false;
    for (unsigned i = 0; !used && i < 30000; i++) {
        if (i >= 8)
            wait_ms(1);
        arca_release(arca_retain(node));
        used = reserve_units(node) != 0;
    }
    CHECK(used);
}

/* One unit in the caller's hands, and some in its reserve. */
static struct node *hot_in_reserve(void)
{
    struct node *node = hot_new();
    use(node);
    WAIT_UNTIL(arca_refcount(node) == 1); /* not while they are on their way back */
    return node;
}

/* A test of its name, during which the library's thread recalls nothing. */
#define TEST_ALONE(name)                                                                                              \
    static void name(void *unused);                                                                                   \
    TEST(reserve, name)                                                                                               \
    {                                                                                                                 \
        start_keeper();                                                                                               \
        CHECK(keeper_exclusively(name, NULL));                                                                        \
    }                                                                                                                 \
    static void name(void *unused __attribute__((unused)))

static void *release_there(void *node)
{
    arca_release(node);
    return NULL;
}

TEST_ALONE(retain_and_release_do_not_touch_the_word)
{
    struct node *node = hot_in_reserve();
    uint64_t word = load_rlx(word_of(node));
    for (unsigned i = 0; i < 100; i++) {
        CHECK(arca_retain(node) == node);
        CHECK_EQ(arca_refcount(node), i + 2);
    }
    for (unsigned i = 0; i < 100; i++)
        arca_release(node);
    CHECK_EQ(load_rlx(word_of(node)), word);
    arca_release(node);
    CHECK_EQ(nodes_dead, 1);
}

TEST_ALONE(more_units_than_it_has_come_and_go)
{
    struct node *node = hot_in_reserve();
    for (unsigned i = 0; i < 5000; i++)
        arca_retain(node);
    CHECK_EQ(arca_refcount(node), 5001);
    for (unsigned i = 0; i < 5000; i++) {
        CHECK_EQ(nodes_dead, 0);
        arca_release(node);
    }
    CHECK_EQ(arca_refcount(node), 1);
    CHECK(reserve_units(node) < 1024);
    arca_release(node);
    CHECK_EQ(nodes_dead, 1);
}

/* I3: units that come, in hand or in reserve, show in the version. */
TEST_ALONE(who_is_given_some_has_another_version)
{
    struct node *node = hot_new();
    uint64_t word = load_rlx(word_of(node));
    for (unsigned i = 1; reserve_units(node) == 0 && i < 8; i++) {
        CHECK_EQ(load_rlx(word_of(node)) / WORD_VERSION, word / WORD_VERSION + i - 1);
        arca_release(arca_retain(node));
        CHECK_EQ(load_rlx(word_of(node)) / WORD_VERSION, word / WORD_VERSION + i + (reserve_units(node) != 0));
    }
    CHECK(reserve_units(node) != 0);
    arca_release(node);
}

TEST(reserve, where_each_reference_is_to_be_seen_there_is_none)
{
    options.debug = DEBUG_REFS;
    struct node *node = hot_new();
    for (unsigned i = 0; i < 100; i++)
        arca_release(arca_retain(node));
    CHECK_EQ(reserve_units(node), 0);
    CHECK_EQ(arca_refcount(node), 1);
    arca_release(node);
    CHECK_EQ(nodes_dead, 1);
}

/* ---- containers: a thread's first reserve wants memory, and a lock is not held while memory is asked for ---------------- */

static unsigned reserves_count(void)
{
    unsigned count = 0;
    for (struct reserve *reserve = load_acq(&reserves); reserve != NULL; reserve = reserve->next)
        count++;
    return count;
}

struct change {
    arca_list *list;
    arca_map *map;
    struct node *node;
};

static void *append_there(void *argument)
{
    struct change *change = argument;
    CHECK_EQ(arca_list_append(change->list, change->node), 0);
    return NULL;
}

static void *set_there(void *argument)
{
    struct change *change = argument;
    CHECK_EQ(arca_map_set(change->map, change->node, change->node), 0);
    return NULL;
}

/* Who puts a hot object in has its reserve before it has the lock. */
static void have_changed_under_lock(void *container, void *(*body)(void *), struct change *change)
{
    struct lock *lock = (struct lock *)((arca_object *)container + 1); /* a list's, and a map's */
    unsigned before = reserves_count();
    lock_acquire(lock);
    pthread_t thread = start_thread(body, change);
    WAIT_UNTIL(reserves_count() == before + 1);
    lock_release(lock);
    pthread_join(thread, NULL);
}

/* Who only moves those of others to another storage gets none. */
static void *append_cold_there(void *argument)
{
    struct change *change = argument;
    for (unsigned i = 0; i < 40; i++) {
        arca_auto arca_int *number = arca_int_new(1000 + i);
        CHECK(arca_list_append(change->list, number) == 0 && arca_map_set(change->map, number, number) == 0);
    }
    CHECK(arca_private_reserve == NULL);
    return NULL;
}

TEST_ALONE(a_container_holds_no_lock_while_one_comes_about)
{
    struct change change = { arca_list_new(), arca_map_new(), hot_new() };
    have_changed_under_lock(change.list, append_there, &change);
    have_changed_under_lock(change.map, set_there, &change);
    run_in_a_thread(append_cold_there, &change);
    CHECK_EQ(arca_list_length(change.list), 41);
    CHECK_EQ(arca_map_length(change.map), 41);
    arca_release(change.list);
    arca_release(change.map);
    arca_release(change.node);
}

TEST_ALONE(other_types_have_none)
{
    struct node *hot = hot_in_reserve(), *node = node_new();
    for (unsigned i = 0; i < 100; i++) {
        uint64_t word = load_rlx(word_of(node));
        arca_retain(node);
        CHECK_EQ(load_rlx(word_of(node)), word + WORD_VERSION + WORD_ONE);
        arca_release(node);
    }
    CHECK_EQ(reserve_units(node), 0);
    arca_release(node);
    CHECK_EQ(nodes_dead, 1);
    arca_release(hot);
    CHECK_EQ(nodes_dead, 2);
}

TEST_ALONE(load_and_upgrade_take_from_it)
{
    struct node *owner = node_new(), *node = hot_in_reserve(), *other = hot_new();
    arca_weak *weak = arca_weak_bind(node, NULL, NULL);
    arca_slot_store(&owner->left, node);
    uint64_t word = load_rlx(word_of(node));
    for (unsigned i = 0; i < 100; i++) {
        CHECK(arca_slot_load(&owner->left) == node);
        CHECK(arca_weak_upgrade(weak) == node);
        CHECK_EQ(load_rlx(word_of(node)), word);
        arca_release(node);
        arca_release(node);
    }
    arca_slot_store(&owner->left, other);
    CHECK(arca_slot_load(&owner->left) == other);
    arca_slot_clear(&owner->left);
    CHECK(arca_slot_load(&owner->left) == NULL);
    arca_release(other);
    arca_release(other);
    CHECK_EQ(nodes_dead, 1);
    arca_release(node);
    CHECK_EQ(nodes_dead, 2);
    CHECK(arca_weak_upgrade(weak) == NULL);
    arca_release(weak);
    arca_release(owner);
}

/* I2: a scan that saw the unit in the slot, and the word before, must see another word after. */
TEST_ALONE(a_unit_that_leaves_a_slot_shows_in_the_word)
{
    struct node *owner = node_new(), *node = hot_in_reserve();
    arca_slot_store(&owner->left, node);
    uint64_t word = load_rlx(word_of(node));
    arca_slot_clear(&owner->left);
    CHECK(load_rlx(word_of(node)) != word);
    arca_slot_store(&owner->left, node);
    word = load_rlx(word_of(node));
    void *taken = arca_slot_take(&owner->left);
    CHECK(load_rlx(word_of(node)) != word);
    arca_release(taken);
    arca_release(owner);
    arca_release(node);
    CHECK_EQ(nodes_dead, 2);
}

/* A hot object dies that has a place in the reserve and no unit there. */
static void let_die_in_its_place(struct node *hot)
{
    struct node *owner = node_new();
    arca_slot_put(&owner->left, hot);
    for (uint32_t left = reserve_units(hot); left != 0; left--) {
        arca_retain(hot);
        run_in_a_thread(release_there, hot);
    }
    arca_slot_clear(&owner->left); /* by the word */
    arca_release(owner);
}

TEST_ALONE(who_is_born_where_a_hot_one_died_comes_into_no_reserve)
{
    struct node *hot = hot_in_reserve(), *node = NULL;
    let_die_in_its_place(hot);
    CHECK_EQ(nodes_dead, 2);
    for (unsigned births = 0; births < 1000 && node != hot; births++)
        node = node_new();
    REQUIRE(node == hot);
    arca_release(arca_retain(node));
    CHECK_EQ(word_count(load_rlx(word_of(node))), 1);
    run_in_a_thread(release_there, node);
    CHECK_EQ(nodes_dead, 3);
}

/* Objects of a page compete for the places. */
TEST_ALONE(who_is_driven_out_of_a_place_loses_nothing)
{
    struct node *crowd[4 * ARCA_PRIVATE_RESERVE];
    for (size_t i = 0; i < ARCA_ARRAY_LENGTH(crowd); i++)
        crowd[i] = hot_new();
    for (unsigned round = 0; round < 20; round++) {
        for (size_t i = 0; i < ARCA_ARRAY_LENGTH(crowd); i++)
            arca_release(arca_retain(crowd[i]));
    }
    for (size_t i = 0; i < ARCA_ARRAY_LENGTH(crowd); i++) {
        CHECK_EQ(arca_refcount(crowd[i]), 1);
        CHECK_EQ(nodes_dead, i);
        arca_release(crowd[i]);
    }
    nodes_check_gone();
}

/* U8: the last units of an object wait for their recall when another wants the place. */
TEST_ALONE(nobody_dies_of_a_retain)
{
    struct node *late = hot_in_reserve(), *others[8 * ARCA_PRIVATE_RESERVE];
    run_in_a_thread(release_there, late);
    CHECK_EQ(nodes_dead, 0);
    for (size_t i = 0; i < ARCA_ARRAY_LENGTH(others); i++)
        others[i] = hot_new();
    for (unsigned round = 0; round < 8; round++) {
        for (size_t i = 0; i < ARCA_ARRAY_LENGTH(others); i++) {
            arca_retain(others[i]);
            CHECK_EQ(nodes_dead, 0);
        }
    }
    for (size_t i = 0; i < 9 * ARCA_ARRAY_LENGTH(others); i++)
        arca_release(others[i % ARCA_ARRAY_LENGTH(others)]);
    CHECK_EQ(nodes_dead, ARCA_ARRAY_LENGTH(others));
    reserve_recall();
    CHECK_EQ(nodes_dead, ARCA_ARRAY_LENGTH(others) + 1);
}

TEST(reserve, what_only_a_reserve_keeps_dies_when_it_is_recalled)
{
    struct node *node = hot_in_reserve();
    run_in_a_thread(release_there, node);
    WAIT_UNTIL(nodes_dead == 1);
}

TEST_ALONE(while_memory_is_short_it_is_recalled_at_once)
{
    struct node *node = hot_in_reserve();
    run_in_a_thread(release_there, node);
    recall_when_due(true);
    CHECK_EQ(nodes_dead, 1);
}

TEST(reserve, a_collection_that_is_asked_for_recalls_it)
{
    for (unsigned i = 1; i <= 10; i++) {
        struct node *node = hot_in_reserve();
        run_in_a_thread(release_there, node);
        arca_gc_collect(0);
        CHECK_EQ(nodes_dead, i);
    }
}

/* ---- threads ---------------------------------------------------------------------------------------------- */

static pthread_barrier_t turn;

static void *use_and_wait(void *node)
{
    use(node);
    pthread_barrier_wait(&turn);
    pthread_barrier_wait(&turn);
    return NULL;
}

TEST(reserve, a_cycle_in_the_reserve_of_a_thread_that_waits_is_collected)
{
    manual();
    struct node *a = hot_in_reserve(), *b = hot_in_reserve();
    pthread_barrier_init(&turn, NULL, 2);
    arca_slot_store(&a->left, b);
    arca_slot_store(&b->left, a);
    arca_release(b);
    pthread_t thread = start_thread(use_and_wait, a);
    pthread_barrier_wait(&turn);
    arca_release(a);
    CHECK_EQ(nodes_dead, 0);
    arca_gc_collect(2);
    CHECK_EQ(nodes_dead, 2);
    pthread_barrier_wait(&turn);
    pthread_join(thread, NULL);
}

static void *use_and_release(void *node)
{
    use(node);
    arca_release(node);
    return NULL;
}

TEST(reserve, a_thread_that_ends_gives_back_its_own)
{
    struct node *node = hot_new();
    run_in_a_thread(use_and_wait, (pthread_barrier_init(&turn, NULL, 1), node));
    WAIT_UNTIL(arca_refcount(node) == 1); /* a recall that was at it gives them back for the thread */
    run_in_a_thread(use_and_release, node);
    WAIT_UNTIL(nodes_dead == 1);
}

static size_t live_bytes(void)
{
    struct arca_stats stats = { .size = sizeof stats };
    REQUIRE(arca_stats_get(&stats) == 0);
    return stats.live;
}

TEST(reserve, threads_that_ended_leave_nothing)
{
    struct node *node = hot_new();
    pthread_barrier_init(&turn, NULL, 1);
    for (unsigned i = 0; i < 100; i++)
        run_in_a_thread(use_and_wait, node);
    arca_gc_collect(2);
    size_t before = live_bytes();
    for (unsigned i = 0; i < 1000; i++)
        run_in_a_thread(use_and_wait, node);
    arca_gc_collect(2);
    CHECK(live_bytes() < before + 16384);
    CHECK_EQ(arca_refcount(node), 1);
    arca_release(node);
    CHECK_EQ(nodes_dead, 1);
}

TEST(reserve, a_thread_that_ends_long_after_its_last_use_leaves_nothing)
{
    struct node *node = hot_new();
    pthread_barrier_init(&turn, NULL, 2);
    pthread_t thread = start_thread(use_and_wait, node);
    pthread_barrier_wait(&turn);
    WAIT_UNTIL(!load_rlx(&reserves_due) && word_count(load_rlx(word_of(node))) == 1); /* recalled, and nothing came since */
    CHECK(load_rlx(&reserves) != NULL);
    pthread_barrier_wait(&turn);
    pthread_join(thread, NULL);
    WAIT_UNTIL(load_rlx(&reserves) == NULL);
    arca_release(node);
}

/* body in the child of a fork beside a thread that uses the node. */
static void check_in_a_child(bool (*body)(struct node *node), void *(*thread_body)(void *node))
{
    struct node *node = hot_new();
    pthread_barrier_init(&turn, NULL, 2);
    pthread_t thread = start_thread(thread_body, node);
    pthread_barrier_wait(&turn);
    pid_t child = fork();
    if (child == 0)
        _exit(body(node) ? 0 : 1);
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    pthread_barrier_wait(&turn);
    pthread_join(thread, NULL);
    arca_release(node);
    WAIT_UNTIL(nodes_dead == 1); /* a recall may have been at the thread's */
}

static bool dies_with_the_last_release(struct node *node)
{
    arca_release(node);
    arca_gc_collect(2);
    return nodes_dead == 1;
}

TEST(reserve, a_child_has_what_threads_left_behind_collected)
{
    check_in_a_child(dies_with_the_last_release, use_and_wait);
}

/* As if it had been caught in the middle of a recall. */
static void *use_and_recall_halfway(void *node)
{
    use(node);
    store_rlx(&reserves_due, false);
    return use_and_wait(node);
}

TEST(reserve, a_child_goes_on_with_a_recall_that_was_caught)
{
    check_in_a_child(dies_with_the_last_release, use_and_recall_halfway);
}

static void *stay_at_it(void *node)
{
    use(node);
    struct reserve *reserve = (struct reserve *)arca_private_reserve;
    REQUIRE(reserve_enter(reserve));
    pthread_barrier_wait(&turn);
    pthread_barrier_wait(&turn);
    reserve_leave(reserve);
    return NULL;
}

static bool recalls_all(struct node *node)
{
    (void)node;
    arca_gc_collect(2);
    return load_rlx(&reserves) == NULL;
}

TEST(reserve, a_child_does_not_wait_for_threads_that_it_does_not_have)
{
    check_in_a_child(recalls_all, stay_at_it);
}

TEST_ALONE(the_reserve_of_who_forked_is_open_and_stays)
{
    struct node *node = hot_in_reserve();
    int status;
    store_rlx(reserve_closed((struct reserve *)arca_private_reserve), 1u); /* as if somebody recalled it */
    pid_t child = fork();
    if (child == 0) {
        arca_release(arca_retain(node));
        bool has_units = reserve_units(node) != 0;
        reserve_recall();
        _exit(has_units && load_rlx(&reserves) == (struct reserve *)arca_private_reserve ? 0 : 1);
    }
    store_rlx(reserve_closed((struct reserve *)arca_private_reserve), 0u);
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    arca_release(node);
    CHECK_EQ(nodes_dead, 1);
}

/* Two that drive each other out of their place all the time. */
static struct node *rivals[2];

static void find_rivals(void)
{
    rivals[0] = hot_new();
    do
        rivals[1] = hot_new();
    while (arca_private_reserve_place(rivals[0]) != arca_private_reserve_place(rivals[1]));
}

static _Atomic bool forked;

static void *use_rivals(void *unused)
{
    pthread_barrier_wait(&turn);
    for (unsigned i = 0; !atomic_load(&forked); i++)
        arca_release(arca_retain(rivals[i % 2]));
    return unused;
}

/* More may be, of units that were on their way. */
static bool have_their_units(void)
{
    arca_gc_collect(0);
    for (unsigned i = 0; i < 2; i++) {
        node_check(rivals[i]);
        uint32_t count = word_count(load_rlx(word_of(rivals[i])));
        if (nodes_dead != 0 || count == 0 || count > 10000)
            return false;
    }
    return true;
}

TEST(reserve, a_child_gives_no_unit_back_that_was_given_back)
{
    if (SANITIZED)
        SKIP("the sanitizers' own locks do not survive the fork");
    find_rivals();
    pthread_barrier_init(&turn, NULL, 2);
    pthread_t thread = start_thread(use_rivals, NULL);
    pthread_barrier_wait(&turn);
    for (unsigned i = 0; i < 300; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(have_their_units() ? 0 : 1);
        int status;
        REQUIRE(waitpid(child, &status, 0) == child);
        CHECK_EQ(status, 0);
    }
    atomic_store(&forked, true);
    pthread_join(thread, NULL);
}

/* ---- a barrier that the kernel refuses ------------------------------------------------------------------------ */

static void recall_without_a_barrier(void)
{
    os_fault_after(1, true);
    reserve_recall();
    os_fault_after(0, false);
}

TEST_ALONE(what_could_not_be_recalled_stays_due)
{
    struct node *node = hot_new();
    pthread_barrier_init(&turn, NULL, 2);
    pthread_t thread = start_thread(use_and_wait, node);
    pthread_barrier_wait(&turn);
    arca_release(node);
    recall_without_a_barrier();
    CHECK_EQ(nodes_dead, 0);
    reserve_recall();
    CHECK_EQ(nodes_dead, 1);
    pthread_barrier_wait(&turn);
    pthread_join(thread, NULL);
}

/* As the library's thread does at each of its rounds. */
TEST_ALONE(what_comes_in_is_recalled_once_and_not_before_its_time)
{
    struct node *node = hot_in_reserve();
    recall_when_due(true);
    CHECK_EQ(reserve_units(node), 0);
    CHECK_EQ(recall_pause_ms(), OS_FOREVER);
    use(node);
    recall_when_due(false);
    uint32_t pause_ms = recall_pause_ms();
    CHECK(pause_ms > 0 && pause_ms <= 100);
    CHECK(reserve_units(node) != 0);
    wait_ms(pause_ms + 1);
    recall_when_due(false);
    CHECK_EQ(reserve_units(node), 0);
    CHECK_EQ(recall_pause_ms(), OS_FOREVER);
    arca_release(node);
}

/* As if a recall had closed it, which then did not get its barrier. */
static void *end_closed(void *node)
{
    use(node);
    store_rlx(reserve_closed((struct reserve *)arca_private_reserve), 1u);
    return NULL;
}

TEST_ALONE(who_ended_meanwhile_loses_no_unit)
{
    struct node *node = hot_new();
    run_in_a_thread(end_closed, node);
    recall_without_a_barrier();
    reserve_recall();
    CHECK(load_rlx(&reserves) == NULL);
    CHECK_EQ(word_count(load_rlx(word_of(node))), 1);
    arca_release(node);
    CHECK_EQ(nodes_dead, 1);
}

/* ---- special ones ------------------------------------------------------------------------------------------- */

static void retain_and_release_much(void *object)
{
    for (unsigned i = 0; i < 100; i++)
        arca_release(arca_retain(object));
}

static arca_type told_type = {
    .name = "told", .size = sizeof(struct node), .slots = node_slots, .slot_count = 2, .finalize = retain_and_release_much,
    .destroy = node_destroy, .flags = ARCA_TYPE_HOT
};

TEST(reserve, who_is_only_used_by_its_finalize_has_not_risen)
{
    struct node *alone = node_of(&told_type), *a = node_of(&told_type), *b = node_of(&told_type);
    hot_in_reserve(); /* the thread has a reserve, and its node lives on */
    arca_release(alone);
    CHECK_EQ(nodes_dead, 1);
    arca_slot_put(&a->left, arca_retain(b));
    arca_slot_put(&b->left, a);
    arca_release(b);
    arca_gc_collect(2);
    CHECK_EQ(nodes_dead, 3);
}

TEST_ALONE(who_is_only_used_by_its_finalize_has_not_risen_in_its_place)
{
    struct node *alone = node_of(&told_type);
    use(alone);
    let_die_in_its_place(alone);
    CHECK_EQ(nodes_dead, 2);
}

static void use_neighbours(void *object)
{
    struct node *left = arca_slot_load(&((struct node *)object)->left);
    retain_and_release_much(left);
    arca_release(left);
}

static arca_type sociable_type = {
    .name = "sociable", .size = sizeof(struct node), .slots = node_slots, .slot_count = 2, .finalize = use_neighbours,
    .destroy = node_destroy, .flags = ARCA_TYPE_HOT
};

/* They are not finalized yet, and come into the reserve of who collects. */
TEST(reserve, who_is_only_used_by_the_finalizers_of_others_has_not_risen)
{
    start_keeper();
    manual();
    for (unsigned i = 1; i <= 10; i++) {
        struct node *a = node_of(&sociable_type), *b = node_of(&sociable_type);
        arca_slot_put(&a->left, arca_retain(b));
        arca_slot_put(&b->left, a);
        arca_release(b);
        CHECK_EQ(arca_gc_collect(2), 2);
        CHECK_EQ(nodes_dead, 2 * i);
    }
}

TEST(reserve, who_becomes_immortal_does_so_in_the_reserve_too)
{
    struct node *node = hot_in_reserve();
    arca_make_immortal(node);
    for (unsigned i = 0; i < 5000; i++)
        arca_release(node);
    arca_gc_collect(2);
    for (unsigned i = 0; i < 5000; i++)
        arca_retain(node);
    CHECK_EQ(arca_refcount(node), SIZE_MAX);
    CHECK_EQ(nodes_dead, 0);
}
