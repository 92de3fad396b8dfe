/* Collections in parts, by the births of threads that have no collector beside them. */
#include "graph.h"

#include "base/options.h"
#include "base/os.h"
#include "gc/objects/epoch.h"
#include "gc/objects/fiber.h"
#include "gc/objects/keeper.h"
#include "gc/objects/limbo.h"
#include "heap/retired.h"

#include <sys/wait.h>
#include <unistd.h>

/* Enough for a full collection to take many parts. */
#define MANY STEPS((size_t)300000)

static void work_inline(void)
{
    arca_free(arca_malloc(1)); /* the options are read */
    options.collector = COLLECTOR_INLINE;
}

/* Only what the test asks for is collected: no birth reaches the thresholds. */
static void work_inline_when_asked(void)
{
    work_inline();
    arca_gc_set_threshold((const unsigned[]){ 1u << 30, 10, 10 });
}

/* A birth of something that no cycle holds. */
static void give_birth(void)
{
    arca_release(node_new());
}

/* The next birth begins with a full collection. */
static void ask_for_a_collection(void)
{
    store_rlx(&watch_wanted, true);
    watch_ring();
}

/* Until a collection rests that was asked for. */
static void begin_collection(void)
{
    ask_for_a_collection();
    for (unsigned births = 0; births < 1000 && !fiber_is_resting(); births++)
        give_birth();
    REQUIRE(fiber_is_resting());
    CHECK_EQ(load_rlx(&keeper_state), KEEPER_NONE);
    CHECK(limbo_is_active());
}

static void give_births_until_it_ends(void)
{
    for (size_t births = 0; births < MANY * 1000 && fiber_is_resting(); births++)
        give_birth();
    CHECK(!fiber_is_resting());
    CHECK(!limbo_is_active());
}

TEST(inline, births_do_it_in_parts)
{
    work_inline_when_asked();
    struct node *kept = ring_new(MANY);
    litter(MANY / 10, 10);
    begin_collection();
    unsigned parts = 1;
    for (bool rested = true; rested; parts++) {
        uint64_t next = os_now_us() + 125;
        while (os_now_us() < next) /* births leave the thread half as much time in between */
            ;
        give_birth();
        rested = fiber_is_resting();
    }
    CHECK(parts > 5);
    CHECK_EQ(nodes_alive(), MANY);
    arca_release(kept);
    CHECK_EQ(arca_gc_collect(2), MANY);
}

TEST(inline, a_call_ends_it_and_is_exact)
{
    work_inline_when_asked();
    struct node *kept = ring_new(MANY);
    begin_collection();
    arca_release(kept); /* perhaps after it was looked at: then what rests does not find it */
    CHECK(arca_gc_collect(2) >= 0);
    CHECK(!fiber_is_resting());
    CHECK_EQ(nodes_alive(), 0);
}

static struct node *chain_new(size_t count)
{
    struct node *first = NULL;
    for (size_t i = 0; i < count; i++) {
        struct node *node = node_new();
        if (first != NULL)
            arca_slot_put(&node->slots[0], first);
        first = node;
    }
    return first;
}

/* What dies meanwhile waits for its end, and there may be no more births. */
TEST(inline, deaths_end_it_too)
{
    work_inline_when_asked();
    struct node *kept = ring_new(MANY / 10);
    begin_collection();
    store_rlx(&watch_call, 0u); /* births pass by */
    for (unsigned chains = 0; chains < 10000 && limbo_is_active(); chains++)
        arca_release(chain_new(10000));
    CHECK(!limbo_is_active());
    arca_release(kept);
    CHECK_EQ(arca_gc_collect(2), MANY / 10);
}

