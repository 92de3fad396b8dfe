/* Forks while other threads allocate, free, sweep and use explicit heaps. */
#include "blocks.h"

#include "base/options.h"
#include "front/background.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 3
#define SLOTS 200
#define FORKS STEPS(150)
#define CHILD_SECONDS 60

static _Atomic bool done;
static arca_heap *common;

static void *work(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    struct held slots[SLOTS] = { { NULL, 0, 0 } };
    while (!atomic_load(&done)) {
        held_step(slots, SLOTS, &random);
        arca_free(arca_heap_malloc(common, random_size(&random)));
    }
    held_free_all(slots, SLOTS);
    return NULL;
}

static void *sweep(void *unused)
{
    while (!atomic_load(&done))
        background_round(0);
    return unused;
}

static void *allocate_in_a_thread(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    struct held slots[SLOTS] = { { NULL, 0, 0 } };
    for (unsigned i = 0; i < 300; i++)
        held_step(slots, SLOTS, &random);
    held_free_all(slots, SLOTS);
    return NULL;
}

/* The inherited blocks are whole, and everything still works. */
static void live_as_child(struct held *slots, uint64_t random)
{
    alarm(CHILD_SECONDS); /* a lock that nobody releases ends the child, and the test */
    if (SANITIZED) /* the sanitizers' own locks do not survive the fork; starting a thread takes them */
        options.background = 0;
    arca_heap_check();
    for (unsigned i = 0; i < 500; i++)
        held_step(slots, SLOTS, &random);
    arca_heap *heap = arca_heap_create();
    REQUIRE(heap != NULL);
    arca_free(arca_heap_malloc(heap, 1000));
    arca_heap_destroy(heap);
    held_free_all(slots, SLOTS);
    if (!SANITIZED)
        pthread_join(start_thread(allocate_in_a_thread, (void *)(uintptr_t)random), NULL);
    arca_trim(0);
    arca_heap_check();
    _exit((int)(harness_end() != 0));
}

static void fork_often(struct held *slots, uint64_t random)
{
    for (unsigned i = 0; i < FORKS; i++) {
        held_step(slots, SLOTS, &random);
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0)
            live_as_child(slots, random);
        int status;
        REQUIRE(waitpid(child, &status, 0) == child);
        if (WIFSIGNALED(status))
            harness_fail_now(__FILE__, __LINE__, "child %u died of signal %d", i, WTERMSIG(status));
        REQUIRE(WEXITSTATUS(status) == 0);
    }
}

TEST(stress_fork, children_of_a_busy_process_find_a_heap_in_order)
{
    static struct held slots[SLOTS];
    pthread_t workers[WORKERS], sweeper;
    uint64_t seed = harness_seed();
    common = arca_heap_create();
    REQUIRE(common != NULL);
    for (unsigned i = 0; i < WORKERS; i++)
        workers[i] = start_thread(work, (void *)(uintptr_t)(seed + i));
    sweeper = start_thread(sweep, NULL);
    fork_often(slots, seed + WORKERS);
    atomic_store(&done, true);
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(workers[i], NULL);
    pthread_join(sweeper, NULL);
    held_free_all(slots, SLOTS);
    arca_heap_check();
}
