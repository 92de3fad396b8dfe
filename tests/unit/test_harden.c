/* Hardened blocks: each byte behind a block and each byte of a freed one is watched, and no more; and what malloc
 * promises holds all the same. */
#include "threads.h"

#include "arca/arca.h"
#include "arenas/page_map.h"
#include "base/os.h"
#include "front/door.h"
#include "front/objects.h"
#include "heap/harden.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void harden(bool junk)
{
    hardening_set((struct hardening){ .on = true, .guard = true, .guards = 1000, .junk = junk, .quarantine = 64 << 10 },
                  0x0123456789abcdef);
    malloc_fast_max = 0;
}

static void *fill_pools(void *stop)
{
    static void *blocks[2000];
    for (size_t size = 100; !load_rlx((_Atomic bool *)stop); size = size % 3000 + 100) {
        for (unsigned i = 0; i < 2000; i++)
            blocks[i] = arca_malloc(size + i % 7);
        for (unsigned i = 0; i < 2000; i++)
            arca_free(blocks[i]);
    }
    return NULL;
}

/* Worth what ThreadSanitizer makes of it. */
TEST(harden, figures_are_taken_while_pools_are_made)
{
    static _Atomic bool stop;
    struct arca_stats sums = { .size = sizeof sums };
    pthread_t thread;
    harden(false);
    REQUIRE(pthread_create(&thread, NULL, fill_pools, (void *)&stop) == 0);
    for (unsigned i = 0; i < 300; i++)
        CHECK_EQ(arca_stats_get(&sums), 0);
    store_rlx(&stop, true);
    pthread_join(thread, NULL);
}

/* ---- trailers ------------------------------------------------------------------------------------------------ */

#define ROOM 64
static _Alignas(16) char hall[2048], *const room = hall + 512;
static struct block *const block_in_room = (struct block *)(hall + 512);

/* The places in which the hall differs from what it was full of. */
static void expect_changed(size_t from, size_t to)
{
    for (size_t i = 0; i < sizeof hall; i++)
        CHECK((i >= 512 + from && i < 512 + to) || hall[i] == 'a');
}

/* Of sizes with each kind of tail, and with more behind their owner's bytes than it holds. */
TEST(harden, a_trailer_knows_every_size_and_spares_the_owner_s_bytes)
{
    for (size_t bytes = 32; bytes <= 512; bytes += 16) {
        for (size_t size = 0; size <= bytes - TRAILER_BYTES; size++) {
            memset(hall, 'a', sizeof hall);
            trailer_write(block_in_room, bytes, size);
            CHECK_EQ(trailer_read("test", block_in_room, bytes), size);
            expect_changed(size, bytes);
        }
    }
}

TEST(harden, the_trailer_of_a_fresh_block_says_the_same_and_leaves_zeros_before_it)
{
    static char words[512];
    for (size_t bytes = 32; bytes <= 512; bytes += 16) {
        for (size_t size = 0; size <= bytes - TRAILER_BYTES; size++) {
            trailer_write(block_in_room, bytes, size);
            memcpy(words, room, bytes);
            memset(hall, 'a', sizeof hall);
            bool holds = tail_holds(bytes, bytes - TRAILER_BYTES - size);
            CHECK_EQ(trailer_write_fresh(block_in_room, bytes, size), holds);
            expect_changed(0, holds ? bytes : 0);
            if (!holds)
                continue;
            CHECK_EQ(memcmp(room + size, words + size, bytes - size), 0);
            for (size_t i = 0; i < size; i++)
                CHECK(room[i] == 'a' || room[i] == 0);
        }
    }
}

/* What is compared: each byte of the canary, and of the trailer but for the two that say the size, and no other. */
TEST(harden, each_byte_of_a_tail_is_looked_at_and_none_of_the_owner_s)
{
    for (size_t bytes = 32; bytes <= 512; bytes += 16) {
        for (size_t size = 0, end = bytes - TRAILER_BYTES; size <= end; size++) {
            size_t count = end - size;
            uintptr_t canary = canary_of(block_in_room);
            trailer_write(block_in_room, bytes, size);
            CHECK_EQ(trailer_is_well(block_in_room, bytes), tail_holds(bytes, count));
            for (size_t i = 0; i < bytes - 2; i++) {
                room[i] ^= 4;
                if (i < end)
                    CHECK_EQ(canary_difference(block_in_room, bytes, count, canary) != 0, i >= size);
                CHECK_EQ(trailer_is_well(block_in_room, bytes), i < size && tail_holds(bytes, count));
                room[i] ^= 4;
            }
        }
    }
}

