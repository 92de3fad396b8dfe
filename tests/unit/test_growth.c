/* Room behind blocks that grow: who holds it, who takes it off, and what realloc makes of it. */
#include "harness.h"

#include "arca/arca.h"
#include "arenas/arena.h"
#include "base/options.h"
#include "front/door.h"
#include "heap/growth.h"

#include <pthread.h>
#include <sys/mman.h>

#define HOLD 1000

static struct heap *attach(struct heap_door *door)
{
    *door = (struct heap_door){ .heap = &heap_sentinel };
    REQUIRE(heap_attach(door, false));
    return door->own;
}

static struct span *start(struct heap *heap, size_t bytes)
{
    struct span *span = growth_start(heap, bytes);
    REQUIRE(span != NULL);
    CHECK(load_rlx(&span->large_size) >= bytes);
    return span;
}

static size_t used_slices(void)
{
    return load_rlx(&arenas.used_slices);
}

static unsigned resident_pages(uintptr_t start, size_t bytes)
{
    unsigned char pages[SLICE_SIZE / OS_PAGE_SIZE] = { 0 };
    unsigned count = 0;
    REQUIRE(mincore((void *)start, bytes, pages) == 0);
    for (size_t i = 0; i < bytes / OS_PAGE_SIZE; i++)
        count += pages[i] & 1;
    return count;
}

/* ---- the room of a heap --------------------------------------------------------------------------------- */

TEST(growth, a_block_grows_in_place_until_its_room_is_used)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    struct span *span = start(heap, 5000);
    CHECK(growth_continue(heap, span, 300000));
    CHECK(load_rlx(&span->large_size) >= 300000);
    CHECK(growth_continue(heap, span, GROWTH_BYTES));
    CHECK(!growth_continue(heap, span, GROWTH_BYTES + 1));
    CHECK_EQ(load_rlx(&span->large_size), GROWTH_BYTES);
}

TEST(growth, the_next_block_takes_the_room_off_the_last)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    struct span *first = start(heap, 5000);
    CHECK(growth_continue(heap, first, 2 * SLICE_SIZE + 1));
    struct span *second = start(heap, 5000);
    CHECK_EQ(first->slices, 3);
    CHECK(!growth_continue(heap, first, 2 * SLICE_SIZE + 2));
    CHECK_EQ(used_slices(), 3 + GROWTH_SLICES);
    CHECK(growth_continue(heap, second, 9000));
    arena_check();
}

TEST(growth, who_has_the_block_can_drop_the_room)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    struct span *span = start(heap, 5000);
    growth_drop(span);
    CHECK_EQ(used_slices(), 1);
    CHECK(!growth_continue(heap, span, 6000));
    CHECK(!growth_is_held(heap, span));
    REQUIRE(large_resize(span, 4 * SLICE_SIZE, 0) == span); /* its owner's, from now on */
    heap_cut_growing(heap);
    CHECK_EQ(span->slices, 4);
    arena_check();
}

TEST(growth, room_that_was_left_is_the_blocks_own)
{
    struct heap_door doors[2];
    struct heap *heap = attach(&doors[0]), *other = attach(&doors[1]);
    struct span *span = start(heap, 5000);
    CHECK(!growth_leave(other, span));
    CHECK(growth_leave(heap, span));
    CHECK(growth_leave(other, span)); /* nobody holds any */
    heap_cut_growing(heap);
    CHECK_EQ(span->slices, GROWTH_SLICES);
}

TEST(growth, a_block_that_is_freed_elsewhere_takes_its_room_along)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    struct span *span = start(heap, 5000);
    large_destroy(span, 0);
    bool zeroed;
    REQUIRE(large_create(4 * SLICE_SIZE, 1, &zeroed) == span); /* a stranger in its place */
    heap_cut_growing(heap);
    CHECK_EQ(span->slices, 4);
    CHECK_EQ(used_slices(), 4);
    arena_check();
}

TEST(growth, a_sweep_takes_room_and_spares)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    struct span *kept = start(heap, 5000), *freed = start(heap, 5000);
    CHECK(growth_leave(heap, freed));
    span_cache_put(&heap->spares, freed);
    start(heap, 5000); /* in the spare */
    CHECK_EQ(heap->spares.count, 0);
    bool zeroed;
    span_cache_put(&heap->spares, large_create(3 * SLICE_SIZE, 1, &zeroed));
    heap_flush_all(heap);
    CHECK_EQ(used_slices(), 2);
    CHECK(heap->growing == NULL);
    CHECK_EQ(kept->slices, 1);
    heap_check(heap);
    arena_check();
}

static size_t resident_slices(void)
{
    return arena_resident_slices(&arenas);
}

TEST(growth, room_that_was_never_used_does_not_count_as_resident)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    struct span *span = start(heap, 5000);
    CHECK_EQ(resident_slices(), 1);
    CHECK(growth_continue(heap, span, 5 * SLICE_SIZE));
    CHECK_EQ(resident_slices(), 5);
    heap_cut_growing(heap);
    CHECK_EQ(resident_slices(), 5 + GROWTH_SLICES - 5); /* dirty: nobody knows */
    CHECK_EQ(load_rlx(&arenas.room_slices), 0);
}

