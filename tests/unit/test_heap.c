/* Heaps behind doors of the test's own: bins, parcels, parking, sweeping, orphans, explicit heaps, fork. */
#include "faults.h"
#include "harness.h"

#include "arenas/arena.h"
#include "arenas/large.h"
#include "arenas/meta.h"
#include "arenas/page_map.h"
#include "base/stats.h"
#include "heap/heap.h"
#include "heap/retired.h"
#include "heap/watch.h"

#include <pthread.h>

#define SIZE 64
#define HOLD 1000

static unsigned class_of_test(void)
{
    return size_class_of(SIZE);
}

static struct heap *attach(struct heap_door *door)
{
    *door = (struct heap_door){ .heap = &heap_sentinel };
    REQUIRE(heap_attach(door, false));
    return door->own;
}

/* What the fast paths do, without a door. */
static struct block *take_size(struct heap *heap, size_t size)
{
    unsigned class = size_class_of(size);
    struct block *block = heap_pop(heap, class);
    if (block == NULL)
        block = heap_refill(heap, class);
    REQUIRE(block != NULL);
    return block;
}

static void give(struct heap *heap, struct block *block)
{
    unsigned class = page_map_find((uintptr_t)block)->size_class;
    block->mark = block_mark(block);
    if (bin_push(&heap->bins[class], block) < 0)
        heap_flush(heap, class);
}

static struct block *take(struct heap *heap)
{
    return take_size(heap, SIZE);
}

static void send(struct heap *from, struct heap *to, struct block *block)
{
    block->mark = block_mark(block);
    heap_send(from, to, block, page_map_find((uintptr_t)block)->block_size);
}

static struct span *pool_of(const struct block *block)
{
    return page_map_find((uintptr_t)block);
}

/* The caller holds the heap's lock; nothing came from others since the visit before. */
static size_t sweep(struct heap *heap, uint32_t now_ms, uint32_t hold_ms)
{
    return heap_sweep_locked(heap, now_ms, now_ms, hold_ms);
}

static size_t used_slices(void)
{
    return load_rlx(&arenas.used_slices);
}

/* ---- life ---------------------------------------------------------------------------------------------- */

TEST(heap, an_attached_heap_stands_behind_its_door)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    CHECK_EQ(load_rlx(&door.heap), heap);
    CHECK_EQ(heap->door, &door);
    CHECK_EQ(load_rlx(&heap->state), HEAP_ACTIVE);
    heap_check(heap);
}

TEST(heap, a_detached_heap_is_an_orphan_behind_a_closed_door)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    heap_detach(&door);
    CHECK_EQ(load_rlx(&door.heap), &heap_sentinel);
    CHECK(door.own == NULL);
    CHECK_EQ(load_rlx(&heap->state), HEAP_ORPHAN);
}

TEST(heap, the_next_thread_adopts_the_orphan_and_its_bins)
{
    struct heap_door first, second;
    struct heap *heap = attach(&first);
    struct block *block = take(heap);
    give(heap, block);
    uint32_t cached = bin_count(&heap->bins[class_of_test()]);
    heap_detach(&first);
    CHECK_EQ(attach(&second), heap);
    CHECK_EQ(bin_count(&heap->bins[class_of_test()]), cached);
    CHECK_EQ(take(heap), block);
}

TEST(heap, one_that_was_swept_is_worth_a_visit_once_a_thread_has_it)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    heap_detach(&door);
    store_rlx(&heap->swept, true);
    CHECK(!heap_needs_sweep(heap));
    CHECK_EQ(attach(&door), heap);
    CHECK(heap_needs_sweep(heap));
    struct heap *shared = heap_create_shared(true, false);
    store_rlx(&shared->swept, true);
    heap_destroy_shared(shared);
    CHECK_EQ(heap_create_shared(true, false), shared);
    CHECK(heap_needs_sweep(shared));
}

/* A fork caught it half way. */
TEST(heap, one_that_is_lost_is_not_opened_again)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    store_rlx(&door.heap, &heap_sentinel);
    store_rlx(&heap->state, HEAP_DEAD);
    heap_resume(&door);
    CHECK(door.own == NULL);
    CHECK_EQ(load_rlx(&door.heap), &heap_sentinel);
    CHECK_EQ(load_rlx(&heap->state), HEAP_DEAD);
}

TEST(heap, the_last_orphan_is_adopted_first_and_each_once)
{
    struct heap_door doors[2], next[3];
    struct heap *first = attach(&doors[0]), *last = attach(&doors[1]);
    CHECK(first->index != last->index);
    heap_detach(&doors[0]);
    heap_detach(&doors[1]);
    CHECK_EQ(attach(&next[0]), last);
    CHECK_EQ(attach(&next[1]), first);
    struct heap *fresh = attach(&next[2]);
    CHECK(fresh != first && fresh != last);
}

TEST(heap, without_memory_there_is_no_heap_and_later_there_is)
{
    struct heap_door door = { .heap = &heap_sentinel };
    bool attached = true;
    for (unsigned i = 0; i < 1000 && attached; i++) { /* the records' chunk has room for a few */
        door = (struct heap_door){ .heap = &heap_sentinel };
        os_fault_after(1, true);
        attached = heap_attach(&door, false);
        os_fault_after(0, false);
    }
    CHECK(!attached);
    CHECK(door.own == NULL);
    CHECK(heap_attach(&door, false));
}

/* ---- bins ------------------------------------------------------------------------------------------------ */

TEST(heap, refills_double_up_to_half_a_bin)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    struct bin *bin = &heap->bins[class_of_test()];
    uint32_t expected = 1;
    for (unsigned i = 0; i < 12; i++) {
        CHECK(heap_refill(heap, class_of_test()) != NULL);
        CHECK(bin_count(bin) + 1 <= expected);
        expected = expected * 2 < bin->limit / 2u ? expected * 2 : bin->limit / 2u;
        while (bin->head != 0)
            take(heap);
    }
    CHECK_EQ(bin->batch, bin->limit / 2);
    heap_check(heap);
}

TEST(heap, a_handed_out_block_has_no_mark)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    for (unsigned i = 0; i < 500; i++) {
        struct block *block = take(heap);
        CHECK(block->mark != block_mark(block));
    }
}