TEST(harden, no_byte_of_a_canary_is_a_zero)
{
    harden(false);
    for (size_t i = 0; i < 10000; i++) {
        uintptr_t canary = canary_of(hall + 16 * i);
        for (unsigned byte = 0; byte < sizeof canary; byte++)
            CHECK((canary >> 8 * byte & 0xff) != 0);
    }
}

static void overrun(size_t size, size_t at)
{
    trailer_write(block_in_room, ROOM, size);
    room[at] = 0;
    trailer_read("test", block_in_room, ROOM);
}

TEST_ABORTS(harden, a_zero_just_behind_a_block_is_seen, "written to behind its end")
{
    overrun(41, 41);
}

TEST_ABORTS(harden, a_zero_just_behind_a_block_that_ends_at_its_trailer_is_seen, "written to behind its end")
{
    overrun(56, 56);
}

TEST_ABORTS(harden, a_zero_in_the_last_byte_of_the_canary_is_seen, "written to behind its end")
{
    overrun(33, 55);
}

/* Its size is none. */
TEST_ABORTS(harden, a_trailer_that_was_written_to_is_seen, "written to behind its end")
{
    trailer_write(block_in_room, ROOM, 40);
    room[ROOM - 1]++;
    trailer_read("test", block_in_room, ROOM);
}

TEST(harden, bytes_of_the_owner_are_his)
{
    for (size_t size = 1; size <= 56; size++) {
        trailer_write(block_in_room, ROOM, size);
        for (size_t i = 0; i < size; i++)
            room[i] = (char)(room[i] + 1);
        CHECK_EQ(trailer_read("test", block_in_room, ROOM), size);
    }
}

/* A block that stays where it is, from each size to each: as if it had had the new one from the start. */
TEST(harden, a_trailer_that_moves_is_that_of_the_new_size)
{
    static char words[512];
    for (size_t bytes = 32; bytes <= 512; bytes += 96) {
        size_t end = bytes - TRAILER_BYTES;
        for (size_t old = 0; old <= end; old += SANITIZED ? 7 : 1) {
            for (size_t size = 0; size <= end + 1; size++) {
                memset(hall, 'a', sizeof hall);
                trailer_write(block_in_room, bytes, size <= end ? size : end);
                memcpy(words, room, bytes);
                memset(hall, 'a', sizeof hall);
                trailer_write(block_in_room, bytes, old);
                CHECK_EQ(trailer_move("test", block_in_room, bytes, size), size <= end && size > end / 2);
                if (size > end || size <= end / 2)
                    continue;
                CHECK_EQ(memcmp(room + size, words + size, bytes - size), 0);
                CHECK_EQ(trailer_read("test", block_in_room, bytes), size);
                expect_changed(old < size ? old : size, bytes);
            }
        }
    }
}

static void overrun_and_move(size_t old, size_t at, size_t size)
{
    trailer_write(block_in_room, 512, old);
    room[at]++;
    trailer_move("test", block_in_room, 512, size);
}

TEST_ABORTS(harden, a_block_that_grows_over_what_was_written_behind_it_is_seen, "written to behind its end")
{
    overrun_and_move(300, 430, 431);
}

TEST_ABORTS(harden, a_block_that_shrinks_and_was_overrun_is_seen, "written to behind its end")
{
    overrun_and_move(300, 300, 290);
}

TEST_ABORTS(harden, a_trailer_that_was_written_to_is_seen_when_it_moves, "written to behind its end")
{
    overrun_and_move(300, 506, 310);
}

/* What a move leaves for later is not lost. */
TEST_ABORTS(harden, what_is_far_behind_a_block_that_grows_is_seen_later, "free(): ")
{
    overrun_and_move(300, 480, 310);
    trailer_read("free", block_in_room, 512);
}

/* ---- freed blocks --------------------------------------------------------------------------------------------- */

TEST(harden, a_freed_block_is_left_alone)
{
    freed_fill(block_in_room, ROOM);
    freed_check(block_in_room, ROOM);
    CHECK(block_is_marked(block_in_room));
}

