/* The n-th allocation of a collection fails, for every n, and from the n-th on all of them; so do the system's calls: it
 * frees what it can, says so where that may not be all, and leaves everything usable. */
#include "graph.h"

#include "gc/objects/limbo.h"
#include "gc/objects/weak.h"
#include "heap/retired.h"
#include "tests/unit/faults.h"

#include <sys/wait.h>
#include <unistd.h>

#define CALLS 60
#define RINGS 3000

/* Of the collector's own. */
static unsigned fail_at;
static bool fail_on;

/* What is done before and after each allocation of the collector's own. */
static void (*between)(void);

static void look_between(void)
{
    if (between != NULL)
        between();
}

static bool refuse(void)
{
    look_between();
    if (fail_at == 0 || --fail_at != 0)
        return false;
    fail_at = fail_on;
    errno = ENOMEM;
    return true;
}

void *__real_arca_malloc(size_t size);
void *__wrap_arca_malloc(size_t size);
void *__wrap_arca_malloc(size_t size)
{
    void *block = refuse() ? NULL : __real_arca_malloc(size);
    look_between();
    return block;
}

void *__real_arca_calloc(size_t count, size_t size);
void *__wrap_arca_calloc(size_t count, size_t size);
void *__wrap_arca_calloc(size_t count, size_t size)
{
    void *block = refuse() ? NULL : __real_arca_calloc(count, size);
    look_between();
    return block;
}

void *__real_arca_realloc(void *block, size_t size);
void *__wrap_arca_realloc(void *block, size_t size);
void *__wrap_arca_realloc(void *block, size_t size)
{
    void *grown = refuse() ? NULL : __real_arca_realloc(block, size);
    look_between();
    return grown;
}

void __real_arca_free(void *block);
void __wrap_arca_free(void *block);
void __wrap_arca_free(void *block)
{
    look_between();
    __real_arca_free(block);
    look_between();
}

static unsigned finalized, rose;
static _Atomic unsigned called;

static void rise_sometimes(void *object)
{
    node_check(object);
    if (finalized++ % 16 == 0) {
        struct node *node = node_at(object, 0);
        node_check(node);
        rose++;
    }
}

static arca_type final_type = NODE_TYPE("final", .finalize = rise_sometimes);

static void note_call(arca_weak *weak, void *data)
{
    (void)data;
    CHECK(arca_weak_upgrade(weak) == NULL);
    called++;
}

/* Fresh pools have no tables yet; weak references want room in the certifier; large objects are spans of their own. */
static void fill(struct node **kept, arca_weak **weak)
{
    static arca_type large = {
        .name = "large", .size = 50000, .slots = node_slots, .slot_count = SLOTS, .destroy = node_destroy
    };
    *kept = ring_new(5000);
    for (unsigned i = 0; i < RINGS; i++) {
        struct node *ring = ring_of(i % 4 == 0 ? &final_type : &node_type, 2);
        if (i % 8 == 0) {
            arca_weak *each = arca_weak_bind(ring, note_call, NULL);
            REQUIRE(each != NULL);
            arca_slot_put(&ring->slots[1], each);
        }
        if (i % 1000 == 0) {
            struct node *big = node_of(&large);
            arca_slot_put(&big->slots[0], arca_retain(ring));
            arca_slot_put(&ring->slots[2], big);
        }
        if (i == 7)
            *weak = arca_weak_bind(ring, NULL, NULL);
        arca_release(ring);
    }
}

static void check_usable(void)
{
    CHECK(!limbo_is_active());
    CHECK_EQ(load_rlx(&weak_certifying), 0);
    CHECK(!lock_is_held(&weak_lock));
    CHECK(!lock_is_held(&retired_window));
}