/* Frees as many as overflow the bin once; blocks[] must have room for them. */
static uint32_t overflow(struct heap *heap, struct block **blocks, uint32_t capacity)
{
    struct bin *bin = &heap->bins[class_of_test()];
    uint32_t count = bin->limit + 1u;
    REQUIRE(count <= capacity);
    for (uint32_t i = 0; i < count; i++)
        blocks[i] = take(heap);
    heap_flush_all(heap);
    for (uint32_t i = 0; i < count; i++)
        give(heap, blocks[i]);
    return count;
}

TEST(heap, a_bin_that_overflows_grows_and_keeps_all)
{
    static struct block *blocks[4096];
    struct heap_door door;
    struct heap *heap = attach(&door);
    struct bin *bin = &heap->bins[class_of_test()];
    uint32_t limit = bin->limit, count = overflow(heap, blocks, 4096);
    CHECK_EQ(bin->limit, 2 * limit);
    CHECK_EQ(bin_count(bin), count);
    for (uint32_t i = 0; i < count; i++)
        CHECK_EQ(take(heap), blocks[count - 1 - i]);
    heap_check(heap);
}

TEST(heap, a_flush_that_may_not_grow_keeps_the_newer_half)
{
    static struct block *blocks[4096];
    struct heap_door door;
    struct heap *heap = attach(&door);
    struct bin *bin = &heap->bins[class_of_test()];
    uint32_t count = bin->limit + 1u;
    for (uint32_t i = 0; i < count; i++)
        blocks[i] = take(heap);
    heap_flush_all(heap);
    heap->grown_bytes = UINT32_MAX / 2; /* the thread's share is used up */
    for (uint32_t i = 0; i < count; i++)
        give(heap, blocks[i]);
    CHECK_EQ(bin_count(bin), count / 2);
    for (uint32_t i = 0; i < count / 2; i++)
        CHECK_EQ(take(heap), blocks[count - 1 - i]);
    heap_check(heap);
}

static void take_and_give_many(struct heap *heap, uint32_t count)
{
    static struct block *blocks[100000];
    for (uint32_t i = 0; i < count; i++)
        blocks[i] = take(heap);
    for (uint32_t i = 0; i < count; i++)
        give(heap, blocks[i]);
}

TEST(heap, a_thread_s_bins_grow_to_a_bound)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    uint32_t grown = 0;
    for (unsigned round = 0; round < 20; round++) {
        take_and_give_many(heap, 16000);
        CHECK(heap->grown_bytes >= grown);
        grown = heap->grown_bytes;
    }
    CHECK(grown >= 256u << 10 && grown <= 2u << 20);
    CHECK(bin_count(&heap->bins[class_of_test()]) * (size_t)SIZE <= 2u << 20);
    heap_check(heap);
}

TEST(heap, the_bin_of_who_frees_and_frees_grows_once)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    const struct bin *bin = &heap->bins[class_of_test()];
    uint32_t limit = bin->limit;
    take_and_give_many(heap, 10000);
    CHECK_EQ(bin->limit, 2 * limit);
    heap_check(heap);
}

TEST(heap, a_flush_is_short_however_far_its_bin_has_grown)
{
    static struct block *blocks[100000];
    struct heap_door door;
    struct heap *heap = attach(&door);
    const struct bin *bin = &heap->bins[class_of_test()];
    for (unsigned round = 0; round < 5; round++)
        take_and_give_many(heap, 10000);
    for (uint32_t i = 0; i < 100000; i++)
        blocks[i] = take(heap);
    for (uint32_t i = 0; i < 100000; i++) {
        uint32_t before = bin_count(bin);
        give(heap, blocks[i]);
        CHECK(before + 1 - bin_count(bin) <= 2048);
    }
    heap_check(heap);
}

TEST(heap, a_burst_for_which_no_bin_has_room_leaves_it_small)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    const struct bin *bin = &heap->bins[class_of_test()];
    uint32_t limit = bin->limit;
    for (unsigned round = 0; round < 5; round++)
        take_and_give_many(heap, 10000);
    CHECK(bin->limit > 4 * limit && heap->grown_bytes != 0);
    for (unsigned round = 0; round < 3; round++) {
        take_and_give_many(heap, 100000);
        CHECK_EQ(bin->limit, limit);
        CHECK_EQ(heap->grown_bytes, 0);
        CHECK(bin_count(bin) <= limit);
    }
    heap_check(heap);
}

TEST(heap, flushing_all_takes_growth_back)
{
    static struct block *blocks[4096];
    struct heap_door door;
    struct heap *heap = attach(&door);
    struct bin *bin = &heap->bins[class_of_test()];
    uint32_t limit = bin->limit;
    overflow(heap, blocks, 4096);
    heap_flush_all(heap);
    CHECK_EQ(bin->limit, limit);
    CHECK_EQ(bin_count(bin), 0);
    CHECK_EQ(heap->grown_bytes, 0);
}

TEST(heap, a_destroyed_heap_grows_like_a_new_one)
{
    static struct block *blocks[4096];
    struct heap *heap = heap_create_shared(true, false);
    REQUIRE(heap != NULL);
    overflow(heap, blocks, 4096);
    CHECK(heap->grown_bytes != 0);
    heap_destroy_shared(heap);
    CHECK_EQ(heap_create_shared(true, false), heap);
    CHECK_EQ(heap->grown_bytes, 0);
}

TEST(heap, an_emptied_pool_goes_back_to_its_arena_at_once)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    size_t before = used_slices();
    struct block *block = take(heap);
    CHECK_EQ(used_slices(), before + 1);
    give(heap, block);
    heap_flush_all(heap);
    CHECK_EQ(used_slices(), before);
    heap_check(heap);
}

TEST(heap, blocks_come_from_the_fullest_pool)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    uint32_t capacity = size_classes[class_of_test()].capacity;
    static struct block *blocks[4096];
    for (uint32_t i = 0; i < 2 * capacity; i++)
        blocks[i] = take(heap);
    struct span *first = pool_of(blocks[0]), *second = pool_of(blocks[2 * capacity - 1]);
    REQUIRE(first != second);
    /* The first keeps a tenth, the second nine tenths. */
    for (uint32_t i = 0; i < 2 * capacity; i++) {
        bool of_first = pool_of(blocks[i]) == first;
        if ((i % 10 == 0) != of_first)
            give(heap, blocks[i]);
    }
    heap_flush_all(heap);
    for (uint32_t i = 0; i < capacity / 20; i++)
        CHECK_EQ(pool_of(take(heap)), second);
    heap_check(heap);
}

