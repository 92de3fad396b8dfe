/* The allocator's own: the lock, blocks on their way home, retired spans, doors and their sweeper. */
#include "model.h"

#include "base/options.h"
#include "base/os.h"
#include "front/background.h"
#include "front/thread.h"
#include "heap/heap.h"
#include "heap/retired.h"
#include "heap/watch.h"

#include <string.h>

/* ---- lock --------------------------------------------------------------------------------------------------------- */

static struct lock lock;
static int holder;
static unsigned turns;

static void begin_lock(void)
{
    model_begin();
    lock_reset(&lock);
    holder = -1;
    turns = 0;
}

static void take_a_turn(void)
{
    EXPECT(holder == -1);
    holder = schedule_self();
    SCHEDULE_POINT("critical section");
    EXPECT(holder == schedule_self());
    holder = -1;
    turns++;
}

static void lock_twice(void)
{
    for (unsigned i = 0; i < 2; i++) {
        lock_acquire(&lock);
        take_a_turn();
        lock_release(&lock);
    }
}

static void lock_once(void)
{
    lock_acquire(&lock);
    take_a_turn();
    lock_release(&lock);
}

static void check_four_turns(void)
{
    EXPECT(turns == 4 && !lock_is_held(&lock));
}

static void check_three_turns(void)
{
    EXPECT(turns == 3 && !lock_is_held(&lock));
}

SCENARIO(lock, one_holder_and_nobody_sleeps_for_ever, .setup = begin_lock, .body = { lock_twice, lock_twice },
         .check = check_four_turns, .preemptions = 5, .store_buffers = true);

static void lock_if_free(void)
{
    if (!lock_try_or_want(&lock)) {
        turns++; /* not taken */
        return;
    }
    take_a_turn();
    lock_release(&lock);
}

SCENARIO(lock, who_wants_it_without_waiting_harms_nobody, .setup = begin_lock, .body = { lock_once, lock_if_free, lock_once },
         .check = check_three_turns, .preemptions = 4);

SCENARIO(lock, one_holder_and_nobody_of_three_sleeps_for_ever, .setup = begin_lock, .body = { lock_once, lock_once, lock_once },
         .check = check_three_turns, .preemptions = 4);

/* ---- remote --------------------------------------------------------------------------------------------------------- */

static struct remote_list list;
static struct block pushed[5];
static unsigned seen[5];

static void begin_remote(void)
{
    model_begin();
    memset(&list, 0, sizeof list);
    memset(pushed, 0, sizeof pushed);
    memset(seen, 0, sizeof seen);
}

static void push_one_by_one(void)
{
    remote_push(&list, &pushed[0], &pushed[0]);
    remote_push(&list, &pushed[1], &pushed[1]);
}

static void push_a_chain(void)
{
    block_set_next(&pushed[2], &pushed[3]);
    block_set_next(&pushed[3], &pushed[4]);
    remote_push(&list, &pushed[2], &pushed[4]);
}

static void count_all(struct block *block)
{
    for (; block != NULL; block = block_next(block))
        seen[block - pushed]++;
}

static void drain(void)
{
    count_all(remote_drain(&list));
}

static void drain_twice(void)
{
    drain();
    drain();
}

static void check_each_once(void)
{
    drain();
    for (unsigned i = 0; i < 5; i++)
        EXPECT(seen[i] == 1);
}

SCENARIO(remote, what_is_pushed_is_drained_once, .setup = begin_remote, .body = { push_one_by_one, push_a_chain, drain_twice },
         .check = check_each_once, .preemptions = 4);

/* Block 0 leaves, with those behind it, and comes back while another thread drains: who pops single blocks would be misled. */
static void begin_remote_with_three(void)
{
    begin_remote();
    for (unsigned i = 3; i-- != 0;)
        remote_push(&list, &pushed[i], &pushed[i]);
    seen[3] = seen[4] = 1;
}

static void drain_and_push_first_again(void)
{
    struct block *block = remote_drain(&list);
    if (block != NULL)
        count_all(block_next(block));
    count_all(remote_drain(&list));
    if (block != NULL)
        remote_push(&list, block, block);
}

static void check_drained_to_the_end(void)
{
    drain_twice();
    check_each_once();
}

SCENARIO(remote, a_block_that_comes_back_misleads_nobody, .setup = begin_remote_with_three,
         .body = { drain_twice, drain_and_push_first_again }, .check = check_drained_to_the_end, .preemptions = 5);

/* ---- retired --------------------------------------------------------------------------------------------------------- */