static void expect_each_byte_is_watched(bool junk)
{
    harden(junk);
    for (size_t bytes = 32; bytes <= 1280; bytes += 16) {
        memset(hall, 'a', sizeof hall);
        freed_fill(block_in_room, bytes);
        expect_changed(0, bytes);
        for (size_t i = 0; i < bytes; i++) {
            room[i] ^= 4;
            CHECK(freed_difference(block_in_room, bytes) != 0);
            room[i] ^= 4;
        }
        CHECK_EQ(freed_difference(block_in_room, bytes), 0);
        memset(hall, 'b', 512);
        memset(room + bytes, 'b', sizeof hall - 512 - bytes);
        CHECK_EQ(freed_difference(block_in_room, bytes), 0);
    }
}

TEST(harden, each_byte_of_a_freed_block_is_watched)
{
    expect_each_byte_is_watched(false);
}

TEST(harden, each_byte_of_a_freed_block_is_watched_with_junk_in_it)
{
    expect_each_byte_is_watched(true);
}

TEST_ABORTS(harden, a_write_to_the_last_byte_of_a_freed_block_is_seen, "written to after it was freed")
{
    freed_fill(block_in_room, ROOM);
    room[ROOM - 1]++;
    freed_check(block_in_room, ROOM);
}

TEST_ABORTS(harden, a_write_to_its_second_word_is_seen, "written to after it was freed")
{
    freed_fill(block_in_room, ROOM);
    room[8]++;
    freed_check(block_in_room, ROOM);
}

/* ---- what malloc promises -------------------------------------------------------------------------------------- */

static void *checked(void *block)
{
    REQUIRE(block != NULL);
    return block;
}

TEST(harden, usable_size_is_what_was_asked_for)
{
    harden(false);
    for (size_t size = 0; size < 300000; size += size < 5000 ? 1 : 997) {
        char *block = checked(arca_malloc(size));
        CHECK_EQ(arca_malloc_usable_size(block), size);
        memset(block, 'x', size);
        arca_free(block);
    }
    arca_heap_check();
}

TEST(harden, free_finds_no_bin_for_a_hardened_block)
{
    harden(false);
    for (size_t size = 1; size <= 30000; size = size * 2 + 1) {
        char *block = checked(arca_malloc(size));
        CHECK_EQ(page_map_bin((uintptr_t)block), 0);
        CHECK_EQ(page_map_bin((uintptr_t)block + size), 0);
        arca_free(block);
    }
    arca_heap_check();
}

TEST(harden, alignment_is_kept)
{
    harden(false);
    for (size_t align = 1; align <= (size_t)1 << 22; align *= 2) {
        for (size_t size = 0; size <= 100000; size = size * 3 + 1) {
            char *block = checked(arca_aligned_alloc(align, size));
            CHECK_EQ((uintptr_t)block % align, 0);
            CHECK_EQ(arca_malloc_usable_size(block), size);
            memset(block, 'x', size);
            arca_free(block);
        }
    }
}

TEST(harden, calloc_gives_zeros_and_junk_is_junk)
{
    harden(true);
    for (size_t size = 1; size < 200000; size = size * 2 + 1) {
        unsigned char *block = checked(arca_malloc(size));
        CHECK(size > SMALL_MAX - TRAILER_BYTES || (block[0] == 0xa5 && block[size - 1] == 0xa5));
        arca_free(block);
        block = checked(arca_calloc(1, size));
        for (size_t i = 0; i < size; i++)
            CHECK_EQ(block[i], 0);
        arca_free(block);
    }
}

TEST(harden, realloc_keeps_contents_and_size)
{
    harden(false);
    unsigned char *block = checked(arca_malloc(1));
    size_t size = 1;
    block[0] = 7;
    for (unsigned i = 0; i < 3000; i++) {
        size_t next = (size_t)(i * 2654435761u % (i % 100 == 0 ? 300000u : 700u)) + 1;
        block = checked(arca_realloc(block, next));
        CHECK_EQ(arca_malloc_usable_size(block), next);
        CHECK_EQ(block[0], 7);
        if (next > 1 && size > 1 && next <= size)
            CHECK_EQ(block[next - 1], 9);
        memset(block + 1, 9, next - 1);
        size = next;
    }
    arca_free(block);
}

