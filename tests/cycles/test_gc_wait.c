/* Births that wait for the collector. */
#include "harness.h"

#include "arca/gc.h"
#include "base/options.h"
#include "gc/cycles/collector.h"
#include "gc/objects/keeper.h"
#include "heap/watch.h"
#include "threads.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <urcu/urcu-bp.h>

struct plain {
    arca_object object;
};
static arca_type plain_type = { .name = "plain", .size = sizeof(struct plain) };

static _Atomic bool at_work, may_end;

static void work_until_the_end(void *unused)
{
    (void)unused;
    atomic_store(&at_work, true);
    while (!atomic_load(&may_end))
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void *work_exclusively(void *unused)
{
    keeper_exclusively(work_until_the_end, NULL);
    return unused;
}

/* With no thread, and another at work all the time: births can but wait. */
static pthread_t begin_to_work(void)
{
    pthread_t thread;
    arca_free(arca_malloc(1)); /* the options are read */
    options.collector = COLLECTOR_INLINE;
    REQUIRE(pthread_create(&thread, NULL, work_exclusively, NULL) == 0);
    while (!atomic_load(&at_work))
        nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    return thread;
}

static void end_work(pthread_t thread)
{
    atomic_store(&may_end, true);
    pthread_join(thread, NULL);
}

/* Births wait for a second from the asking on: on a machine that is busy that may be over before the birth. */
static void wait_once(void)
{
    uint64_t before = load_rlx(&watch_figures.waits);
    for (unsigned tries = 0; tries < 100 && load_rlx(&watch_figures.waits) == before; tries++) {
        watch_answer();
        watch_ask();
        arca_release(arca_new(&plain_type));
    }
    CHECK(load_rlx(&watch_figures.waits) > before);
}

static bool came_through;

static void *wait_with_a_cancellation_pending(void *unused)
{
    pthread_cancel(pthread_self());
    wait_once();
    came_through = true;
    return unused;
}

TEST(gc_wait, a_birth_is_no_cancellation_point)
{
    pthread_t thread, worker = begin_to_work();
    arca_object *kept = arca_new(&plain_type);
    REQUIRE(pthread_create(&thread, NULL, wait_with_a_cancellation_pending, NULL) == 0);
    pthread_join(thread, NULL);
    CHECK(came_through);
    end_work(worker);
    arca_release(kept);
}

/* One that is to be for nobody. */
static void give_birth_under(uint64_t backlog)
{
    static arca_object *kept[30000];
    arca_free(arca_malloc(1)); /* the options are read */
    options.backlog = backlog; /* before the collector has a thread */
    collector_set_limits();
    for (unsigned i = 0; i < 30000; i++)
        kept[i] = arca_new(&plain_type);
    CHECK_EQ(load_rlx(&watch_figures.waits), 0);
    for (unsigned i = 0; i < 30000; i++)
        arca_release(kept[i]);
}

TEST(gc_wait, the_largest_backlog_holds_nobody_up)
{
    give_birth_under(UINT64_MAX);
}

TEST(gc_wait, nor_does_one_that_is_beyond_what_is_counted)
{
    give_birth_under((uint64_t)INT64_MAX);
}

/* ---- the work of others, by a thread that is to be cancelled --------------------------------------------- */

struct told {
    arca_object object;
    arca_slot self;
};
static const uint32_t told_slots[] = { offsetof(struct told, self) };

static void come_to_a_cancellation_point(void *unused)
{
    (void)unused;
    pthread_testcancel();
}

static arca_type told_type = {
    .name = "told", .size = sizeof(struct told), .slots = told_slots, .slot_count = 1, .destroy = come_to_a_cancellation_point
};

static void *leave_section_late(void *barrier)
{
    urcu_bp_read_lock();
    pthread_barrier_wait(barrier);
    nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
    urcu_bp_read_unlock();
    return NULL;
}

static void make_cycles(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct told *told = arca_new(&told_type);
        arca_slot_store(&told->self, told);
        arca_release(told);
    }
}

static int cancellable_after = -1;