/* True when there was something to fail. */
static bool fail(unsigned n, bool for_ever, bool system)
{
    struct node *kept;
    arca_weak *weak = NULL;
    manual();
    fill(&kept, &weak);
    size_t garbage = nodes_alive() - 5000;
    int generation = (int)(n % 3);
    errno = 0;
    if (system) {
        os_fault_after(n, for_ever);
    } else {
        fail_at = n;
        fail_on = for_ever;
    }
    long freed = arca_gc_collect(generation);
    bool failed = fail_at == 0 || for_ever;
    if (system)
        os_fault_after(0, false);
    fail_at = 0;
    check_usable();
    if (freed < 0)
        CHECK_EQ(errno, ENOMEM);
    else
        CHECK_EQ(freed, garbage);
    for (struct node *node = node_at(kept, 0); node != kept; node = node_at(node, 0))
        node_check(node);
    /* None of it was lost. */
    while (arca_gc_collect(2) > 0)
        ;
    CHECK_EQ(nodes_alive(), 5000);
    CHECK_EQ(called, RINGS / 8);
    CHECK(arca_weak_upgrade(weak) == NULL);
    arca_release(weak);
    arca_release(kept);
    CHECK_EQ(arca_gc_collect(2), 5000);
    return failed;
}

/* Caches hide most failures from a second round: each has a fresh process.  False when n is past the last call. */
static bool fail_in_a_child(unsigned n, bool for_ever, bool system)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(60);
        bool failed = fail(n, for_ever, system);
        _exit(harness_end() != 0 ? 1 : failed ? 2 : 3);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) < 2)
        harness_fail(__FILE__, __LINE__, "with call %u failing%s: status %#x", n, for_ever ? " and all after it" : "", status);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 3;
}

TEST(gc_faults, one_allocation_fails)
{
    unsigned n = 1;
    while (n < 100 && fail_in_a_child(n, false, false))
        n++;
    CHECK(n > 10 && n < 100);
}

TEST(gc_faults, all_allocations_fail_from_one_on)
{
    for (unsigned n = 1; n < 40; n++)
        fail_in_a_child(n, true, false);
}

TEST(gc_faults, one_call_of_the_system_fails)
{
    os_fault_after(0, false); /* or skipped */
    for (unsigned n = 1; n <= STEPS(CALLS); n++)
        fail_in_a_child(n, false, true);
}

TEST(gc_faults, all_calls_of_the_system_fail_from_one_on)
{
    os_fault_after(0, false);
    for (unsigned n = 1; n <= STEPS(CALLS); n++)
        fail_in_a_child(n, true, true);
}

/* ---- a fork in the middle ------------------------------------------------------------------------------------------ */

#define SAVED 40

static size_t saved_least;

static bool see_saved(void *object, void *count)
{
    node_check(object);
    ++*(size_t *)count;
    return true;
}

/* Blocks of all the sizes that the list had: one that was freed is another's by now. */
static void reuse_memory(void)
{
    for (size_t size = 16; size <= 16 * SAVED * sizeof(void *); size += 16)
        memset(__real_arca_malloc(size), 0x5a, size);
}

static void fork_between(void)
{
    int status;
    between = NULL;
    fflush(NULL);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        size_t count = 0;
        alarm(60);
        unsigned failed = harness_end();
        reuse_memory();
        arca_gc_garbage(see_saved, &count);
        CHECK(count >= saved_least);
        _exit(harness_end() == failed ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    between = fork_between;
}

TEST(gc_faults, the_garbage_list_is_whole_in_a_child_that_is_forked_while_it_grows)
{
    manual();
    if (SANITIZED)
        SKIP("the sanitizers' own locks do not survive the fork");
    arca_gc_set_debug(ARCA_GC_DEBUG_SAVEALL);
    for (size_t i = 0; i < SAVED; i += 4) {
        arca_release(ring_new(4));
        saved_least = i;
        between = fork_between;
        arca_gc_collect(2);
        between = NULL;
    }
    size_t count = 0;
    between = fork_between;
    saved_least = 0;
    arca_gc_garbage(see_saved, &count);
    between = NULL;
    CHECK_EQ(count, SAVED);
}