/* Behind a large block is nothing that may be read, wherever it ends now. */
static void expect_guard(const char *block, size_t size)
{
    const struct span *span = page_map_find((uintptr_t)block);
    const char *behind = (const char *)bits_round_up((uintptr_t)block + size, OS_PAGE_SIZE);
    REQUIRE(span->guarded);
    CHECK(os_readable(behind - sizeof(uint64_t)));
    for (; (uintptr_t)behind < span->start + span_bytes(span); behind += OS_PAGE_SIZE)
        CHECK(!os_readable(behind));
}

static unsigned moves_to(char **block, size_t from, size_t to, size_t step)
{
    unsigned moves = 0;
    for (size_t size = from; size <= to; size += step) {
        char *fresh = checked(arca_realloc(*block, size));
        moves += fresh != *block;
        *block = fresh;
        CHECK_EQ(arca_malloc_usable_size(fresh), size);
        memset(fresh, 'x', size < 4096 ? size : 1);
        memset(fresh + size - 1, 'y', 1);
        if (size > SMALL_MAX)
            expect_guard(fresh, size);
    }
    return moves;
}

/* As many as doublings, and a few before it is known that it grows; into the slices behind it as long as they are free. */
TEST(harden, a_block_that_grows_does_not_move_each_time)
{
    harden(false);
    char *block = NULL;
    CHECK(moves_to(&block, 1, SMALL_MAX - TRAILER_BYTES, 61) <= 20);
    CHECK(moves_to(&block, SMALL_MAX, (size_t)1 << 20, 3001) <= 2);
    CHECK(block[0] == 'x' && block[1999] == 'x');
    arca_free(block);
    arca_heap_check();
}

TEST(harden, a_large_block_of_an_arena_of_its_own_grows_and_shrinks)
{
    harden(false);
    char *block = checked(arca_malloc((size_t)40 << 20));
    for (size_t size = 40; size < 60; size += 5)
        moves_to(&block, (size << 20) + 1, (size << 20) + 50000, 7001);
    for (size_t size = 60; size > 30; size -= 5) {
        block = checked(arca_realloc(block, size << 20));
        block[0] = block[(size << 20) - 1] = 'z';
        expect_guard(block, size << 20);
    }
    CHECK(arca_realloc(block, (size_t)1 << 48) == NULL);
    CHECK_EQ(block[0], 'z');
    arca_free(block);
    arca_heap_check();
}

TEST(harden, a_large_block_that_shrinks_leaves_its_slices_to_others)
{
    harden(false);
    char *block = checked(arca_malloc((size_t)1 << 20));
    block = checked(arca_realloc(block, 600 << 10));
    CHECK_EQ(page_map_find((uintptr_t)block)->slices, 10);
    block = checked(arca_realloc(block, 595 << 10)); /* of the same number of slices */
    expect_guard(block, 595 << 10);
    block = checked(arca_realloc(block, 599 << 10));
    expect_guard(block, 599 << 10);
    arca_free(block);
    arca_heap_check();
}

TEST_ABORTS(harden, a_large_block_that_grows_over_what_was_written_behind_it_is_seen, "realloc(): ")
{
    harden(false);
    char *block = checked(arca_malloc(50000));
    block[50000] ^= 1; /* whatever stood there */
    arca_free(arca_realloc(block, 60000));
}

TEST(harden, a_freed_block_does_not_come_back_at_once)
{
    harden(false);
    char *block = checked(arca_malloc(100));
    arca_free(block);
    for (unsigned i = 0; i < 64; i++)
        CHECK(arca_malloc(100) != block);
}

TEST(harden, what_the_quarantine_holds_is_bounded)
{
    harden(false);
    for (unsigned i = 0; i < 10000; i++)
        arca_free(checked(arca_malloc(1000)));
    struct arca_stats stats = { .size = sizeof stats };
    arca_stats_get(&stats);
    CHECK(stats.live + stats.cached <= (size_t)256 << 10); /* the bin and the quarantine */
}

TEST(harden, a_large_block_counts_with_all_its_bytes)
{
    struct arca_stats before = { .size = sizeof before }, after = { .size = sizeof after };
    harden(false);
    arca_stats_get(&before);
    void *block = checked(arca_malloc(50001));
    arca_stats_get(&after);
    CHECK_EQ(after.allocated - before.allocated, arca_malloc_usable_size(block));
}

