/* Collecting after and around fork, and without a thread. */
#include "graph.h"

#include "base/options.h"
#include "gc/objects/keeper.h"
#include "gc/objects/limbo.h"
#include "heap/watch.h"

#include <sys/wait.h>
#include <unistd.h>

/* ---- fork ---------------------------------------------------------------------------------------------------------- */

/* Does body in a child; true when it passed there. */
static bool in_a_child(void (*body)(void))
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(60);
        unsigned failed = harness_end();
        body();
        _exit(harness_end() == failed ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

/* Births go on with what they have begun. */
static void litter_until_few_are_alive(size_t few)
{
    for (size_t rings = 0; rings < STEPS(2000000) && nodes_alive() >= few; rings++)
        litter(1, 2);
    CHECK(nodes_alive() < few);
}

/* Where births collect, nobody does while there are none. */
static void wait_until_few_are_alive(size_t few)
{
    if (options.collector == COLLECTOR_INLINE)
        litter_until_few_are_alive(few);
    else
        WAIT_UNTIL(nodes_alive() < few);
}

static void use_the_collector(void)
{
    struct node *kept = ring_new(10);
    size_t alive = nodes_alive();
    arca_gc_disable(); /* a collection that is planned must not get ahead of those that are counted */
    arca_gc_collect(2);
    CHECK(nodes_alive() <= alive);
    size_t left = nodes_alive(); /* what a collection of the parent's was about to free may be lost */
    litter(100, 3);
    CHECK_EQ(arca_gc_collect(0), 300);
    CHECK_EQ(nodes_alive(), left);
    arca_gc_enable();
    litter(STEPS(50000), 2);
    wait_until_few_are_alive(left + 20000);
    arca_release(kept);
}

static void use_it_and_fork_again(void)
{
    use_the_collector();
    CHECK(in_a_child(use_the_collector));
}

#define SKIP_SANITIZED()                                                                                               \
    if (SANITIZED)                                                                                                     \
    SKIP("the sanitizers' own locks do not survive the fork; starting a thread takes them")

TEST(gc_fork, a_child_collects_and_forks_again)
{
    SKIP_SANITIZED();
    litter(1000, 2);
    CHECK(in_a_child(use_it_and_fork_again));
    use_the_collector();
}

static _Atomic bool stop;

static void *litter_and_collect(void *unused)
{
    for (unsigned i = 0; !atomic_load(&stop); i++) {
        litter(200, 3);
        arca_gc_collect((int)(i % 3));
    }
    return unused;
}

TEST(gc_fork, in_the_middle_of_collections)
{
    SKIP_SANITIZED();
    pthread_t thread = start_thread(litter_and_collect, NULL);
    for (unsigned i = 0; i < STEPS(50); i++)
        CHECK(in_a_child(use_the_collector));
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    arca_gc_collect(2);
    CHECK_EQ(nodes_alive(), 0);
}

static _Atomic bool in_collection, end_collection;

static void stay_in_collection(const struct arca_gc_event *event, void *unused)
{
    (void)event, (void)unused;
    for (atomic_store(&in_collection, true); !atomic_load(&end_collection);)
        wait_ms(1);
}

static void *collect_all(void *unused)
{
    arca_gc_collect(2);
    return unused;
}

/* Nor that memory is short. */
static void find_that_nobody_waits(void)
{
    atomic_store(&end_collection, true);
    CHECK(!load_rlx(&watch_asked));
    CHECK(!keeper_is_wanted());
    use_the_collector();
}

TEST(gc_fork, nobody_waits_in_the_child_for_a_collection_to_end)
{
    SKIP_SANITIZED();
    pthread_t threads[2];
    CHECK_EQ(arca_gc_add_callback(stay_in_collection, NULL), 0);
    threads[0] = start_thread(collect_all, NULL);
    WAIT_UNTIL(atomic_load(&in_collection));
    threads[1] = start_thread(collect_all, NULL);
    WAIT_UNTIL(keeper_is_wanted());
    store_rlx(&watch_asked, true);
    CHECK(in_a_child(find_that_nobody_waits));
    store_rlx(&watch_asked, false);
    atomic_store(&end_collection, true);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(arca_gc_remove_callback(stay_in_collection, NULL), 0);
}

/* ---- in the middle of a teardown ------------------------------------------------------------------------------------- */

static _Atomic bool in_destroy, go_on;

static void destroy_slowly(void *object)
{
    node_destroy(object);
    if (!atomic_exchange(&in_destroy, true)) {
        while (!atomic_load(&go_on))
            wait_ms(1);
    }
}

static arca_type slow_type = {
    .name = "slow", .size = sizeof(struct node), .slots = node_slots, .slot_count = SLOTS, .destroy = destroy_slowly
};

static void *collect(void *unused)
{
    arca_gc_collect(2);
    return unused;
}

static void collect_what_is_left(void)
{
    CHECK(arca_gc_collect(2) >= 0);
    if (!SANITIZED) /* a birth starts a thread: see SKIP_SANITIZED */
        use_the_collector();
}

/* The first is destroyed and nothing else: what refers to it must not destroy it again in the child. */
TEST(gc_fork, what_is_half_torn_down_is_not_destroyed_again_in_the_child)
{
    manual();
    struct node *first = node_of(&slow_type), *second = node_of(&slow_type);
    if (first > second) {
        struct node *other = first;
        first = second;
        second = other;
    }
    node_link(second, 0, second);
    node_link(second, 1, first);
    arca_release(first);
    arca_release(second);
    pthread_t thread = start_thread(collect, NULL);
    while (!atomic_load(&in_destroy))
        wait_ms(1);
    arca_gc_enable();
    CHECK(in_a_child(collect_what_is_left));
    atomic_store(&go_on, true);
    pthread_join(thread, NULL);
    arca_gc_collect(2);
    CHECK_EQ(nodes_alive(), 0);
}

/* Dies in the middle of it, and lets nothing go on. */
static void block_destroy(void *object)
{
    (void)object;
    atomic_store(&in_destroy, true);
    while (!atomic_load(&go_on))
        wait_ms(1);
}

static arca_type block_type = { .name = "block", .size = 32, .destroy = block_destroy, .flags = ARCA_TYPE_ACYCLIC };
static arca_type plain_type = { .name = "plain", .size = sizeof(struct node), .slots = node_slots, .slot_count = SLOTS };

#define HALF 3000

static int by_address(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return x < y ? -1 : x > y;
}

/* Each with a second reference, from a half that was not freed, while that may be taken for one that counts. */
static void live_where_others_did(void)
{
    static struct node *nodes[2 * HALF];
    for (unsigned i = 0; i < 2 * HALF; i++)
        nodes[i] = node_new();
    CHECK(arca_gc_collect(2) >= 0);
    for (unsigned i = 0; i < 2 * HALF; i++)
        CHECK(node_is_alive(nodes[i]) && arca_refcount(nodes[i]) == 1);
}

/* Two rings, the second of which refers to the first: that is freed when a child is made, and its blocks are used again.
 * Between them is one more that is being freed. */
TEST(gc_fork, what_is_half_freed_is_nobodys_reference_in_the_child)
{
    SKIP_SANITIZED();
    manual();
    static struct node *nodes[2 * HALF + 1];
    for (unsigned i = 0; i < 2 * HALF + 1; i++)
        nodes[i] = arca_new(&plain_type);
    qsort(nodes, 2 * HALF + 1, sizeof nodes[0], by_address);
    struct node *middle = nodes[HALF], **later = nodes + HALF + 1;
    for (unsigned i = 0; i < HALF; i++) {
        node_link(nodes[i], 0, nodes[(i + 1) % HALF]);
        node_link(later[i], 0, later[(i + 1) % HALF]);
        node_link(later[i], 1, nodes[i]);
    }
    node_link(middle, 0, middle);
    arca_slot_put(&middle->slots[1], arca_new(&block_type));
    for (unsigned i = 0; i < 2 * HALF + 1; i++)
        arca_release(nodes[i]);
    pthread_t thread = start_thread(collect, NULL);
    while (!atomic_load(&in_destroy))
        wait_ms(1);
    CHECK(in_a_child(live_where_others_did));
    atomic_store(&go_on, true);
    pthread_join(thread, NULL);
}

/* ---- by who collects ------------------------------------------------------------------------------------------------- */

static pid_t parent, forked;
static unsigned finalized;

/* What goes on in the child is the same collection. */
static void fork_inside(void *object)
{
    (void)object;
    if (finalized++ == 0) {
        parent = getpid();
        forked = fork();
        CHECK_EQ(arca_gc_collect(2), 0);
        CHECK(limbo_is_active());
    }
}

TEST(gc_fork, a_finalize_may_fork)
{
    static arca_type type = NODE_TYPE("forking", .finalize = fork_inside);
    manual();
    arca_release(ring_of(&type, 10));
    CHECK_EQ(arca_gc_collect(2), 10);
    CHECK_EQ(finalized, 10);
    CHECK_EQ(nodes_alive(), 0);
    CHECK(!limbo_is_active());
    if (getpid() != parent) {
        arca_gc_enable();
        use_the_collector();
        _exit(harness_end() == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    int status;
    REQUIRE(waitpid(forked, &status, 0) == forked);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
}

/* ---- without a thread ------------------------------------------------------------------------------------------------- */

static void work_inline(void)
{
    arca_free(arca_malloc(1)); /* the options are read */
    options.collector = COLLECTOR_INLINE;
}

/* How few the births between two parts leave alive the clock tells, however much of its work a sanitized test does. */
#define FEW 20000

TEST(gc_fork, births_collect_where_there_is_no_thread)
{
    work_inline();
    litter(STEPS(100000), 2);
    CHECK_EQ(load_rlx(&keeper_state), KEEPER_NONE);
    litter_until_few_are_alive(FEW);
    CHECK(stats_now().generations[0].collections != 0);
    SKIP_SANITIZED(); /* a fiber is a thread to them */
    CHECK(in_a_child(use_the_collector));
}

static void *litter_much(void *unused)
{
    litter(STEPS(100000), 2);
    return unused;
}

TEST(gc_fork, births_of_several_threads_collect)
{
    work_inline();
    pthread_t threads[3];
    for (unsigned t = 0; t < 3; t++)
        threads[t] = start_thread(litter_much, NULL);
    for (unsigned t = 0; t < 3; t++)
        pthread_join(threads[t], NULL);
    litter_until_few_are_alive(2 * FEW);
}

static _Atomic bool at_stop;

static void wait_at_stop(const struct arca_gc_event *event, void *unused)
{
    (void)unused;
    if (!event->start && !atomic_exchange(&at_stop, true)) {
        while (!atomic_load(&go_on))
            wait_ms(1);
    }
}

/* The bell rings once while another thread is at work: it must not have been in vain. */
TEST(gc_fork, a_bell_that_rings_while_another_works_is_heard_later)
{
    work_inline();
    REQUIRE(arca_gc_add_callback(wait_at_stop, NULL) == 0);
    pthread_t thread = start_thread(collect, NULL);
    while (!atomic_load(&at_stop))
        wait_ms(1);
    litter(STEPS(20000), 2);
    CHECK_EQ(nodes_alive(), 2 * STEPS(20000));
    atomic_store(&go_on, true);
    pthread_join(thread, NULL);
    uint64_t collected = 0;
    for (size_t rings = 0; rings < STEPS(2000000) && collected < 2 * STEPS(20000); rings++) {
        litter(1, 2);
        collected = stats_now().generations[0].collected;
    }
    CHECK(collected >= 2 * STEPS(20000));
}

TEST(gc_fork, nobody_collects_where_that_is_off_until_it_is_asked)
{
    arca_free(arca_malloc(1));
    options.collector = COLLECTOR_OFF;
    arca_gc_disable(); /* as the constructor does with the option */
    litter(20000, 2);
    CHECK_EQ(nodes_alive(), 40000);
    CHECK_EQ(arca_gc_collect(2), 40000);
    arca_gc_enable();
    litter(STEPS(100000), 2);
    WAIT_UNTIL(nodes_alive() < 20000);
}
