/* No lock that a fork catches stays held in the child: a thread takes it all the time, and each child once more. */
#include "graph.h"

#include "base/options.h"
#include "gc/objects/header.h"
#include "gc/objects/weak.h"

#include <sys/wait.h>
#include <unistd.h>

#define FORKS 300u

static void (*operation)(void);
static _Atomic bool begun, done;

static void *operate(void *unused)
{
    while (!atomic_load(&done)) {
        operation();
        atomic_store(&begun, true);
    }
    return unused;
}

static bool a_child_operates(void)
{
    int status;
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(30); /* a hang ends, and shows */
        operation();
        _exit(EXIT_SUCCESS);
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    return status == 0;
}

static void fork_beside(void (*body)(void))
{
    if (SANITIZED)
        SKIP("the sanitizers' own locks do not survive the fork");
    operation = body;
    pthread_t thread = start_thread(operate, NULL);
    WAIT_UNTIL(atomic_load(&begun));
    unsigned good = 0;
    while (good < FORKS && a_child_operates())
        good++;
    CHECK_EQ(good, FORKS);
    atomic_store(&done, true);
    pthread_join(thread, NULL);
}

static void change_limits(void)
{
    arca_gc_disable();
    arca_gc_enable();
}

TEST(fork_locks, of_the_limits)
{
    fork_beside(change_limits);
}

static void ignore(const struct arca_gc_event *event, void *data)
{
    (void)event, (void)data;
}

static void change_callbacks(void)
{
    int here; /* each thread its own */
    CHECK_EQ(arca_gc_add_callback(ignore, &here), 0);
    CHECK_EQ(arca_gc_remove_callback(ignore, &here), 0);
}

TEST(fork_locks, of_the_callbacks)
{
    fork_beside(change_callbacks);
}

static void forget_garbage(void)
{
    arca_gc_garbage(NULL, NULL);
}

TEST(fork_locks, of_the_garbage_list)
{
    fork_beside(forget_garbage);
}

static arca_weak *weak;

/* As beside a collector that decides. */
static void upgrade_slowly(void)
{
    store_rlx(&weak_certifying, 1u);
    void *object = arca_weak_upgrade(weak);
    CHECK(object != NULL);
    arca_release(object);
}

TEST(fork_locks, of_upgrades)
{
    struct node *node = node_new();
    weak = arca_weak_bind(node, NULL, NULL);
    fork_beside(upgrade_slowly);
    store_rlx(&weak_certifying, 0u);
    arca_release(weak);
    arca_release(node);
}

static void free_late(void)
{
    arca_release(node_new());
}

TEST(fork_locks, of_what_is_freed_late)
{
    options.debug = DEBUG_REFS;
    fork_beside(free_late);
}

/* Types with memory of their own: making that takes time.  The thread makes some when a fork is about to happen. */
#define TYPES_A_FORK 8
#define TYPE_FORKS 100
static arca_type types[TYPE_FORKS + 1][TYPES_A_FORK];
static _Atomic unsigned turns;

static void make_types(unsigned turn)
{
    for (unsigned i = 0; i < TYPES_A_FORK; i++) {
        types[turn][i] = (arca_type){ .name = "fresh", .size = sizeof(arca_object), .flags = ARCA_TYPE_OWN_BLOCKS };
        arca_release(arca_new(&types[turn][i]));
    }
}

static void *make_types_each_turn(void *unused)
{
    for (unsigned made = 0; made < TYPE_FORKS;) {
        if (atomic_load(&turns) > made)
            make_types(made++);
    }
    return unused;
}

static void make_the_last_types(void)
{
    make_types(TYPE_FORKS);
}

TEST(fork_locks, of_types)
{
    if (SANITIZED)
        SKIP("the sanitizers' own locks do not survive the fork");
    operation = make_the_last_types;
    pthread_t thread = start_thread(make_types_each_turn, NULL);
    unsigned good = 0;
    do
        atomic_fetch_add(&turns, 1);
    while (a_child_operates() && ++good < TYPE_FORKS);
    CHECK_EQ(good, TYPE_FORKS);
    atomic_store(&turns, TYPE_FORKS);
    pthread_join(thread, NULL);
}