/* So little leaves at once. */
TEST(harden, what_was_freed_last_is_still_held_when_others_leave)
{
    static char *blocks[2000];
    harden(false);
    for (unsigned i = 0; i < 2000; i++)
        blocks[i] = checked(arca_malloc(100));
    for (unsigned i = 0; i < 2000; i++)
        arca_free(blocks[i]);
    for (unsigned i = 0; i < 2000; i++) {
        char *block = checked(arca_malloc(100));
        for (unsigned k = 2000 - (64 << 10) * 15 / 16 / 112; k < 2000; k++)
            CHECK(block != blocks[k]);
    }
}

/* Where they have left the quarantine; and no block is lost or there twice. */
TEST(harden, blocks_come_back_in_no_order)
{
    enum { BLOCKS = 3000 };
    static char *blocks[BLOCKS];
    harden(false);
    unsigned later = 0, known = 0, last = 0;
    for (unsigned i = 0; i < BLOCKS; i++)
        blocks[i] = checked(arca_malloc(40));
    for (unsigned i = 0; i < BLOCKS; i++)
        arca_free(blocks[i]);
    for (unsigned i = 0; i < 250; i++) {
        char *block = checked(arca_malloc(40));
        unsigned k = 0;
        while (k < BLOCKS && blocks[k] != block)
            k++;
        known += k < BLOCKS;
        later += k > last;
        last = k;
    }
    CHECK(known > 200);
    CHECK(later > 25 && later < 225); /* in order, it would be as many as portions leave */
    arca_heap_check();
}

TEST(harden, a_large_block_in_the_place_of_a_pool_has_no_bound)
{
    static void *blocks[5000];
    harden(false);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 5000; i++)
            blocks[i] = checked(arca_malloc(round == 0 ? 500 : 50000));
        for (unsigned i = 0; i < 5000; i++) {
            const struct span *span = page_map_find((uintptr_t)blocks[i]);
            CHECK_EQ(span->hardened_bound != 0, round == 0);
        }
        for (unsigned i = 0; i < 5000; i++)
            arca_free(blocks[i]);
        for (unsigned i = 0; i < 200; i++)
            arca_free(checked(arca_malloc(2000)));
        arca_trim(0);
    }
}

static pthread_barrier_t quiet, over;

static void *fill_the_quarantine_and_sleep(void *unused)
{
    for (unsigned i = 0; i < 200; i++)
        arca_free(checked(arca_malloc(1000)));
    pthread_barrier_wait(&quiet);
    pthread_barrier_wait(&over);
    return unused;
}

static size_t cached_bytes(void)
{
    struct arca_stats sums = { .size = sizeof sums };
    REQUIRE(arca_stats_get(&sums) == 0);
    return sums.cached;
}

/* The time limit is the test's. */
TEST(harden, the_quarantine_of_a_thread_that_sleeps_is_given_back)
{
    pthread_t thread;
    harden(false);
    arca_free(checked(arca_malloc(1000)));
    size_t before = cached_bytes();
    pthread_barrier_init(&quiet, NULL, 2);
    pthread_barrier_init(&over, NULL, 2);
    REQUIRE(pthread_create(&thread, NULL, fill_the_quarantine_and_sleep, NULL) == 0);
    pthread_barrier_wait(&quiet);
    CHECK(cached_bytes() > before + 50000);
    while (cached_bytes() > before + 5000) {
        arca_trim(0);
        os_pause(20000);
    }
    pthread_barrier_wait(&over);
    pthread_join(thread, NULL);
    arca_heap_check();
}

TEST(harden, blocks_follow_each_other_in_no_order)
{
    harden(false);
    unsigned rising = 0;
    char *last = checked(arca_malloc(40));
    for (unsigned i = 0; i < 1000; i++) {
        char *block = checked(arca_malloc(40));
        rising += block > last;
        last = block;
    }
    CHECK(rising > 200 && rising < 800);
}

static void *free_all(void *blocks)
{
    for (unsigned i = 0; i < 5000; i++)
        arca_free(((void **)blocks)[i]);
    return NULL;
}

TEST(harden, blocks_that_another_thread_frees_go_home)
{
    static void *blocks[5000];
    harden(false);
    for (unsigned round = 0; round < 10; round++) {
        pthread_t thread;
        for (unsigned i = 0; i < 5000; i++)
            memset(blocks[i] = checked(arca_malloc(i % 300)), 'x', i % 300);
        REQUIRE(pthread_create(&thread, NULL, free_all, blocks) == 0);
        pthread_join(thread, NULL);
    }
    arca_heap_check();
}