TEST(heap, without_memory_a_refill_is_null_and_the_heap_stays_usable)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    os_fault_after(1, true);
    CHECK(heap_refill(heap, class_of_test()) == NULL);
    os_fault_after(0, false);
    heap_check(heap);
    CHECK(heap_refill(heap, class_of_test()) != NULL);
}

TEST(heap, random_operations_over_all_classes_keep_the_law_and_the_contents)
{
    enum { LIVE = 3000 };
    static struct { unsigned char *bytes; size_t size; } held[LIVE];
    struct heap_door door;
    struct heap *heap = attach(&door);
    uint64_t random = harness_seed();
    for (unsigned i = 0; i < 60000; i++) {
        unsigned slot = (unsigned)(harness_random(&random) % LIVE);
        unsigned char stamp = (unsigned char)(slot * 7 + 1);
        if (held[slot].bytes == NULL) {
            held[slot].size = 16 + harness_random(&random) % (SMALL_MAX - 16) / (1 + harness_random(&random) % 300);
            held[slot].bytes = (unsigned char *)take_size(heap, held[slot].size);
            memset(held[slot].bytes, stamp, held[slot].size);
        } else {
            for (size_t k = 0; k < held[slot].size; k += held[slot].size - 1)
                CHECK_EQ(held[slot].bytes[k], stamp);
            give(heap, (struct block *)held[slot].bytes);
            held[slot].bytes = NULL;
        }
        if (i % 3000 == 0) {
            heap_flush_all(heap);
            heap_check(heap);
            arena_check();
        }
    }
    for (unsigned i = 0; i < LIVE; i++) {
        if (held[i].bytes != NULL)
            give(heap, (struct block *)held[i].bytes);
    }
    heap_flush_all(heap);
    heap_check(heap);
    CHECK_EQ(used_slices(), 0);
}

/* ---- remote frees ------------------------------------------------------------------------------------------ */

TEST(heap, blocks_for_another_heap_leave_in_parcels)
{
    struct heap_door doors[2];
    struct heap *home = attach(&doors[0]), *away = attach(&doors[1]);
    for (unsigned i = 1; i < PARCEL_BLOCKS; i++) {
        send(away, home, take(home));
        CHECK(remote_is_empty(&home->remote));
    }
    send(away, home, take(home));
    CHECK(!remote_is_empty(&home->remote));
    unsigned count = 0;
    for (struct block *block = remote_drain(&home->remote); block != NULL; block = block_next(block))
        count++;
    CHECK_EQ(count, PARCEL_BLOCKS);
}

TEST(heap, a_parcel_of_big_blocks_leaves_earlier)
{
    struct heap_door doors[2];
    struct heap *home = attach(&doors[0]), *away = attach(&doors[1]);
    send(away, home, take_size(home, 20000));
    CHECK(remote_is_empty(&home->remote));
    send(away, home, take_size(home, 20000));
    CHECK(!remote_is_empty(&home->remote));
}

TEST(heap, a_parcel_makes_way_for_another_destination)
{
    struct heap_door doors[PARCELS + 2];
    struct heap *away = attach(&doors[0]), *first = attach(&doors[1]), *other = NULL;
    for (unsigned i = 2; i < PARCELS + 2; i++)
        other = attach(&doors[i]);
    REQUIRE(other->index % PARCELS == first->index % PARCELS);
    send(away, first, take(first));
    CHECK(remote_is_empty(&first->remote));
    send(away, other, take(other));
    CHECK(!remote_is_empty(&first->remote));
    CHECK(remote_is_empty(&other->remote));
}

TEST(heap, a_borrowed_block_is_reused_and_goes_home_with_the_flush)
{
    struct heap_door door, other_door;
    struct heap *owner = attach(&door), *heap = attach(&other_door);
    struct block *block = take(owner);
    for (unsigned i = 0; i < 2; i++) {
        block->mark = block_mark(block);
        REQUIRE(bin_borrow(&heap->bins[class_of_test()], block));
        CHECK_EQ(bin_count(&heap->bins[class_of_test()]), 1);
        heap_check(heap);
        if (i == 0)
            CHECK_EQ(take(heap), block);
    }
    uint32_t ops = load_rlx(&heap->slow_ops);
    heap_flush_all(heap);
    CHECK_EQ(load_rlx(&heap->slow_ops), ops); /* a sweep is no sign of life */
    CHECK_EQ(bin_count(&heap->bins[class_of_test()]), 0);
    CHECK_EQ(load_rlx(&owner->remote.head), block);
    heap_flush_all(owner);
    CHECK(owner->remote.head == NULL);
    heap_check(owner);
}

TEST(heap, nothing_is_borrowed_beyond_the_limit_of_a_bin)
{
    struct heap_door door, other_door;
    struct heap *owner = attach(&door), *heap = attach(&other_door);
    struct bin *bin = &heap->bins[class_of_test()];
    uint32_t limit = bin->limit;
    for (uint32_t i = 0; i <= limit; i++) {
        struct block *block = take(owner);
        block->mark = block_mark(block);
        bool borrowed = bin_borrow(bin, block);
        CHECK_EQ(borrowed, i < limit);
    }
    CHECK_EQ(bin_count(bin), limit);
    CHECK_EQ(bin->limit, limit);
}

TEST(heap, a_refill_takes_what_others_returned)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    struct block *block = take(heap);
    while (heap->bins[class_of_test()].head != 0)
        take(heap);
    block->mark = block_mark(block);
    heap_push_remote(heap, block, size_classes[class_of_test()].block_size);
    CHECK_EQ(load_rlx(&heap->remote.bytes), SIZE);
    CHECK_EQ(heap_refill(heap, class_of_test()), block);
    CHECK(remote_is_empty(&heap->remote));
    CHECK_EQ(load_rlx(&heap->remote.bytes), 0);
    heap_check(heap);
}

static struct heap *attach_for_objects(struct heap_door *door)
{
    *door = (struct heap_door){ .heap = &heap_sentinel };
    REQUIRE(heap_attach(door, true));
    return door->own;
}

/* A collector must look there again: what comes of them is young. */
TEST(heap, a_pool_of_objects_is_young_once_others_returned_some_of_it)
{
    struct heap_door door;
    struct heap *heap = attach_for_objects(&door);
    struct block *block = take(heap);
    while (heap->bins[class_of_test()].head != 0)
        take(heap);
    store_rlx(&pool_of(block)->young, false);
    heap_push_remote(heap, block, SIZE);
    CHECK_EQ(take(heap), block);
    CHECK(load_rlx(&pool_of(block)->young));
}