TEST(growth, room_counts_again_once_nobody_holds_it)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    struct span *left = start(heap, 5000);
    CHECK(growth_leave(heap, left));
    CHECK_EQ(load_rlx(&arenas.room_slices), 0);
    CHECK_EQ(resident_slices(), GROWTH_SLICES);
    large_destroy(start(heap, 5000), 0); /* as another thread would */
    CHECK_EQ(load_rlx(&arenas.room_slices), 0);
    CHECK_EQ(resident_slices(), 2 * GROWTH_SLICES);
    start(heap, 5000); /* where pages may be */
    CHECK_EQ(load_rlx(&arenas.room_slices), 0);
}

/* A thread that the child does not have was between two steps, in which its block grew by four slices. */
TEST(growth, the_child_of_a_fork_counts_room_anew)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    struct span *span = start(heap, 5000);
    large_set_size(span, 5 * SLICE_SIZE);
    heap_fork_child((struct heap_door *const[]){ &door, &thread_door }, 2, true);
    CHECK_EQ(load_rlx(&arenas.room_slices), GROWTH_SLICES - 5);
    CHECK_EQ(resident_slices(), 5);
    large_destroy(span, 0);
    CHECK_EQ(load_rlx(&arenas.room_slices), 0);
}

TEST(growth, room_that_is_used_raises_the_alarm)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    struct span *span = start(heap, 5000);
    store_rlx(&arenas.alarm, false);
    store_rlx(&arenas.alarm_slices, resident_slices() + 3);
    CHECK(growth_continue(heap, span, 3 * SLICE_SIZE));
    CHECK(!load_rlx(&arenas.alarm));
    CHECK(growth_continue(heap, span, 4 * SLICE_SIZE));
    CHECK(load_rlx(&arenas.alarm));
}

/* What was there before is not kept in memory by a small block at the start of its slice. */
TEST(growth, a_block_that_stays_small_keeps_no_more_pages_than_it_uses)
{
    struct heap_door door;
    struct heap *heap = attach(&door);
    bool zeroed;
    struct span *before = large_create(GROWTH_BYTES, 1, &zeroed);
    REQUIRE(before != NULL);
    memset((void *)before->start, 1, GROWTH_BYTES);
    large_destroy(before, 0);
    struct span *span = start(heap, 5000);
    REQUIRE(span == before);
    CHECK_EQ(resident_pages(span->start, SLICE_SIZE), SLICE_SIZE / OS_PAGE_SIZE);
    memset((void *)span->start, 2, 5000);
    heap_cut_growing(heap);
    CHECK_EQ(resident_pages(span->start, SLICE_SIZE), 2);
    CHECK_EQ(((unsigned char *)span->start)[4999], 2);
    CHECK(!span->stained); /* it need not be done again */
}

/* ---- realloc -------------------------------------------------------------------------------------------- */

static void stamp(unsigned char *block, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        block[i] = (unsigned char)(i * 7 + i / 256);
}

static bool is_stamped(const unsigned char *block, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (block[i] != (unsigned char)(i * 7 + i / 256))
            return false;
    }
    return true;
}

static unsigned char *grown(unsigned char *block, size_t *size, size_t to)
{
    while (*size < to) {
        size_t next = *size + *size / 2 + 1;
        block = arca_realloc(block, next);
        REQUIRE(block != NULL && arca_malloc_usable_size(block) >= next);
        CHECK(is_stamped(block, *size));
        stamp(block, *size, next);
        *size = next;
    }
    return block;
}

TEST(growth, a_block_that_grows_and_grows_stays_where_it_is)
{
    options.purge = OPTION_NEVER;
    size_t size = 0;
    unsigned char *block = grown(NULL, &size, 20000);
    const unsigned char *before = block;
    block = grown(block, &size, 500000);
    CHECK_EQ(block, before);
    block = grown(block, &size, 3000000); /* out of its room */
    for (size_t smaller = size; smaller > 100; smaller /= 3) {
        block = arca_realloc(block, smaller);
        REQUIRE(block != NULL);
        CHECK(is_stamped(block, smaller));
        CHECK(arca_malloc_usable_size(block) < 3 * smaller + SLICE_SIZE);
    }
    arca_free(block);
    CHECK(arca_heap_check() > 0);
}

static unsigned char *grown_by(size_t step, size_t end)
{
    unsigned char *block = NULL;
    for (size_t bytes = step; bytes <= end; bytes += step) {
        block = arca_realloc(block, bytes);
        REQUIRE(block != NULL);
    }
    return block;
}

