/* Thousands of threads that use objects and end: nothing is left behind. */
#include "nodes.h"

#include "arca/gc.h"
#include "arenas/arena.h"
#include "heap/heap.h"

#define THREADS STEPS(6000u)
#define AT_ONCE 8

static struct node *board;
static pthread_key_t last_words;

static void use_a_little(uint64_t random)
{
    struct node *mine = node_new();
    for (unsigned i = 0; i < 20; i++) {
        struct node *node = node_new();
        arca_weak *weak = arca_weak_bind(node, NULL, NULL);
        arca_slot_store(&mine->left, node);
        arca_slot_store(harness_random(&random) % 2 ? &board->left : &board->right, node);
        arca_release(node);
        arca_release(arca_slot_load(&board->left));
        arca_release(arca_weak_upgrade(weak));
        arca_release(weak);
    }
    arca_release(mine);
}

static void use_at_the_end(void *argument)
{
    use_a_little((uintptr_t)argument);
    static __thread unsigned rounds;
    if (++rounds < (SANITIZED ? 1 : 3)) /* after the library's own destructors as well; sanitizers end before */
        pthread_setspecific(last_words, argument);
}

static void *live(void *argument)
{
    uint64_t random = (uintptr_t)argument;
    if (random % 3 == 0)
        CHECK_EQ(arca_thread_attach(), 0);
    if (random % 5 == 0)
        pthread_setspecific(last_words, argument);
    if (random % 7 != 0)
        use_a_little(random);
    return NULL;
}

static unsigned heaps(void)
{
    unsigned count = 0;
    for (struct heap_entry *at = heap_first(); heap_next(&at) != NULL;)
        count++;
    return count;
}

static void run_threads(unsigned count, uint64_t *random)
{
    pthread_t threads[AT_ONCE];
    for (unsigned done = 0; done < count; done += AT_ONCE) {
        for (unsigned i = 0; i < AT_ONCE; i++)
            threads[i] = start_thread(live, (void *)(uintptr_t)(harness_random(random) >> 1 | 1));
        for (unsigned i = 0; i < AT_ONCE; i++)
            pthread_join(threads[i], NULL);
    }
}

TEST(stress_attach, thousands_of_short_threads_leave_nothing)
{
    uint64_t random = harness_seed();
    board = node_new();
    REQUIRE(pthread_key_create(&last_words, use_at_the_end) == 0);
    run_threads(THREADS / 4, &random);
    unsigned heaps_before = heaps();
    size_t slices_before = load_rlx(&arenas.mapped_slices);
    run_threads(THREADS, &random);
    /* As many heaps as threads at once, and a few that were being swept when they were wanted. */
    CHECK(heaps() <= heaps_before + AT_ONCE);
    CHECK(heaps() <= 4 * AT_ONCE);
    CHECK(load_rlx(&arenas.mapped_slices) <= slices_before + ARENA_SLICES);
    arca_release(board);
    CHECK(arca_gc_collect(2) >= 0);
    nodes_check_gone();
    arca_heap_check();
}