TEST(heap, what_a_thread_has_sent_counts_no_more_once_it_gives_up_all)
{
    struct heap_door doors[2];
    struct heap *heap = attach_for_objects(&doors[0]), *home = attach_for_objects(&doors[1]);
    struct block *block = take(home);
    int64_t blocks = load_rlx(&watch_blocks), bytes = load_rlx(&watch_bytes);
    CHECK(!heap_send(heap, home, block, SIZE));
    CHECK(heap_flush_all(heap));
    CHECK_EQ(load_rlx(&watch_blocks), blocks - 1);
    CHECK_EQ(load_rlx(&watch_bytes), bytes - SIZE);
}

TEST(heap, flushing_all_empties_bins_parcels_and_what_came_back)
{
    struct heap_door doors[2];
    struct heap *heap = attach(&doors[0]), *other = attach(&doors[1]);
    size_t before = used_slices();
    struct block *a = take(heap), *b = take(heap), *theirs = take(other);
    give(heap, a);
    b->mark = block_mark(b);
    heap_push_remote(heap, b, size_classes[class_of_test()].block_size);
    send(heap, other, theirs);
    CHECK(heap_flush_all(heap));
    CHECK(!remote_is_empty(&other->remote));
    CHECK(heap_flush_all(other));
    CHECK_EQ(used_slices(), before);
}

TEST(heap, a_large_backlog_comes_home_whole)
{
    struct heap_door doors[2];
    struct heap *home = attach(&doors[0]), *away = attach(&doors[1]);
    size_t before = used_slices();
    for (unsigned i = 0; i < 20000; i++)
        send(away, home, take(home));
    heap_flush_all(away);
    CHECK(load_rlx(&home->remote.bytes) != 0);
    CHECK(heap_flush_all(home));
    CHECK_EQ(load_rlx(&home->remote.bytes), 0);
    CHECK_EQ(used_slices(), before);
    heap_check(home);
}

#ifdef ARCA_CHECK
#define ROUND_AND_ROUND "0 used" /* the walk is there before the last block would be */
#else
#define ROUND_AND_ROUND "double free"
#endif

/* A link that was written to may lead back. */
TEST_ABORTS(heap, a_chain_of_more_blocks_than_a_pool_has_comes_to_an_end, ROUND_AND_ROUND)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    struct span *pool = pool_of(take(heap));
    while (load_rlx(&pool->used) != pool->capacity)
        take(heap);
    struct block *block = pool_block(pool, 0);
    block->mark = block_mark(block);
    block_set_next(block, block);
    heap_put_run(heap, block);
}

TEST_ABORTS(heap, a_block_that_comes_home_to_a_pool_that_is_gone_was_freed_twice, "double free")
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    struct block *block = take(heap);
    give(heap, block);
    heap_flush_all(heap);
    heap_push_remote(heap, block, size_classes[class_of_test()].block_size);
    heap_flush_all(heap);
}

/* ---- P:door: parking, one step at a time ---------------------------------------------------------------------- */

TEST(heap, the_first_half_of_parking_closes_the_door)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    CHECK(heap_park_begin(heap));
    CHECK_EQ(load_rlx(&door.heap), &heap_sentinel);
    CHECK_EQ(load_rlx(&heap->state), HEAP_PARKING);
    CHECK(!lock_is_held(&heap->lock));
}

TEST(heap, the_second_half_parks_a_heap_whose_thread_is_outside)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    REQUIRE(heap_park_begin(heap));
    CHECK(heap_park_finish(heap, true));
    CHECK_EQ(load_rlx(&heap->state), HEAP_PARKED);
    CHECK(lock_is_held(&heap->lock));
    CHECK_EQ(load_rlx(&door.heap), &heap_sentinel);
}

TEST(heap, a_heap_whose_thread_is_inside_is_given_back)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    CHECK_EQ(door_enter(&door), heap);
    REQUIRE(heap_park_begin(heap));
    CHECK(!heap_park_finish(heap, true));
    CHECK_EQ(load_rlx(&door.heap), heap);
    CHECK_EQ(load_rlx(&heap->state), HEAP_ACTIVE);
    CHECK(!lock_is_held(&heap->lock));
    door_leave(&door);
    REQUIRE(heap_park_begin(heap));
    CHECK(heap_park_finish(heap, true));
}

TEST(heap, without_a_barrier_a_heap_is_given_back)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    REQUIRE(heap_park_begin(heap));
    CHECK(!heap_park_finish(heap, false));
    CHECK_EQ(load_rlx(&door.heap), heap);
    CHECK_EQ(load_rlx(&heap->state), HEAP_ACTIVE);
    CHECK(!lock_is_held(&heap->lock));
}

TEST(heap, a_thread_that_comes_between_the_halves_keeps_its_heap)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    REQUIRE(heap_park_begin(heap));
    CHECK_EQ(door_enter(&door), &heap_sentinel);
    door_leave(&door);
    CHECK(heap_resume(&door));
    CHECK_EQ(door_enter(&door), heap);
    CHECK(!heap_park_finish(heap, true));
    CHECK_EQ(load_rlx(&door.heap), heap);
    CHECK_EQ(load_rlx(&heap->state), HEAP_ACTIVE);
    CHECK(!lock_is_held(&heap->lock));
}

TEST(heap, a_thread_that_ends_between_the_halves_leaves_an_orphan_to_sweep)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    REQUIRE(heap_park_begin(heap));
    heap_detach(&door);
    CHECK(heap_park_finish(heap, true));
    CHECK_EQ(load_rlx(&heap->state), HEAP_ORPHAN);
    CHECK(lock_is_held(&heap->lock));
}

TEST(heap, an_orphan_adopted_between_the_halves_is_left_to_its_new_thread)
{
    struct heap_door door, next;
    struct heap *heap = attach(&door);
    REQUIRE(heap_park_begin(heap));
    heap_detach(&door);
    REQUIRE(attach(&next) == heap);
    CHECK(!heap_park_finish(heap, true));
    CHECK_EQ(load_rlx(&next.heap), heap);
    CHECK(!lock_is_held(&heap->lock));
}

TEST(heap, a_parked_heap_is_not_parked_again_but_can_be_visited)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    REQUIRE(heap_park_begin(heap) && heap_park_finish(heap, true));
    lock_release(&heap->lock);
    CHECK(!heap_park_begin(heap));
    CHECK(heap_park_finish(heap, true));
    CHECK(lock_is_held(&heap->lock));
}

