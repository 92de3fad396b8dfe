/* soak SECONDS [THREADS]: see soak.h.  Ends with a line "N operations, N faults, ... 0 losses". */
#include "soak.h"

#include "harness.h"
#include "system_faults.h"

#include "arca/gc.h"
#include "base/options.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 64
#define STEPS_A_TURN 200
#define TURNS_A_TRIM 64
#define TURNS_A_CHORE 16
#define TURNS_A_COLLECTION 64
#define SHORT_LIVES 4
#define CHILD_SECONDS 120

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

static _Atomic bool stop;
static _Atomic uint64_t operations;
static unsigned forks, threads_started, collections;

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void turn(struct blocks_bag *bag, uint64_t *random)
{
    blocks_steps(bag, STEPS_A_TURN, random);
    objects_steps(STEPS_A_TURN, random);
    faces_steps(STEPS_A_TURN / 4, random);
    atomic_fetch_add(&operations, 2 * STEPS_A_TURN + 3 * STEPS_A_TURN / 4);
}

static void *work(void *number)
{
    uint64_t random = harness_seed() + (uintptr_t)number;
    struct blocks_bag *bag = blocks_open();
    while (!atomic_load(&stop)) {
        turn(bag, &random);
        if (harness_random(&random) % TURNS_A_TRIM == 0)
            arca_trim(0);
        if (harness_random(&random) % TURNS_A_CHORE == 0)
            faces_chore(&random);
        if (harness_random(&random) % TURNS_A_COLLECTION == 0)
            objects_collect(&random);
    }
    blocks_close(bag);
    return NULL;
}

/* ---- what the main thread does now and then --------------------------------------------------------------------- */

struct short_life {
    pthread_t thread;
    struct blocks_bag *bag;
    uint64_t random;
};

static void *live_shortly(void *argument)
{
    struct short_life *life = argument;
    turn(life->bag, &life->random);
    return NULL; /* the bag stays full */
}

/* Their blocks are freed by another thread, when they are gone. */
static void churn_threads(uint64_t *random)
{
    struct short_life lives[SHORT_LIVES];
    unsigned started = 0;
    for (unsigned i = 0; i < SHORT_LIVES; i++) {
        lives[started] = (struct short_life){ .bag = blocks_open(), .random = harness_random(random) };
        if (pthread_create(&lives[started].thread, NULL, live_shortly, &lives[started]) == 0)
            started++;
        else
            blocks_close(lives[started].bag);
    }
    for (unsigned i = 0; i < started; i++)
        pthread_join(lives[i].thread, NULL);
    for (unsigned i = 0; i < started; i++)
        blocks_close(lives[i].bag);
    threads_started += started;
}

/* Sanitizers' own locks do not survive the fork; starting a thread takes them. */
static _Noreturn void live_as_child(struct blocks_bag *bag, uint64_t random)
{
    alarm(CHILD_SECONDS); /* a lock that nobody releases ends the child, and the soak */
    faults_by_chance(0);
    if (SANITIZED)
        options.background = 0;
    arca_heap_check();
    blocks_steps(bag, STEPS_A_TURN, &random);
    if (!SANITIZED) {
        objects_steps(STEPS_A_TURN, &random);
        faces_live_as_child();
        faces_steps(STEPS_A_TURN, &random);
        faces_chore(&random);
        arca_gc_collect(2);
        pid_t grandchild = fork();
        if (grandchild == 0) {
            blocks_steps(bag, STEPS_A_TURN, &random);
            _exit((int)(harness_end() != 0));
        }
        int status;
        REQUIRE(waitpid(grandchild, &status, 0) == grandchild && status == 0);
    }
    blocks_close(bag);
    arca_trim(0);
    arca_heap_check();
    _exit((int)(harness_end() != 0));
}

static void fork_once(struct blocks_bag *bag, uint64_t *random)
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0)
        live_as_child(bag, harness_random(random));
    REQUIRE(waitpid(child, &status, 0) == child);
    if (status != 0)
        harness_fail_now(__FILE__, __LINE__, "child %u ended with status %#x", forks, (unsigned)status);
    forks++;
}

static void chore(struct blocks_bag *bag, uint64_t *random)
{
    switch (harness_random(random) % 10) {
    case 0:
        fork_once(bag, random);
        break;
    case 1:
        churn_threads(random);
        break;
    case 2:
    case 3:
        objects_collect(random);
        collections++;
        break;
    case 4:
        arca_trim(0);
        break;
    case 5:
        arca_heap_check();
        break;
    case 6:
        blocks_burst(random);
        break;
    case 7:
    case 8:
        faces_chore(random);
        break;
    default:
        faults_by_chance(2 + (unsigned)(harness_random(random) % 30));
        break;
    }
}

static void chores_until(double end, uint64_t random)
{
    struct blocks_bag *bag = blocks_open();
    while (seconds() < end) {
        turn(bag, &random);
        chore(bag, &random);
        if (harness_random(&random) % 6 == 0)
            faults_by_chance(0);
        usleep((useconds_t)(harness_random(&random) % 8000));
    }
    faults_by_chance(0);
    blocks_close(bag);
}

static size_t live_bytes(void)
{
    struct arca_stats stats = { .size = sizeof stats };
    CHECK_EQ(arca_stats_get(&stats), 0);
    return stats.live;
}

/* What may be live in the end: little things of the library's own, caches that are never swept, what is dead and kept. */
static size_t live_allowed(void)
{
    size_t kib = 256 + (options.sweep ? 0 : 4096) + (options.debug == DEBUG_REFS ? 16384 : 0) +
                 (options.hardened ? 8192 : 0); /* a quarantine a thread */
    return kib << 10;
}

static void expect_an_empty_heap(void)
{
    size_t allowed = live_allowed();
    blocks_empty_mailbox();
    faces_close();
    objects_close();
    size_t live = live_bytes();
    /* Half a minute: the collector's thread may have to wait for a processor. */
    for (unsigned i = 0; i < 3000 && live > allowed; i++, live = live_bytes()) {
        arca_trim(0);
        usleep(10000);
    }
    arca_heap_check();
    if (live > allowed)
        harness_fail(__FILE__, __LINE__, "%zu bytes are live and nobody's", live);
}

int main(int argc, char **argv)
{
    double end = seconds() + (argc > 1 ? strtod(argv[1], NULL) : 2);
    unsigned threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 2;
    pthread_t workers[THREADS_MAX];
    REQUIRE(threads <= THREADS_MAX);
    harness_begin();
    uint64_t random = harness_seed();
    blocks_allow_refusals();
    objects_open();
    faces_open();
    for (uintptr_t t = 0; t < threads; t++)
        REQUIRE(pthread_create(&workers[t], NULL, work, (void *)(t + 1)) == 0);
    chores_until(end, random);
    atomic_store(&stop, true);
    for (unsigned t = 0; t < threads; t++)
        pthread_join(workers[t], NULL);
    expect_an_empty_heap();
    unsigned losses = harness_end();
    printf("%llu operations, %lu faults, %u forks, %u threads, %u collections, %llu objects, %u losses\n",
           (unsigned long long)atomic_load(&operations), faults_done(), forks, threads_started, collections,
           (unsigned long long)objects_born(), losses);
    printf("%d passed, %d failed\n", losses == 0, losses != 0);
    return losses != 0;
}
