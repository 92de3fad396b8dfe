/* Births that wait for the collector. */
#include "harness.h"

#include "arca/gc.h"
#include "base/options.h"
#include "gc/cycles/collector.h"
#include "heap/watch.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

struct plain {
    arca_object object;
};
static arca_type plain_type = { .name = "plain", .size = sizeof(struct plain) };

static void wait_once(void)
{
    uint64_t before = load_rlx(&watch_figures.waits);
    watch_ask(); /* answered by the birth itself, after it has waited */
    arca_release(arca_new(&plain_type));
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
    pthread_t thread;
    options.collector = COLLECTOR_INLINE;
    arca_object *kept = arca_new(&plain_type);
    REQUIRE(pthread_create(&thread, NULL, wait_with_a_cancellation_pending, NULL) == 0);
    pthread_join(thread, NULL);
    CHECK(came_through);
    arca_release(kept);
}

static void nothing(int signal)
{
    (void)signal;
}

TEST(gc_wait, errno_stays_when_a_signal_ends_it)
{
    options.collector = COLLECTOR_INLINE;
    arca_object *kept = arca_new(&plain_type);
    sigaction(SIGALRM, &(struct sigaction){ .sa_handler = nothing }, NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){ { .tv_usec = 100 }, { .tv_usec = 100 } }, NULL);
    for (unsigned i = 0; i < 300; i++) {
        errno = EXDEV;
        wait_once();
        CHECK_EQ(errno, EXDEV);
    }
    arca_release(kept);
}
