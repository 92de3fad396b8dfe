/* P:door under fire: a thread and a sweeper take turns at one heap, and at nothing are both inside. */
#include "blocks.h"

#include "heap/heap.h"

#include <stdatomic.h>

#define SWEEPS STEPS(500)
#define NAP_EVERY 32
#define LOOKS 50 /* long enough for a store that was late to arrive */

static struct heap_door door = { .heap = &heap_sentinel };
static struct heap *heap;
static _Atomic bool attached, done;

/* What the heap guards: plain, so that ThreadSanitizer sees a turn that was not handed over. */
static uint64_t turns_taken;
static _Atomic bool inside;

/* Time outside, without which no sweep would find the thread there; and inside, where none may. */
static void dawdle(unsigned steps)
{
    for (volatile unsigned i = 0; i < steps; i++)
        ;
}

static void *take_turns(void *turns)
{
    uint64_t random = harness_seed();
    REQUIRE(heap_attach(&door, false));
    heap = door.own;
    store_rel(&attached, true);
    for (; !load_rlx(&done); ++*(uint64_t *)turns) {
        while (door_enter(&door) != heap) {
            door_leave(&door);
            heap_resume(&door);
        }
        uint64_t r = harness_random(&random), seen = turns_taken;
        store_rlx(&inside, true);
        dawdle((unsigned)(r >> 32) % (r % NAP_EVERY == 1 ? 20000 : 64));
        turns_taken = seen + 1;
        store_rlx(&inside, false);
        door_leave(&door);
        dawdle((unsigned)(r >> 8) % (r % NAP_EVERY == 0 ? 20000 : 64));
    }
    return NULL;
}

TEST(stress_door, the_sweeper_is_never_inside_together_with_the_thread)
{
    uint64_t sweeps = 0, turns = 0;
    REQUIRE(os_barrier_register());
    pthread_t thread = start_thread(take_turns, &turns);
    while (!load_acq(&attached))
        ;
    while (sweeps < SWEEPS) {
        if (!heap_park_begin(heap) || !heap_park_finish(heap, os_barrier()))
            continue;
        turns_taken++;
        sweeps++;
        for (unsigned look = 0; look < LOOKS; look++)
            REQUIRE(!load_rlx(&inside));
        lock_release(&heap->lock);
    }
    store_rlx(&done, true);
    pthread_join(thread, NULL);
    CHECK_EQ(turns_taken, turns + sweeps);
}