static struct span spans[3];
static unsigned returned[3];

static void begin_retired(void)
{
    model_begin();
    retired_take();
    memset(spans, 0, sizeof spans);
    memset(returned, 0, sizeof returned);
}

static void retire_two(void)
{
    retired_add(&spans[0]);
    retired_add(&spans[1]);
}

static void retire_one(void)
{
    retired_add(&spans[2]);
}

/* As keeper.c's thread does. */
static void take_three(void)
{
    uint32_t seen_bell = load_acq(&watch_bell) - 1;
    for (unsigned taken = 0; taken < 3;) {
        uint32_t bell = load_acq(&watch_bell);
        if (bell == seen_bell) {
            os_wait(&watch_bell, bell, OS_FOREVER);
            continue;
        }
        seen_bell = bell;
        for (struct span *span = retired_take(); span != NULL; span = span->next, taken++)
            returned[span - spans]++;
    }
}

static void check_returned(void)
{
    for (unsigned i = 0; i < 3; i++)
        EXPECT(returned[i] == 1);
    EXPECT(retired_take() == NULL && load_rlx(&retired_count) == 0);
}

SCENARIO(retired, every_span_is_taken_once_and_the_taker_wakes, .setup = begin_retired,
         .body = { retire_two, retire_one, take_three }, .check = check_returned, .preemptions = 2);

/* ---- watch ----------------------------------------------------------------------------------------------------------- */

#define WATCH_LIMIT 100

static unsigned looks;

static void begin_watch(void)
{
    model_begin();
    store_rlx(&watch_blocks, 0);
    store_rlx(&watch_bytes, 0);
    store_rlx(&watch_limit, WATCH_LIMIT);
    store_rlx(&watch_limit_bytes, WATCH_LIMIT);
    store_rlx(&watch_attended, true);
    looks = 0;
}

static void pass_the_limit(void)
{
    watch_add(WATCH_LIMIT - 1, 0);
    watch_add(2, 0);
}

static void pass_the_limit_by_bytes(void)
{
    watch_add(0, WATCH_LIMIT - 1);
    watch_add(0, 2);
}

static bool limit_is_passed(void)
{
    return load_rlx(&watch_blocks) >= WATCH_LIMIT || load_rlx(&watch_bytes) >= WATCH_LIMIT;
}

/* As keeper.c's thread does: it stops attending, and sleeps until somebody rings. */
static void attend_no_longer(void)
{
    uint32_t bell = load_acq(&watch_bell);
    if (!limit_is_passed()) {
        watch_unattend();
        while (load_acq(&watch_bell) == bell)
            os_wait(&watch_bell, bell, OS_FOREVER);
    }
    looks += limit_is_passed();
}

static void check_looked(void)
{
    EXPECT(looks == 1);
    store_rlx(&watch_limit, INT64_MAX);
    store_rlx(&watch_limit_bytes, WATCH_BYTES_NEVER);
    store_rlx(&watch_blocks, 0);
    store_rlx(&watch_bytes, 0);
}

SCENARIO(watch, whoever_passes_the_limit_is_seen_or_rings, .setup = begin_watch, .body = { pass_the_limit, attend_no_longer },
         .check = check_looked, .preemptions = 3);

SCENARIO(watch, whoever_passes_the_limit_by_bytes_is_seen_or_rings, .setup = begin_watch,
         .body = { pass_the_limit_by_bytes, attend_no_longer }, .check = check_looked, .preemptions = 3);

/* ---- door ---------------------------------------------------------------------------------------------------------- */

static struct heap_door door;
static struct heap *heap;
static unsigned sweeps, refusals;

static void sweep(struct heap *which)
{
    EXPECT(which == heap);
    take_a_turn();
    sweeps++;
}

/* A heap that is open at the door of thread 0. */
static void begin_door(void)
{
    begin_lock();
    sweeps = refusals = 0;
    model_on_sweep = sweep;
    options.sweep = 1;
    options.purge = 1000;
    if (heap == NULL) {
        door.heap = &heap_sentinel;
        heap_attach(&door, false);
        heap = door.own;
    } else {
        heap_resume(&door);
        door_leave(&door);
    }
}

/* Thread 0 uses its heap twice, and comes back through the slow path when that was taken from it; it never waits. */
static void use_twice(void)
{
    for (unsigned i = 0; i < 2; i++) {
        struct heap *entered = thread_enter(&door);
        if (entered == NULL) {
            EXPECT(load_rlx(&door.busy) == 0);
            refusals++;
            continue;
        }
        EXPECT(entered == heap);
        take_a_turn();
        door_leave(&door);
    }
}

