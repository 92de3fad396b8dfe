/* Explicit heaps that all threads use at once, and that come and go. */
#include "blocks.h"

#include <stdatomic.h>

#define THREADS 4
#define SLOTS 200
#define ROUNDS STEPS(40000)

static arca_heap *common;
static _Atomic bool done;

static void heap_step(arca_heap *heap, struct held *slots, uint64_t *random)
{
    struct held *held = &slots[harness_random(random) % SLOTS];
    if (held->bytes == NULL) {
        size_t size = random_size(random);
        held_take(held, arca_heap_malloc(heap, size), size, (unsigned char)harness_random(random));
    } else if (harness_random(random) % 5 == 0) {
        held_resize(held, random);
    } else {
        held_free(held);
    }
}

static void *use_common(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    struct held *slots = arca_calloc(SLOTS, sizeof *slots);
    REQUIRE(slots != NULL);
    for (unsigned i = 0; i < ROUNDS; i++) {
        heap_step(common, slots, &random);
        if (i % 5000 == 0)
            arca_heap_check();
    }
    for (unsigned i = 0; i < SLOTS; i++) { /* what is left dies with the heap: still whole now */
        if (slots[i].bytes != NULL)
            held_check(&slots[i], slots[i].size);
    }
    arca_free(slots);
    return NULL;
}

static void *make_and_destroy(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    struct held *slots = arca_calloc(SLOTS, sizeof *slots);
    REQUIRE(slots != NULL);
    while (!atomic_load(&done)) {
        arca_heap *heap = arca_heap_create();
        REQUIRE(heap != NULL);
        memset(slots, 0, SLOTS * sizeof *slots);
        for (unsigned i = 0; i < 300; i++)
            heap_step(heap, slots, &random);
        arca_heap_destroy(heap);
    }
    arca_free(slots);
    return NULL;
}

static void *trim(void *unused)
{
    while (!atomic_load(&done))
        arca_trim(0);
    return unused;
}

TEST(stress_heaps, a_heap_used_by_all_threads_keeps_every_block)
{
    pthread_t users[THREADS], maker, trimmer;
    uint64_t seed = harness_seed();
    common = arca_heap_create();
    REQUIRE(common != NULL);
    maker = start_thread(make_and_destroy, (void *)(uintptr_t)(seed + THREADS));
    trimmer = start_thread(trim, NULL);
    for (unsigned i = 0; i < THREADS; i++)
        users[i] = start_thread(use_common, (void *)(uintptr_t)(seed + i));
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(users[i], NULL);
    atomic_store(&done, true);
    pthread_join(maker, NULL);
    pthread_join(trimmer, NULL);
    arca_heap_check();
    arca_heap_destroy(common);
    arca_heap_check();
}