TEST(heap, a_heap_whose_lock_is_held_is_passed_over)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    lock_acquire(&heap->lock);
    CHECK(!heap_park_begin(heap));
    CHECK(!heap_park_finish(heap, true));
    CHECK_EQ(load_rlx(&door.heap), heap);
}

TEST(heap, a_resumed_heap_has_what_it_had)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    struct block *live = take(heap);
    memset(live, 0x42, SIZE);
    REQUIRE(heap_park_begin(heap) && heap_park_finish(heap, true));
    sweep(heap, heap->now_ms, 0);
    lock_release(&heap->lock);
    CHECK(heap_resume(&door));
    CHECK_EQ(door_enter(&door), heap);
    for (unsigned i = 0; i < SIZE; i++)
        CHECK_EQ(((unsigned char *)live)[i], 0x42);
    give(heap, live);
    heap_check(heap);
}

struct owner {
    struct heap_door door;
    struct heap *heap;
    struct block *block;
    _Atomic unsigned step;
};

static void reach(struct owner *owner, unsigned step)
{
    store_rlx(&owner->step, step); /* relaxed: the protocol alone must order the rest */
}

static void await(struct owner *owner, unsigned step)
{
    while (load_rlx(&owner->step) < step)
        ;
}

static void *come_back(void *argument)
{
    struct owner *owner = argument;
    owner->heap = attach(&owner->door);
    CHECK_EQ(door_enter(&owner->door), owner->heap);
    owner->block = take(owner->heap);
    give(owner->heap, owner->block);
    door_leave(&owner->door);
    reach(owner, 1);
    await(owner, 2); /* parked meanwhile */
    CHECK_EQ(door_enter(&owner->door), &heap_sentinel);
    door_leave(&owner->door);
    CHECK(!heap_resume(&owner->door));
    CHECK_EQ(load_rlx(&owner->door.heap), &heap_sentinel);
    heap_await_sweep(owner->heap);
    CHECK(heap_resume(&owner->door));
    reach(owner, 3);
    CHECK_EQ(door_enter(&owner->door), owner->heap);
    CHECK_EQ(bin_count(&owner->heap->bins[class_of_test()]), 0);
    give(owner->heap, take(owner->heap));
    door_leave(&owner->door);
    return NULL;
}

/* The sweeper holds the heap when its thread comes back: the thread is refused, may wait, then finds its bins swept. */
TEST(heap, a_thread_is_refused_while_its_own_heap_is_swept)
{
    static struct owner owner;
    pthread_t thread;
    REQUIRE(os_barrier_register());
    REQUIRE(pthread_create(&thread, NULL, come_back, &owner) == 0);
    await(&owner, 1);
    struct heap *heap = load_acq(&heap_first()->heap);
    REQUIRE(heap_park_begin(heap));
    REQUIRE(os_barrier());
    while (!heap_park_finish(heap, true))
        REQUIRE(heap_park_begin(heap) && os_barrier());
    reach(&owner, 2);
    while (!lock_is_wanted(&heap->lock))
        ;
    CHECK_EQ(load_rlx(&owner.step), 2);
    CHECK(heap_flush_all(heap) || lock_is_wanted(&heap->lock));
    heap_check(heap);
    CHECK_EQ(load_rlx(&owner.step), 2);
    CHECK_EQ(load_rlx(&heap->state), HEAP_PARKED);
    lock_release(&heap->lock);
    pthread_join(thread, NULL);
    CHECK_EQ(load_rlx(&owner.step), 3);
    CHECK(!lock_is_wanted(&heap->lock));
    CHECK_EQ(load_rlx(&heap->state), HEAP_ACTIVE);
}

static void *stay_inside(void *argument)
{
    struct owner *owner = argument;
    owner->heap = attach(&owner->door);
    CHECK_EQ(door_enter(&owner->door), owner->heap);
    reach(owner, 1);
    await(owner, 2); /* refused meanwhile */
    owner->block = take(owner->heap); /* still ours: it was given back or never taken */
    give(owner->heap, owner->block);
    door_leave(&owner->door);
    reach(owner, 3);
    await(owner, 4);
    return NULL;
}

TEST(heap, what_a_thread_did_inside_is_seen_by_who_parks_it_afterwards)
{
    static struct owner owner;
    pthread_t thread;
    REQUIRE(os_barrier_register());
    REQUIRE(pthread_create(&thread, NULL, stay_inside, &owner) == 0);
    await(&owner, 1);
    struct heap *heap = load_acq(&heap_first()->heap);
    REQUIRE(heap_park_begin(heap) && os_barrier());
    CHECK(!heap_park_finish(heap, true));
    reach(&owner, 2);
    await(&owner, 3);
    REQUIRE(heap_park_begin(heap) && os_barrier());
    REQUIRE(heap_park_finish(heap, true));
    CHECK_EQ(heap->bins[class_of_test()].head, block_mark(owner.block));
    heap_check(heap);
    lock_release(&heap->lock);
    reach(&owner, 4);
    pthread_join(thread, NULL);
}

/* ---- sweeping ------------------------------------------------------------------------------------------------------ */

static void park(struct heap *heap)
{
    REQUIRE(heap_park_begin(heap) && heap_park_finish(heap, true));
}

TEST(heap, a_sweep_of_an_idle_heap_leaves_nothing_cached)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    size_t before = used_slices();
    give(heap, take(heap));
    park(heap);
    CHECK(heap_needs_sweep(heap));
    sweep(heap, heap->now_ms, HOLD);
    CHECK(!heap_needs_sweep(heap));
    CHECK_EQ(used_slices(), before);
}

TEST(heap, a_heap_that_was_busy_keeps_its_bins_until_the_next_visit)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    struct bin *bin = &heap->bins[class_of_test()];
    for (unsigned i = 0; i < 40; i++) {
        while (bin->head != 0)
            take(heap);
        heap_refill(heap, class_of_test());
    }
    give(heap, take(heap));
    uint32_t cached = bin_count(bin);
    REQUIRE(cached != 0);
    park(heap);
    sweep(heap, heap->now_ms, HOLD);
    CHECK_EQ(bin_count(bin), cached);
    CHECK(heap_needs_sweep(heap));
    sweep(heap, heap->now_ms + HOLD, HOLD);
    CHECK_EQ(bin_count(bin), 0);
}