/* As the nodes of a list of many short values do: a slice for each would be eight times what they use. */
TEST(growth, blocks_that_end_small_do_not_keep_a_slice_each)
{
    enum { BLOCKS = 256, STEP = 200, END = 8000 }; /* many, as each class that they grow through has a pool */
    unsigned char *blocks[BLOCKS];
    options.purge = OPTION_NEVER;
    size_t size = 0;
    arca_free(grown(NULL, &size, 200000)); /* the next one is expected to end large as well */
    unsigned char *first = grown_by(STEP, END);
    size_t before = used_slices();
    for (unsigned i = 0; i < BLOCKS; i++)
        blocks[i] = grown_by(STEP, END);
    CHECK(used_slices() - before < 3 * BLOCKS * END / SLICE_SIZE);
    for (unsigned i = 0; i < BLOCKS; i++)
        arca_free(blocks[i]);
    arca_free(first);
}

TEST(growth, after_a_block_that_ended_large_one_gets_room_while_it_is_small)
{
    options.purge = OPTION_NEVER;
    size_t size = 0;
    unsigned char *large = grown(NULL, &size, 200000), *small;
    arca_free(large);
    size = 0;
    small = grown(NULL, &size, 6000);
    CHECK_EQ(grown(small, &size, 30000), small);
    arca_free(small);
}

/* free_sized() takes a block for another's when it is twice as large as it need be. */
TEST(growth, room_does_not_make_a_block_look_like_another)
{
    options.purge = OPTION_NEVER;
    for (size_t to = 20; to < 2000000; to += to / 5) {
        size_t size = 0;
        unsigned char *block = grown(NULL, &size, to);
        arca_free_sized(block, size);
        block = arca_realloc(arca_malloc(70000), 25000);
        arca_free_sized(block, 25000);
    }
}

TEST(growth, a_few_moves_prove_nothing)
{
    options.purge = OPTION_NEVER;
    for (size_t size = 24; size < 30000; size *= 3) {
        unsigned char *block = arca_malloc(size);
        for (unsigned i = 0; i < 3; i++) {
            size_t more = size + size / 2;
            block = arca_realloc(block, more + i * more);
            REQUIRE(block != NULL);
            CHECK(arca_malloc_usable_size(block) <= (more + i * more) * 5 / 4 + 16 || more + i * more > SMALL_MAX);
        }
        arca_free(block);
        arca_free(arca_realloc(arca_malloc(20), 40)); /* another in between */
    }
}

TEST_ABORTS(growth, a_spare_that_is_freed_again_is_noticed, "not a live block")
{
    options.purge = OPTION_NEVER;
    void *volatile block = arca_malloc(200000);
    arca_free(block);
    arca_free(arca_malloc(150000)); /* the thread has spares */
    block = arca_malloc(200000);
    arca_free(block);
    arca_free(block);
}

/* ---- two threads, one block ------------------------------------------------------------------------------ */

#define ROUNDS 60

/* Blocks on their way from one thread to the other. */
static struct exchange {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned char *block;
    size_t size;
} exchanges[2] = { { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER },
                   { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER } };

static void hand_over(struct exchange *to, unsigned char *block, size_t size)
{
    pthread_mutex_lock(&to->lock);
    while (to->block != NULL)
        pthread_cond_wait(&to->changed, &to->lock);
    to->block = block;
    to->size = size;
    pthread_cond_signal(&to->changed);
    pthread_mutex_unlock(&to->lock);
}

static unsigned char *take_over(struct exchange *from, size_t *size)
{
    pthread_mutex_lock(&from->lock);
    while (from->block == NULL)
        pthread_cond_wait(&from->changed, &from->lock);
    unsigned char *block = from->block;
    *size = from->size;
    from->block = NULL;
    pthread_cond_signal(&from->changed);
    pthread_mutex_unlock(&from->lock);
    return block;
}

static void *grow_and_exchange(void *argument)
{
    unsigned self = *(const unsigned *)argument;
    uint64_t random = self + 1;
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t size = 0, theirs;
        unsigned char *block = grown(NULL, &size, 4096 + harness_random(&random) % 100000);
        hand_over(&exchanges[self], block, size);
        block = take_over(&exchanges[1 - self], &theirs);
        CHECK(is_stamped(block, theirs));
        if (round % 3 != 0)
            block = grown(block, &theirs, theirs + harness_random(&random) % 200000);
        arca_free(block);
    }
    return NULL;
}

TEST(growth, a_block_may_grow_on_in_another_thread)
{
    static const unsigned selves[2] = { 0, 1 };
    pthread_t threads[2];
    options.purge = 0; /* sweeps cut as well */
    for (unsigned i = 0; i < 2; i++)
        REQUIRE(pthread_create(&threads[i], NULL, grow_and_exchange, (void *)&selves[i]) == 0);
    for (unsigned i = 0; i < 20; i++)
        arca_trim(0);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    CHECK(arca_heap_check() > 0);
}

/* ---- spares --------------------------------------------------------------------------------------------- */

TEST(growth, a_spare_is_as_young_as_its_last_use)
{
    arca_free(arca_malloc(100));
    struct heap *heap = load_rlx(&thread_door.heap);
    REQUIRE(heap != &heap_sentinel);
    void *block = arca_malloc(3 * SLICE_SIZE);
    uint32_t long_ago = heap->now_ms -= 100000;
    arca_free(block);
    CHECK_EQ(heap->spares.count, 1);
    CHECK(heap->now_ms - long_ago >= 50000);
}
