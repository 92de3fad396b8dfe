/* The child of a fork, through the public functions. */
#include "harness.h"
#include "threads.h"

#include "arca/arca.h"
#include "base/options.h"
#include "front/background.h"
#include "heap/heap.h"

#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)

static void *checked(void *block)
{
    REQUIRE(block != NULL);
    return block;
}

static bool holds(const unsigned char *block, unsigned char stamp, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (block[i] != stamp)
            return false;
    }
    return true;
}

/* 0 when the child's body found nothing wrong; its complaints are printed. */
static int in_a_child(void (*body)(void))
{
    int status;
    fflush(NULL);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        body();
        _exit((int)(harness_end() != 0));
    }
    REQUIRE(waitpid(child, &status, 0) == child);
    return status;
}

static unsigned char *inherited[1000];

static void use_everything(void)
{
    for (unsigned i = 0; i < 1000; i++) {
        CHECK(holds(inherited[i], (unsigned char)i, 100 + i));
        arca_free(inherited[i]);
    }
    for (unsigned i = 0; i < 10000; i++)
        arca_free(checked(arca_malloc(i * 13 % 90000)));
    arca_free(checked(arca_malloc(70 * MIB)));
    arca_trim(0);
    arca_heap_check();
}

TEST(fork, the_child_of_a_fork_has_the_parent_s_blocks_and_can_go_on)
{
    for (unsigned i = 0; i < 1000; i++)
        inherited[i] = memset(checked(arca_malloc(100 + i)), (int)i, 100 + i);
    CHECK_EQ(in_a_child(use_everything), 0);
    use_everything(); /* and the parent has them still */
}

#define CAUGHT 20000 /* more than a bin takes, however it grows */

static void *caught_blocks[CAUGHT];
static arca_heap *caught_heap;

static void free_into_a_caught_heap(void)
{
    for (unsigned i = 0; i < CAUGHT; i++)
        arca_free(caught_blocks[i]);
    arca_heap_destroy(caught_heap);
    arca_heap *fresh = arca_heap_create();
    CHECK(fresh != NULL && arca_heap_malloc(fresh, 100) != NULL);
    arca_heap_check();
}

/* The lock is held by a thread that the child does not have, and that was between two stores. */
TEST(fork, the_child_of_a_fork_survives_frees_into_a_heap_that_was_caught_half_way)
{
    caught_heap = checked(arca_heap_create());
    for (unsigned i = 0; i < CAUGHT; i++)
        caught_blocks[i] = checked(arca_heap_malloc(caught_heap, 100));
    struct heap *caught = (struct heap *)caught_heap;
    lock_acquire(&caught->lock);
    struct bin *bin = &caught->bins[size_class_of(100)];
    uintptr_t first = bin->head;
    bin->head = 16; /* no block; nobody may look at it */
    CHECK_EQ(in_a_child(free_into_a_caught_heap), 0);
    bin->head = first;
    lock_release(&caught->lock);
    arca_heap_destroy(caught_heap);
}

static size_t allocated_now(void)
{
    struct arca_stats stats = { .size = sizeof stats };
    CHECK_EQ(arca_stats_get(&stats), 0);
    return stats.allocated;
}

static unsigned char *kept_block;

static void use_a_caught_heap(void)
{
    size_t before = allocated_now();
    unsigned char *block = checked(arca_heap_malloc(caught_heap, 100));
    checked(memset(arca_realloc(block, 5 * MIB), 1, 5 * MIB));
    for (unsigned i = 0; i < 1000; i++)
        checked(memset(arca_heap_malloc(caught_heap, 1000), 1, 1000));
    kept_block = checked(arca_realloc(kept_block, 1000)); /* of before: it stays in its heap */
    CHECK(holds(kept_block, 7, 100));
    CHECK(allocated_now() >= before + 5 * MIB);
    arca_free(checked(arca_heap_calloc(caught_heap, 10, 10)));
    arca_heap_check();
}

static void use_it_and_destroy_it(void)
{
    size_t before = allocated_now();
    use_a_caught_heap();
    arca_heap_destroy(caught_heap);
    CHECK(allocated_now() <= before);
    arca_heap_check();
}