static void round_once(void)
{
    background_round(1000);
}

static void check_door(void)
{
    EXPECT(turns + refusals == 2 + sweeps);
    EXPECT(thread_enter(&door) == heap);
    door_leave(&door);
    EXPECT(load_rlx(&door.busy) == 0 && !lock_is_held(&heap->lock));
}

SCENARIO(door, a_heap_is_its_threads_or_the_sweepers, .setup = begin_door, .body = { use_twice, round_once },
         .check = check_door, .preemptions = 4, .store_buffers = true);

static void check_door_two_rounds(void)
{
    check_door();
    EXPECT(sweeps <= 2);
}

SCENARIO(door, a_heap_is_its_threads_or_one_of_two_sweepers, .setup = begin_door,
         .body = { use_twice, round_once, round_once }, .check = check_door_two_rounds, .preemptions = 2, .store_buffers = true);

/* The thread ends while its heap is looked at. */
static void use_and_end(void)
{
    EXPECT(thread_enter_after_sweep(&door) == heap);
    take_a_turn();
    door_leave(&door);
    heap_detach(&door);
}

static void check_ended(void)
{
    EXPECT(turns == 1 + sweeps && sweeps <= 1 && !lock_is_held(&heap->lock));
    EXPECT(load_rlx(&door.heap) == &heap_sentinel && (heap->state == HEAP_ORPHAN || heap->state == HEAP_PARKED));
    heap_attach(&door, false);
    EXPECT(door.own == heap);
}

SCENARIO(door, a_thread_ends_while_its_heap_is_swept, .setup = begin_door, .body = { use_and_end, round_once },
         .check = check_ended, .preemptions = 4, .store_buffers = true);

/* Another thread begins, and may adopt it. */
static struct heap_door other_door;

static void begin_two_doors(void)
{
    begin_door();
    other_door = (struct heap_door){ .heap = &heap_sentinel };
}

static void begin_and_use(void)
{
    if (!heap_attach(&other_door, false))
        return;
    EXPECT(other_door.own == heap && thread_enter_after_sweep(&other_door) == heap);
    take_a_turn();
    door_leave(&other_door);
}

static void check_adopted(void)
{
    EXPECT(turns == 1 + sweeps + (other_door.own != NULL) && !lock_is_held(&heap->lock));
    if (other_door.own != NULL)
        heap_detach(&other_door);
    heap_attach(&door, false);
    EXPECT(door.own == heap);
}

SCENARIO(door, an_orphan_has_one_heir_or_is_swept, .setup = begin_two_doors, .body = { use_and_end, begin_and_use, round_once },
         .check = check_adopted, .preemptions = 2, .store_buffers = true);

/* Two begin at once, and there is one orphan. */
static struct heap_door heirs[2];

static void begin_two_heirs(void)
{
    begin_door();
    heap_detach(&door);
    for (unsigned i = 0; i < 2; i++)
        heirs[i] = (struct heap_door){ .heap = &heap_sentinel };
}

static void begin_as_heir(void)
{
    struct heap_door *mine = &heirs[schedule_self()];
    if (!heap_attach(mine, false))
        return;
    EXPECT(mine->own == heap && thread_enter_after_sweep(mine) == heap);
    take_a_turn();
    door_leave(mine);
}

static void check_one_heir(void)
{
    EXPECT(turns == 1 && (heirs[0].own != NULL) + (heirs[1].own != NULL) == 1);
    heap_detach(heirs[0].own != NULL ? &heirs[0] : &heirs[1]);
    heap_attach(&door, false);
    EXPECT(door.own == heap);
}

SCENARIO(door, of_two_who_begin_one_is_the_heir, .setup = begin_two_heirs, .body = { begin_as_heir, begin_as_heir },
         .check = check_one_heir, .preemptions = 3);

/* ---- the list of heaps ----------------------------------------------------------------------------------------------- */

static struct heap_entry entries[2];

static void begin_list(void)
{
    model_begin();
    store_rlx(&heaps_all, NULL);
}

static void enter_a_heap(void)
{
    heap_enter(&entries[schedule_self()], NULL);
}

static void check_listed(void)
{
    struct heap_entry *front = heap_first();
    EXPECT(front != NULL && front->next != NULL && front->next != front && front->next->next == NULL);
}

SCENARIO(heap, two_that_come_at_once_are_both_listed, .setup = begin_list, .body = { enter_a_heap, enter_a_heap },
         .check = check_listed, .preemptions = 2);