TEST(heap, a_push_makes_a_swept_heap_worth_a_visit)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    struct block *block = take(heap);
    park(heap);
    sweep(heap, heap->now_ms, 0);
    CHECK(!heap_needs_sweep(heap));
    block->mark = block_mark(block);
    heap_push_remote(heap, block, size_classes[class_of_test()].block_size);
    CHECK(heap_needs_sweep(heap));
    sweep(heap, heap->now_ms, 0);
    CHECK(!heap_needs_sweep(heap));
    CHECK_EQ(used_slices(), 0);
}

/* Leaves one live block in the middle of a pool of 64-byte blocks, the rest freed. */
static struct block *leave_a_survivor(struct heap *heap)
{
    uint32_t capacity = size_classes[class_of_test()].capacity;
    static struct block *blocks[4096];
    for (uint32_t i = 0; i < capacity; i++)
        blocks[i] = take(heap);
    for (uint32_t i = 0; i < capacity; i++) {
        if (i != capacity / 2)
            give(heap, blocks[i]);
    }
    memset(blocks[capacity / 2], 0x99, SIZE);
    heap_flush_all(heap);
    return blocks[capacity / 2];
}

TEST(heap, a_sweep_gives_back_the_pages_around_a_survivor)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    struct block *survivor = leave_a_survivor(heap);
    uint32_t now_ms = heap->now_ms;
    park(heap);
    sweep(heap, now_ms, HOLD);
    size_t bytes = sweep(heap, now_ms + HOLD, HOLD);
    CHECK_EQ(bytes, SLICE_SIZE - OS_PAGE_SIZE);
    CHECK(!heap_needs_sweep(heap));
    for (unsigned i = 0; i < SIZE; i++)
        CHECK_EQ(((unsigned char *)survivor)[i], 0x99);
    heap_check(heap);
}

/* Its thread may have done nothing for long. */
TEST(heap, what_others_returned_is_as_young_as_the_visit_before)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    struct block *kept = take(heap), *returned = take(heap);
    heap->now_ms = 5;
    returned->mark = block_mark(returned);
    heap_push_remote(heap, returned, SIZE);
    park(heap);
    heap_sweep_locked(heap, 100000, 99000, HOLD);
    lock_release(&heap->lock);
    CHECK_EQ(pool_of(kept)->touched_ms, 99000);
}

/* Words of objects may have gone back to 0. */
TEST(heap, a_sweep_that_gives_pages_of_objects_back_is_counted)
{
    struct heap_door door;
    struct heap *heap = attach_for_objects(&door);
    leave_a_survivor(heap);
    uint32_t purges = load_rlx(&retired_purges);
    park(heap);
    CHECK(sweep(heap, os_now_ms() + 10 * HOLD, HOLD) != 0);
    lock_release(&heap->lock);
    CHECK_EQ(load_rlx(&retired_purges), purges + 1);
    CHECK(!lock_is_held(&retired_window));
}

TEST(heap, pages_in_pools_stay_until_the_hold_is_over)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    leave_a_survivor(heap);
    uint32_t now_ms = heap->now_ms;
    park(heap);
    sweep(heap, now_ms, HOLD); /* was busy */
    CHECK_EQ(sweep(heap, now_ms + HOLD - 1, HOLD), 0);
    CHECK(heap_needs_sweep(heap));
}

TEST(heap, a_sweep_stops_when_the_thread_is_back)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    leave_a_survivor(heap);
    park(heap);
    sweep(heap, heap->now_ms, HOLD);
    store_rlx(&heap->lock.state, 2u); /* as a thread that waits says it */
    CHECK_EQ(sweep(heap, heap->now_ms + HOLD, HOLD), 0);
    CHECK(heap_needs_sweep(heap));
    store_rlx(&heap->lock.state, 1u);
    CHECK(sweep(heap, heap->now_ms + HOLD, HOLD) != 0);
}

TEST(heap, a_refused_purge_counts_as_nothing_and_loses_nothing)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    struct block *survivor = leave_a_survivor(heap);
    park(heap);
    sweep(heap, heap->now_ms, HOLD);
    os_fault_after(1, true);
    CHECK_EQ(sweep(heap, heap->now_ms + HOLD, HOLD), 0);
    os_fault_after(0, false);
    heap_check(heap);
    CHECK_EQ(*(unsigned char *)survivor, 0x99);
}

/* ---- shared heaps ------------------------------------------------------------------------------------------------------ */

TEST(heap, a_destroyed_heap_leaves_no_slice_behind)
{
    struct heap *heap = heap_create_shared(true, false);
    REQUIRE(heap != NULL);
    bool zeroed;
    for (size_t size = 1; size <= SMALL_MAX; size = size * 3 / 2 + 1) {
        for (unsigned i = 0; i < 50; i++)
            memset(take_size(heap, size), 1, size);
    }
    for (unsigned i = 0; i < 5; i++)
        heap_add_large(heap, large_create(100000 << i, 1, &zeroed));
    heap_check(heap);
    heap_destroy_shared(heap);
    CHECK_EQ(used_slices(), 0);
    heap_check(heap);
    arena_check();
}

TEST(heap, a_destroyed_heap_serves_the_next_create)
{
    struct heap *heap = heap_create_shared(true, false);
    give(heap, take(heap));
    heap_destroy_shared(heap);
    CHECK_EQ(heap_create_shared(false, false), heap);
    CHECK(!heap->explicit_heap);
    CHECK(take(heap) != NULL);
    heap_check(heap);
}

#define MANY_HEAPS 3000

static size_t resident_records(void)
{
    size_t bytes = 0;
    for (struct meta_chunk *chunk = load_acq(&meta_chunks); chunk != NULL; chunk = chunk->next) {
        unsigned char pages[(256 << 10) / OS_PAGE_SIZE];
        REQUIRE(chunk->bytes <= sizeof pages * OS_PAGE_SIZE && os_resident(chunk, chunk->bytes, pages));
        for (size_t i = 0; i < chunk->bytes / OS_PAGE_SIZE; i++)
            bytes += (pages[i] & 1) * OS_PAGE_SIZE;
    }
    return bytes;
}

static unsigned walked_heaps(void)
{
    unsigned count = 0;
    struct heap_entry *at = heap_first();
    for (struct heap *heap; (heap = heap_next(&at)) != NULL; count++)
        heap_check(heap);
    return count;
}