/* ---- deaths wait for nobody ---------------------------------------------------------------------------------------- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool reads;

static void *read_until_the_mutex_is_free(void *unused)
{
    epoch_enter();
    atomic_store(&reads, true);
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    epoch_leave();
    return unused;
}

static unsigned finalized;

static void count_finalize(void *object)
{
    (void)object;
    finalized++;
}

/* Who releases may hold what a reader waits for, and what a finalizer wants. */
TEST(inline, deaths_leave_grace_periods_and_finalizers_to_births)
{
    static arca_type type = NODE_TYPE("finalized", .finalize = count_finalize);
    work_inline_when_asked();
    struct node *kept = ring_new(MANY / 10), *chains[100];
    arca_release(ring_of(&type, 10));
    for (unsigned i = 0; i < 100; i++)
        chains[i] = chain_new(10000);
    begin_collection();
    pthread_mutex_lock(&mutex);
    pthread_t reader = start_thread(read_until_the_mutex_is_free, NULL);
    while (!atomic_load(&reads))
        wait_ms(1);
    for (unsigned i = 0; i < 100; i++)
        arca_release(chains[i]);
    CHECK_EQ(finalized, 0);
    CHECK(fiber_is_resting());
    pthread_mutex_unlock(&mutex);
    pthread_join(reader, NULL);
    give_births_until_it_ends();
    CHECK_EQ(finalized, 10);
    arca_release(kept);
    CHECK_EQ(arca_gc_collect(2), MANY / 10);
    CHECK_EQ(nodes_alive(), 0);
}

static unsigned looks;

/* In the second, which is the scan, the part comes to its end. */
static void look_for_long(void *object, arca_visit *visit, void *context)
{
    struct node *node = object;
    uint64_t end = os_thread_time_us() + 2000;
    for (unsigned i = 0; i < SLOTS; i++)
        visit(&node->slots[i], context);
    if (++looks == 2) {
        while (os_thread_time_us() < end)
            ;
    }
}

static arca_type looked_at_type = { .name = "looked at", .size = sizeof(struct node), .traverse = look_for_long, .destroy = node_destroy };

/* The window is closed while it rests. */
TEST(inline, what_was_read_before_a_purge_is_read_again)
{
    enum { HALF = 10000 };
    bool purged = false;
    work_inline_when_asked();
    struct node *first = ring_new(HALF), *node = node_of(&looked_at_type), *second = ring_new(HALF);
    node_link(first, 1, node);
    node_link(node, 0, second);
    node_link(second, 1, first);
    arca_release(first);
    arca_release(second);
    arca_release(node);
    begin_collection();
    while (fiber_is_resting()) {
        if (looks == 2 && !purged) {
            add_rlx(&retired_purges, 1u);
            purged = true;
        }
        give_birth();
    }
    CHECK(purged);
    CHECK_EQ(looks, 4); /* when it was counted, scanned, scanned again, and torn down */
    CHECK_EQ(nodes_alive(), 0);
}

/* Enough for some hundred parts, of which each 23rd is followed by a fork. */
#define FORKED (MANY / 8)

