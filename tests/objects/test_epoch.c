/* Objects beside liburcu: in the program's own sections of its flavour bp, and in threads that it has no memory for. */
#include "nodes.h"

#include "arca/gc.h"
#include "base/options.h"
#include "gc/objects/epoch.h"
#include "heap/watch.h"
#include "tests/unit/faults.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static arca_type bytes_type = { .name = "bytes", .size = sizeof(arca_var_object), .item_size = 1 };

/* Nobody waits for a grace period in the section that it would wait for. */
static void make_objects_in_a_section(void)
{
    alarm(20); /* a hang ends, and shows */
    urcu_bp_read_lock();
    struct node *kept = node_new();
    for (unsigned i = 0; i < 200000; i++) {
        struct node *node = node_new();
        arca_slot_store(&kept->left, node);
        arca_release(node);
        if (i % 1000 == 0)
            arca_release(arca_new_var(&bytes_type, 100000));
    }
    arca_release(kept);
    urcu_bp_read_unlock();
    nodes_check_gone();
}

TEST(epoch, objects_are_made_in_a_section)
{
    make_objects_in_a_section();
}

TEST(epoch, objects_are_made_in_a_section_without_a_thread_of_the_library)
{
    options.collector = COLLECTOR_INLINE;
    make_objects_in_a_section();
}

TEST(epoch, a_section_does_not_stop_births_that_outrun_the_collector)
{
    const unsigned often[ARCA_GC_GENERATIONS] = { 1, 1, 1 };
    arca_gc_set_threshold(often);
    make_objects_in_a_section();
}

/* liburcu would end the process. */
static void *attach_without_memory(void *unused)
{
    os_fault_after(1, true);
    errno = 0;
    CHECK_EQ(arca_thread_attach(), -1);
    CHECK_EQ(errno, ENOMEM);
    os_fault_after(0, false);
    CHECK(!urcu_bp_read_ongoing());
    CHECK_EQ(arca_thread_attach(), 0);
    os_fault_after(1, true); /* from now on it needs none */
    CHECK_EQ(arca_thread_attach(), 0);
    os_fault_after(0, false);
    return unused;
}

TEST(epoch, a_thread_for_which_there_is_no_memory_is_not_attached)
{
    os_fault_after(0, false); /* or skipped */
    arca_release(node_new());
    run_in_a_thread(attach_without_memory, NULL);
}

/* ---- threads for which there is no memory ------------------------------------------------------------------------ */

#define UNREGISTERED 40 /* more than liburcu has room for at first */

static struct node *shared;
static arca_weak *weak;
static pthread_barrier_t all_there, done;
static _Atomic unsigned not_attached, through;

static struct rlimit limit_address_space(rlim_t bytes)
{
    struct rlimit before;
    REQUIRE(getrlimit(RLIMIT_AS, &before) == 0);
    REQUIRE(setrlimit(RLIMIT_AS, &(struct rlimit){ bytes, before.rlim_max }) == 0);
    return before;
}

static void *use_without_memory(void *unused)
{
    pthread_barrier_wait(&all_there);
    errno = 4711;
    for (unsigned i = 0; i < 100; i++) {
        struct node *node = arca_slot_load(&shared->left), *upgraded = arca_weak_upgrade(weak);
        CHECK(node != NULL && upgraded == shared);
        node_check(node);
        arca_edit_begin(node);
        arca_edit_begin(upgraded);
        arca_edit_end(upgraded);
        arca_edit_end(node);
        arca_release(node);
        arca_release(upgraded);
    }
    CHECK_EQ(errno, 4711);
    atomic_fetch_add(&not_attached, !epoch_is_attached());
    atomic_fetch_add(&through, 1);
    pthread_barrier_wait(&done);
    arca_release(arca_slot_load(&shared->left)); /* there is memory again */
    CHECK(epoch_is_attached());
    return unused;
}

static void share_two(void)
{
    if (SANITIZED)
        SKIP("the limit on the address space is the sanitizer's as well");
    shared = node_new();
    arca_slot_put(&shared->left, node_new());
    weak = arca_weak_bind(shared, NULL, NULL);
}