/* ---- guards ------------------------------------------------------------------------------------------------------ */

/* Of different spans. */
static unsigned guarded_spans(void *const blocks[], unsigned count)
{
    static const struct span *seen[1000];
    unsigned guards = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct span *span = page_map_find((uintptr_t)blocks[i]);
        unsigned k = 0;
        while (k < guards && seen[k] != span)
            k++;
        if (k == guards && span->guarded)
            seen[guards++] = span;
    }
    return guards;
}

static unsigned guards_of(unsigned blocks, size_t size)
{
    static void *kept[1000];
    for (unsigned i = 0; i < blocks; i++)
        kept[i] = checked(arca_malloc(size));
    unsigned guards = guarded_spans(kept, blocks);
    for (unsigned i = 0; i < blocks; i++)
        arca_free(kept[i]);
    arca_trim(0);
    return guards;
}

TEST(harden, guards_are_not_more_than_there_may_be)
{
    hardening_set((struct hardening){ .on = true, .guard = true, .guards = 20 }, 1);
    malloc_fast_max = 0;
    for (unsigned round = 0; round < 3; round++) { /* those that are freed are counted off */
        CHECK_EQ(guards_of(100, 100000), 20);
        unsigned of_pools = guards_of(1000, 5000);
        CHECK(of_pools > 10 && of_pools <= 20);
    }
}

/* ---- crimes ------------------------------------------------------------------------------------------------------ */

TEST_ABORTS(harden, an_overrun_by_one_is_named_when_the_block_is_freed, "free(): 0x")
{
    harden(false);
    char *volatile block = checked(arca_malloc(33));
    block[33] ^= 1; /* whatever stood there */
    arca_free(block);
}

TEST_ABORTS(harden, an_overrun_is_named_when_the_block_is_asked_for_its_size, "malloc_usable_size(): 0x")
{
    harden(false);
    char *volatile block = checked(arca_malloc(33));
    block[33] ^= 1; /* whatever stood there */
    CHECK_EQ(arca_malloc_usable_size(block), 33);
}

TEST_ABORTS(harden, who_asks_for_the_size_of_a_freed_block_is_told, "freed before")
{
    harden(false);
    char *volatile block = checked(arca_malloc(33));
    arca_free(block);
    CHECK_EQ(arca_malloc_usable_size(block), 33);
}

TEST_ABORTS(harden, an_overrun_of_a_large_block_is_named, "written to behind its end")
{
    harden(false);
    char *volatile block = checked(arca_malloc(100001));
    block[100001] ^= 1; /* whatever stood there */
    arca_free(block);
}

TEST_ABORTS(harden, a_write_after_free_is_named_when_the_block_leaves_the_quarantine, "written to after it was freed")
{
    harden(false);
    char *volatile block = checked(arca_malloc(100));
    arca_free(block);
    block[60] ^= 1; /* whatever stood there */
    for (unsigned i = 0; i < 5000; i++)
        arca_free(checked(arca_malloc(100)));
}

TEST_ABORTS(harden, a_double_free_of_a_large_block_is_named, "not a live block of this heap")
{
    harden(false);
    char *block = checked(arca_malloc(100000));
    arca_free(block);
    arca_free(block);
}

/* That a collector has seen: where others have a bound, its span has what belongs to that. */
static void *seen_object(size_t size)
{
    static struct span_side side;
    harden(false);
    void *object = checked(object_alloc(size));
    store_rlx(&page_map_find((uintptr_t)object)->side, &side);
    return object;
}

TEST_ABORTS(harden, an_object_that_is_freed_is_named, "an object, to be released and not freed\n")
{
    arca_free(seen_object(100));
}

TEST_ABORTS(harden, a_large_object_that_is_freed_is_named, "an object, to be released and not freed\n")
{
    arca_free(seen_object(100000));
}

TEST_ABORTS(harden, an_object_that_is_asked_for_its_size_is_named, "an object, to be released and not freed\n")
{
    CHECK_EQ(arca_malloc_usable_size(seen_object(100)), 100);
}

TEST_ABORTS(harden, the_exact_size_is_asked_of_free_sized, "a block of 100 bytes, not of 99")
{
    harden(false);
    arca_free_sized(checked(arca_malloc(100)), 99);
}