static void end_it_in_a_child(unsigned births)
{
    size_t alive = nodes_alive();
    fflush(NULL);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(60);
        unsigned failed = harness_end();
        REQUIRE(fiber_is_resting());
        for (unsigned i = 0; i < births; i++)
            give_birth();
        give_births_until_it_ends();
        CHECK(arca_gc_collect(2) >= 0);
        CHECK(nodes_alive() == FORKED && nodes_alive() <= alive);
        _exit(harness_end() == failed ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
}

/* At every 23rd rest: it goes on in the child, whole, and in the parent. */
TEST(inline, a_fork_between_two_parts)
{
    if (SANITIZED)
        SKIP("the sanitizers' own locks do not survive the fork");
    work_inline_when_asked();
    struct node *kept = ring_new(FORKED);
    litter(FORKED / 10, 10);
    begin_collection();
    for (unsigned i = 0; fiber_is_resting(); i++) {
        if (i % 23 == 0)
            end_it_in_a_child(i % 3);
        give_birth();
    }
    CHECK_EQ(nodes_alive(), FORKED);
    arca_release(kept);
    CHECK_EQ(arca_gc_collect(2), FORKED);
}

static void *go_on_with_it(void *unused)
{
    for (unsigned i = 0; i < STEPS(20000); i++) {
        litter(10, 3);
        if (i % 64 == 0)
            ask_for_a_collection();
    }
    return unused;
}

TEST(inline, several_threads_go_on_with_one)
{
    work_inline();
    struct node *kept = ring_new(MANY);
    pthread_t threads[3];
    for (unsigned t = 0; t < 3; t++)
        threads[t] = start_thread(go_on_with_it, NULL);
    for (unsigned t = 0; t < 3; t++)
        pthread_join(threads[t], NULL);
    CHECK(stats_now().generations[0].collections + stats_now().generations[2].collections > 2);
    arca_gc_collect(2);
    CHECK_EQ(nodes_alive(), MANY);
    arca_release(kept);
    CHECK_EQ(arca_gc_collect(2), MANY);
}

/* Fewer than the threshold was while a full collection lasts, more than the one that it leaves. */
TEST(inline, births_meanwhile_are_not_forgotten)
{
    enum { OLD = 150000 };
    work_inline();
    struct node *kept = ring_new(64), *dropped = ring_new(64);
    for (size_t i = 0; i < OLD; i += 64) { /* side by side, so that no pool is emptied, which rings too */
        struct node *ring = ring_new(64);
        node_link(ring, 1, node_at(kept, 1));
        node_link(kept, 1, ring);
        arca_release(ring);
        ring = ring_new(64);
        node_link(ring, 1, node_at(dropped, 1));
        node_link(dropped, 1, ring);
        arca_release(ring);
    }
    CHECK(arca_gc_collect(2) >= 0);
    arca_release(dropped);
    begin_collection();
    store_rlx(&watch_call, 0u); /* births pass by */
    struct node *young = ring_new(2000); /* of 300,000 as many as 2800 may be, of half of them 1400 */
    or_rlx(&watch_call, WATCH_CALL_START);
    REQUIRE(fiber_is_resting());
    uint32_t bell = load_rlx(&watch_bell);
    while (fiber_is_resting()) {
        wait_ms(1);
        give_birth();
    }
    CHECK(nodes_alive() < 2 * OLD);
    CHECK(load_rlx(&watch_bell) != bell);
    arca_release(kept);
    arca_release(young);
}

/* ---- what runs on the fiber's stack ------------------------------------------------------------------------------ */

static struct node *saved;
static unsigned rests_seen;

static void rise_once(void *object)
{
    if (finalized++ == 0)
        saved = arca_retain(object);
    give_birth();                      /* births of its own do not go on with the collection that it is part of */
    CHECK_EQ(arca_gc_collect(2), 0);
    rests_seen += fiber_is_resting();
    for (size_t i = 0; i < 64; i++) /* time passes */
        give_birth();
}

TEST(inline, finalizers_and_weak_references)
{
    static arca_type type = NODE_TYPE("rising", .finalize = rise_once);
    work_inline_when_asked();
    arca_weak *weak = NULL;
    for (unsigned i = 0; i < STEPS(5000); i++) {
        struct node *ring = ring_of(&type, 4);
        if (i == 17)
            weak = arca_weak_bind(ring, NULL, NULL);
        arca_release(ring);
    }
    begin_collection();
    while (fiber_is_resting()) {
        struct node *got = arca_weak_upgrade(weak);
        if (got != NULL)
            node_check(got);
        arca_release(got);
        give_birth();
    }
    CHECK_EQ(rests_seen, 0);
    REQUIRE(saved != NULL);
    node_check(saved);
    arca_release(saved);
    while (arca_gc_collect(2) != 0)
        ;
    CHECK_EQ(finalized, 4 * STEPS(5000));
    CHECK_EQ(nodes_alive(), 0);
    CHECK(arca_weak_upgrade(weak) == NULL);
    arca_release(weak);
}