static void drop_two(void)
{
    arca_release(weak);
    arca_release(shared);
    nodes_check_gone();
}

TEST(epoch, loads_upgrades_and_edits_need_no_memory)
{
    pthread_t threads[UNREGISTERED];
    share_two();
    pthread_barrier_init(&all_there, NULL, UNREGISTERED + 1);
    pthread_barrier_init(&done, NULL, UNREGISTERED + 1);
    for (unsigned i = 0; i < UNREGISTERED; i++)
        threads[i] = start_thread(use_without_memory, NULL);
    struct rlimit before = limit_address_space(0);
    pthread_barrier_wait(&all_there);
    for (unsigned i = 0; i < 100; i++)
        epoch_wait();
    WAIT_UNTIL(atomic_load(&through) == UNREGISTERED);
    limit_address_space(before.rlim_cur);
    pthread_barrier_wait(&done);
    for (unsigned i = 0; i < UNREGISTERED; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(atomic_load(&not_attached), UNREGISTERED);
    drop_two();
}

/* The section of a thread that is not registered is one all the same. */
static _Atomic bool in_edit, edited, period_is_over;

static void *edit_without_memory(void *unused)
{
    struct rlimit before = limit_address_space(0);
    arca_edit_begin(shared);
    limit_address_space(before.rlim_cur);
    CHECK(!epoch_is_attached());
    atomic_store(&in_edit, true);
    wait_ms(100);
    CHECK(!atomic_load(&period_is_over));
    atomic_store(&edited, true);
    arca_edit_end(shared);
    return unused;
}

TEST(epoch, a_grace_period_waits_for_a_section_without_memory)
{
    share_two();
    pthread_t thread = start_thread(edit_without_memory, NULL);
    WAIT_UNTIL(atomic_load(&in_edit));
    epoch_wait();
    CHECK(atomic_load(&edited));
    atomic_store(&period_is_over, true);
    pthread_join(thread, NULL);
    drop_two();
}

static void ask_for_a_collection(void)
{
    store_rlx(&watch_wanted, true);
    watch_ring();
}

/* A birth that is to collect looks whether the thread is in a section. */
static void *give_births_without_memory(void *unused)
{
    struct rlimit before = limit_address_space(0);
    ask_for_a_collection();
    arca_release(node_new());
    CHECK(!epoch_is_attached());
    arca_edit_begin(shared);
    limit_address_space(before.rlim_cur);
    ask_for_a_collection();
    arca_release(node_new());
    CHECK(load_rlx(&watch_wanted));
    arca_edit_end(shared);
    WAIT_UNTIL((arca_release(node_new()), !load_rlx(&watch_wanted)));
    return unused;
}

TEST(epoch, births_in_a_section_without_memory_do_not_wait_for_it)
{
    arca_free(arca_malloc(1)); /* the options are read */
    options.collector = COLLECTOR_INLINE;
    alarm(20);
    share_two();
    run_in_a_thread(give_births_without_memory, NULL);
    drop_two();
}

static void *fork_in_a_section(void *unused)
{
    struct rlimit before = limit_address_space(0);
    arca_edit_begin(shared);
    limit_address_space(before.rlim_cur);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(20);
        arca_edit_end(shared);
        epoch_wait();
        _exit(0);
    }
    int status;
    arca_edit_end(shared);
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    return unused;
}

TEST(epoch, a_section_without_memory_goes_on_in_a_child)
{
    share_two();
    run_in_a_thread(fork_in_a_section, NULL);
    drop_two();
}

TEST(epoch, a_child_does_not_wait_for_a_section_without_memory)
{
    share_two();
    pthread_t thread = start_thread(edit_without_memory, NULL);
    WAIT_UNTIL(atomic_load(&in_edit));
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        alarm(20);
        epoch_wait();
        _exit(0);
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    pthread_join(thread, NULL);
    drop_two();
}