static void use_it_and_fork_again(void)
{
    use_a_caught_heap();
    struct heap *other = load_acq(&((struct heap *)caught_heap)->stand_in);
    REQUIRE(other != NULL);
    lock_acquire(&other->lock);
    CHECK_EQ(in_a_child(use_it_and_destroy_it), 0);
    lock_release(&other->lock);
    use_it_and_destroy_it();
}

/* A thread of the program's may be in it, or the one that sweeps. */
TEST(fork, an_explicit_heap_that_was_caught_half_way_goes_on_in_the_child)
{
    caught_heap = checked(arca_heap_create());
    kept_block = memset(checked(arca_heap_malloc(caught_heap, 100)), 7, 100);
    lock_acquire(&((struct heap *)caught_heap)->lock);
    CHECK_EQ(in_a_child(use_it_and_destroy_it), 0);
    CHECK_EQ(in_a_child(use_it_and_fork_again), 0);
    lock_release(&((struct heap *)caught_heap)->lock);
    arca_heap_destroy(caught_heap);
}

/* ---- the background thread of a child ------------------------------------------------------------ */

#define LARGE_BLOCKS 64
#define LARGE_BYTES (100u << 10)

static void *large_blocks[LARGE_BLOCKS];

/* What is freed stays: a thread that has started has work, and is still there when it is looked for. */
static void make_large_blocks(void)
{
    options.purge = 86400000;
    for (unsigned i = 0; i < LARGE_BLOCKS; i++)
        large_blocks[i] = memset(checked(arca_malloc(LARGE_BYTES)), 1, LARGE_BYTES);
}

static void do_little(void)
{
    for (unsigned i = 0; i < 100; i++)
        checked(arca_malloc(i));
    CHECK_EQ(load_rlx(&background_state), BACKGROUND_OFF);
}

static void do_little_then_much(void)
{
    do_little();
    for (unsigned i = 0; i < 4000; i++)
        checked(arca_malloc(1000));
    CHECK_EQ(load_rlx(&background_state), BACKGROUND_RUNNING);
}

static void claim_much_at_once(void)
{
    do_little();
    checked(arca_malloc(4 * MIB));
    CHECK_EQ(load_rlx(&background_state), BACKGROUND_RUNNING);
}

static void give_up_what_is_inherited(void)
{
    do_little();
    for (unsigned i = 0; i < LARGE_BLOCKS; i++)
        arca_free(large_blocks[i]);
    CHECK_EQ(load_rlx(&background_state), BACKGROUND_RUNNING);
}

/* Most children of servers live for milliseconds, and a thread each would be among the dearest things that they do. */
TEST(fork, the_child_of_a_fork_starts_the_thread_once_it_has_done_much)
{
    make_large_blocks();
    CHECK_EQ(in_a_child(do_little), 0);
    CHECK_EQ(in_a_child(do_little_then_much), 0);
    CHECK_EQ(in_a_child(claim_much_at_once), 0);
    CHECK_EQ(in_a_child(give_up_what_is_inherited), 0);
    for (unsigned i = 0; i < LARGE_BLOCKS; i++)
        arca_free(large_blocks[i]);
}

static void *pause_thread(void *paused)
{
    *(bool *)paused = background_pause();
    return NULL;
}

/* Another thread may be in the middle of unshare(), for which the background thread makes way. */
TEST(fork, the_child_of_a_fork_has_a_thread_though_its_parent_was_to_have_none)
{
    make_large_blocks();
    for (unsigned i = 0; i < LARGE_BLOCKS / 2; i++)
        arca_free(large_blocks[i]);
    REQUIRE(load_rlx(&background_state) == BACKGROUND_RUNNING);
    bool paused;
    pthread_join(start_thread(pause_thread, &paused), NULL);
    if (paused) /* a sanitized one is a thread of which nobody knows whether it is gone */
        CHECK_EQ(in_a_child(do_little_then_much), 0);
}

static void resume(void)
{
    background_resume();
    CHECK_EQ(load_rlx(&background_state), BACKGROUND_RUNNING);
}

/* A signal handler forks in the middle of unshare(), and its child goes on with that. */
TEST(fork, the_child_of_a_thread_that_paused_the_background_resumes_it)
{
    make_large_blocks();
    REQUIRE(load_rlx(&background_state) == BACKGROUND_RUNNING);
    if (background_pause()) {
        CHECK_EQ(in_a_child(resume), 0);
        background_resume();
    }
}