TEST(heap, thousands_that_are_destroyed_give_their_records_back)
{
    static struct heap *heaps[MANY_HEAPS];
    size_t before = resident_records();
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < MANY_HEAPS; i++)
            take(heaps[i] = heap_create_shared(true, false));
        CHECK_EQ(walked_heaps(), MANY_HEAPS);
        CHECK(resident_records() - before >= MANY_HEAPS * sizeof(struct heap) / 2);
        for (unsigned i = 0; i < MANY_HEAPS; i++)
            heap_destroy_shared(heaps[(uint64_t)i * 1009 % MANY_HEAPS]);
        CHECK_EQ(walked_heaps(), 0);
        CHECK_EQ(heap_shared_trim(os_now_ms(), 60000), 0);
        CHECK(heap_shared_has_work());
        CHECK(heap_shared_trim(os_now_ms() + 60000, 60000) >= MANY_HEAPS * sizeof(struct heap));
        CHECK(!heap_shared_has_work());
        CHECK(resident_records() - before <= 512 << 10); /* what tells where each is */
    }
    CHECK_EQ(used_slices(), 0);
}

/* A walk that came upon a heap before. */
TEST(heap, a_heap_whose_memory_is_given_back_is_nobodys)
{
    struct heap *heaps[32];
    for (unsigned i = 0; i < 32; i++)
        heaps[i] = heap_create_shared(true, false);
    for (unsigned i = 0; i < 32; i++)
        heap_destroy_shared(heaps[i]);
    struct heap *gone = heaps[31];
    heap_shared_trim(os_now_ms(), 0);
    CHECK_EQ(load_rlx(&gone->state), HEAP_UNUSED);
    CHECK(!heap_park_begin(gone));
    CHECK(!heap_park_finish(gone, true));
    CHECK(!lock_is_held(&gone->lock));
    for (unsigned i = 0; i < 32; i++) {
        heaps[i] = heap_create_shared(true, false);
        CHECK_EQ(load_rlx(&heaps[i]->state), HEAP_SHARED);
        CHECK(take(heaps[i]) != NULL);
        heap_check(heaps[i]);
    }
}

static void wait_for_it(struct heap *heap)
{
    lock_acquire(&heap->lock);
    lock_release(&heap->lock);
}

static void *create_and_destroy(void *unused)
{
    struct heap *heaps[64];
    for (unsigned round = 0; round < 200; round++) {
        for (unsigned i = 0; i < 64; i++)
            take(heaps[i] = heap_create_shared(true, false));
        for (unsigned i = 0; i < 64; i++)
            heap_destroy_shared(heaps[i]);
    }
    return unused;
}

TEST(heap, who_waits_for_one_that_is_given_back_is_woken)
{
    pthread_t makers[2];
    for (unsigned i = 0; i < 2; i++)
        REQUIRE(pthread_create(&makers[i], NULL, create_and_destroy, NULL) == 0);
    for (unsigned round = 0; round < 2000; round++) {
        struct heap_entry *at = heap_first();
        for (struct heap *heap; (heap = heap_next(&at)) != NULL;)
            wait_for_it(heap);
        heap_shared_trim(os_now_ms(), 0);
    }
    for (unsigned i = 0; i < 2; i++)
        pthread_join(makers[i], NULL);
}

/* Until it has come to that, but not for ever. */
#define AWAIT(condition)                                                                                               \
    for (unsigned looks_ = 0; !(condition); looks_++) {                                                                \
        REQUIRE(looks_ < 20000);                                                                                       \
        os_pause(1000);                                                                                                \
    }

static void *give_records_back(void *unused)
{
    heap_shared_trim(os_now_ms(), 0);
    return unused;
}

static _Atomic bool passed;

static void *wait_and_pass(void *heap)
{
    wait_for_it(heap);
    store_rlx(&passed, true);
    return NULL;
}

/* Each step awaited: a giver that holds the first of a group and wants the last, and a thread that sleeps for the first. */
TEST(heap, who_sleeps_for_one_that_is_given_back_is_woken)
{
    enum { GROUP = 8 };
    pthread_t giver, waiter;
    struct heap *heaps[GROUP];
    for (unsigned i = 0; i < GROUP; i++)
        heaps[i] = heap_create_shared(true, false);
    REQUIRE(heaps[GROUP - 1] == heaps[0] + GROUP - 1);
    for (unsigned i = 0; i < GROUP; i++)
        heap_destroy_shared(heaps[i]);
    lock_acquire(&heaps[GROUP - 1]->lock);
    REQUIRE(pthread_create(&giver, NULL, give_records_back, NULL) == 0);
    AWAIT(lock_is_held(&heaps[0]->lock));
    REQUIRE(pthread_create(&waiter, NULL, wait_and_pass, heaps[0]) == 0);
    AWAIT(lock_is_wanted(&heaps[0]->lock));
    os_pause(50000); /* into its sleep */
    CHECK(!load_rlx(&passed));
    lock_release(&heaps[GROUP - 1]->lock);
    AWAIT(load_rlx(&passed));
    pthread_join(giver, NULL);
    pthread_join(waiter, NULL);
}

/* What is removed by one call: a range that crosses a boundary of so many bytes takes two, of which one may be refused. */
#define REMOVED_AT_ONCE ((uintptr_t)4 << 20)

TEST(heap, records_that_lie_across_what_is_removed_at_once_are_given_back_whole_or_not_at_all)
{
    enum { GROUP = 8 };
    static struct heap *heaps[MANY_HEAPS];
    struct heap **group = NULL;
    for (unsigned i = 0; i < MANY_HEAPS && group == NULL; i += GROUP) {
        REQUIRE(os_map(5 * OS_PAGE_SIZE, OS_PAGE_SIZE) != NULL); /* so that the boundaries come upon different places */
        for (unsigned k = 0; k < GROUP; k++)
            heaps[i + k] = heap_create_shared(true, false);
        uintptr_t first = (uintptr_t)heaps[i], last = (uintptr_t)(heaps[i + GROUP - 1] + 1) - 1;
        group = first / REMOVED_AT_ONCE != last / REMOVED_AT_ONCE ? &heaps[i] : NULL;
    }
    REQUIRE(group != NULL);
    for (unsigned i = 0; i < GROUP; i++)
        heap_destroy_shared(group[i]);
    os_fault_after(2, false);
    heap_shared_trim(os_now_ms(), 0);
    os_fault_after(0, false);
    for (unsigned i = 0; i < GROUP; i++)
        CHECK(!lock_is_held(&group[i]->lock));
}