static void *collect_with_a_cancellation_pending(void *unused)
{
    pthread_cancel(pthread_self());
    CHECK(arca_gc_collect(2) > 0);
    came_through = true;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellable_after);
    return unused;
}

static void *give_birth_with_a_cancellation_pending(void *unused)
{
    struct arca_gc_stats stats = { .size = sizeof stats };
    pthread_cancel(pthread_self());
    do {
        make_cycles(1000);
        arca_gc_get_stats(&stats);
    } while (stats.generations[0].collected == 0);
    came_through = true;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellable_after);
    return unused;
}

/* It waits for a reader, and calls the program: the lock of those who collect would go with it. */
static void collect_beside_a_reader(void *(*collect)(void *))
{
    pthread_t reader, thread;
    pthread_barrier_t barrier;
    arca_free(arca_malloc(1)); /* the options are read */
    options.collector = COLLECTOR_INLINE;
    pthread_barrier_init(&barrier, NULL, 2);
    make_cycles(1);
    REQUIRE(pthread_create(&reader, NULL, leave_section_late, &barrier) == 0);
    pthread_barrier_wait(&barrier);
    REQUIRE(pthread_create(&thread, NULL, collect, NULL) == 0);
    pthread_join(thread, NULL);
    pthread_join(reader, NULL);
    CHECK(came_through);
    CHECK_EQ(cancellable_after, PTHREAD_CANCEL_ENABLE);
    if (came_through)
        CHECK(arca_gc_collect(2) >= 0);
}

TEST(gc_wait, a_collection_is_no_cancellation_point)
{
    collect_beside_a_reader(collect_with_a_cancellation_pending);
}

TEST(gc_wait, nor_is_a_birth_that_collects)
{
    collect_beside_a_reader(give_birth_with_a_cancellation_pending);
}

static void nothing(int signal)
{
    (void)signal;
}

TEST(gc_wait, errno_stays_when_a_signal_ends_it)
{
    pthread_t worker = begin_to_work();
    arca_object *kept = arca_new(&plain_type);
    sigaction(SIGALRM, &(struct sigaction){ .sa_handler = nothing }, NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){ { .tv_usec = 100 }, { .tv_usec = 100 } }, NULL);
    for (unsigned i = 0; i < 300; i++) {
        errno = EXDEV;
        wait_once();
        CHECK_EQ(errno, EXDEV);
    }
    end_work(worker);
    arca_release(kept);
}

/* The object is there, and so nothing has failed. */
TEST(gc_wait, errno_stays_when_the_thread_can_not_be_made)
{
    pthread_attr_t attributes;
    REQUIRE(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, (size_t)1 << 50) == 0);
    REQUIRE(pthread_setattr_default_np(&attributes) == 0);
    errno = EXDEV;
    arca_object *object = arca_new(&plain_type);
    CHECK_EQ(errno, EXDEV);
    CHECK_EQ(load_rlx(&keeper_state), KEEPER_NONE);
    arca_release(object);
    pthread_attr_destroy(&attributes);
}

static _Atomic int niceness;

static void note_niceness(void *object)
{
    (void)object;
    atomic_store(&niceness, getpriority(PRIO_PROCESS, 0)); /* of this thread, on Linux */
}

struct ring {
    arca_object object;
    arca_slot self;
};
static const uint32_t slots[] = { offsetof(struct ring, self) };
static arca_type ring_type = {
    .name = "ring", .size = sizeof(struct ring), .slots = slots, .slot_count = 1, .finalize = note_niceness
};

/* Whoever may make it less nice than the program does not want that. */
TEST(gc_wait, the_thread_is_nicer_than_a_nice_program)
{
    REQUIRE(setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + 6) == 0);
    int own = getpriority(PRIO_PROCESS, 0), nicest = 19;
    struct ring *ring = arca_new(&ring_type);
    arca_slot_store(&ring->self, ring);
    arca_release(ring);
    WAIT_UNTIL(atomic_load(&niceness) != 0);
    CHECK(atomic_load(&niceness) > own || own == nicest);
}