static bool is_used(const struct heap *heap, struct heap *const heaps[], unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (heaps[i] == heap)
            return true;
    }
    return false;
}

TEST(heap, in_the_child_of_a_fork_used_heaps_stay_and_the_others_are_created_again)
{
    struct heap_door own;
    struct heap *heaps[20];
    attach(&own);
    for (unsigned i = 0; i < 20; i++)
        take(heaps[i] = heap_create_shared(true, false));
    for (unsigned i = 0; i < 10; i++)
        heap_destroy_shared(heaps[i]);
    heap_fork_child((struct heap_door *const[]){ &own }, 1, true);
    for (unsigned i = 0; i < 10; i++) {
        struct heap *next = heap_create_shared(true, false);
        CHECK(!is_used(next, heaps + 10, 10));
        CHECK(take(next) != NULL);
    }
    for (unsigned i = 10; i < 20; i++) {
        CHECK(take(heaps[i]) != NULL);
        heap_check(heaps[i]);
        heap_destroy_shared(heaps[i]);
    }
}

TEST(heap, large_blocks_leave_their_list_from_any_place)
{
    struct heap *heap = heap_create_shared(true, false);
    struct span *spans[3];
    bool zeroed;
    for (unsigned i = 0; i < 3; i++)
        heap_add_large(heap, spans[i] = large_create(100000, 1, &zeroed));
    CHECK_EQ(load_rlx(&spans[1]->heap), heap);
    heap_remove_large(heap, spans[1]);
    CHECK(load_rlx(&spans[1]->heap) == NULL);
    CHECK_EQ(heap->large, spans[2]);
    CHECK_EQ(spans[2]->next, spans[0]);
    CHECK_EQ(spans[0]->prev, spans[2]);
    heap_remove_large(heap, spans[2]);
    CHECK_EQ(heap->large, spans[0]);
    heap_remove_large(heap, spans[0]);
    CHECK(heap->large == NULL);
}

/* ---- fork -------------------------------------------------------------------------------------------------------------------- */

TEST(heap, in_the_child_of_a_fork_heaps_of_other_threads_are_orphans)
{
    struct heap_door own, other, next;
    struct heap *mine = attach(&own), *theirs = attach(&other);
    struct block *block = take(theirs);
    give(theirs, block);
    heap_fork_child((struct heap_door *const[]){ &own }, 1, true);
    CHECK_EQ(load_rlx(&mine->state), HEAP_ACTIVE);
    CHECK_EQ(load_rlx(&theirs->state), HEAP_ORPHAN);
    CHECK_EQ(attach(&next), theirs);
    CHECK_EQ(take(theirs), block);
}

TEST(heap, in_the_child_of_a_fork_a_heap_in_use_is_set_aside)
{
    struct heap_door own, other, next;
    attach(&own);
    struct heap *theirs = attach(&other);
    door_enter(&other);
    heap_fork_child((struct heap_door *const[]){ &own }, 1, true);
    CHECK_EQ(load_rlx(&theirs->state), HEAP_DEAD);
    CHECK(attach(&next) != theirs);
}

TEST(heap, in_the_child_of_a_fork_a_heap_that_was_being_swept_is_set_aside)
{
    struct heap_door own, other;
    attach(&own);
    struct heap *theirs = attach(&other);
    park(theirs);
    heap_fork_child((struct heap_door *const[]){ &own }, 1, true);
    CHECK_EQ(load_rlx(&theirs->state), HEAP_DEAD);
    CHECK(!lock_is_held(&theirs->lock));
}

TEST(heap, in_the_child_of_a_fork_the_own_heap_is_open_also_when_it_was_parked)
{
    struct heap_door own;
    struct heap *mine = attach(&own);
    park(mine);
    sweep(mine, mine->now_ms + 1000, 0);
    CHECK(!heap_needs_sweep(mine));
    lock_release(&mine->lock);
    heap_fork_child((struct heap_door *const[]){ &own }, 1, true);
    CHECK_EQ(load_rlx(&own.heap), mine);
    CHECK_EQ(load_rlx(&mine->state), HEAP_ACTIVE);
    CHECK(heap_needs_sweep(mine)); /* what the child will cache */
}

TEST(heap, in_the_child_of_a_fork_the_own_heap_is_given_up_when_it_was_being_swept)
{
    struct heap_door own;
    struct heap *mine = attach(&own);
    park(mine);
    heap_fork_child((struct heap_door *const[]){ &own }, 1, true);
    CHECK(own.own == NULL);
    CHECK_EQ(load_rlx(&own.heap), &heap_sentinel);
    CHECK(attach(&own) != mine);
}

TEST(heap, in_the_child_of_a_fork_orphans_can_still_be_adopted)
{
    struct heap_door own, other, next;
    attach(&own);
    struct heap *orphan = attach(&other);
    heap_detach(&other);
    heap_fork_child((struct heap_door *const[]){ &own }, 1, true);
    CHECK_EQ(attach(&next), orphan);
    CHECK(attach(&other) != orphan);
}

TEST(heap, in_the_child_of_a_fork_a_destroyed_heap_that_was_caught_is_not_created_again)
{
    struct heap_door own;
    attach(&own);
    struct heap *heap = heap_create_shared(true, false);
    take(heap);
    lock_acquire(&heap->lock); /* another thread is inside */
    heap_fork_child((struct heap_door *const[]){ &own }, 1, true);
    heap_destroy_shared(heap);
    struct heap *next = heap_create_shared(true, false);
    REQUIRE(next != NULL);
    CHECK_EQ(load_rlx(&next->state), HEAP_SHARED);
}

/* ---- the checker can fail ---------------------------------------------------------------------------------------------------------- */

TEST_ABORTS(heap, the_check_sees_a_wrong_count_of_a_bin, "check: heap")
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    give(heap, take(heap));
    heap->bins[class_of_test()].room++;
    heap_check(heap);
}

TEST_ABORTS(heap, the_check_sees_a_block_in_a_bin_of_another_class, "does not belong into its bin")
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    give(heap, take(heap));
    struct bin *bin = &heap->bins[class_of_test()];
    heap->bins[class_of_test() + 1].head = bin->head;
    heap->bins[class_of_test() + 1].room--;
    bin->head = 0;
    bin->room++;
    heap_check(heap);
}

TEST_ABORTS(heap, the_check_sees_a_block_that_was_written_to_after_its_free, "check: heap")
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    struct block *block = take(heap);
    give(heap, block);
    block->mark = 0;
    heap_check(heap);
}
