/* The public functions: errno rules, alignment, zeros, contents, explicit heaps, figures. */
#include "capture.h"
#include "faults.h"
#include "harness.h"

#include "arca/arca.h"
#include "arenas/large.h"
#include "arenas/page_map.h"
#include "base/compiler.h"
#include "base/options.h"
#include "base/os.h"
#include "front/background.h"
#include "front/report.h"
#include "heap/heap.h"

#include <errno.h>
#include <pthread.h>

#define MIB ((size_t)1 << 20)

/* No rounds but those that a test asks for. */
static void keep_still(void)
{
    options.purge = OPTION_NEVER;
}

static unsigned char *filled(unsigned char *block, unsigned char stamp, size_t size)
{
    REQUIRE(block != NULL);
    memset(block, stamp, size);
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

static void *checked(void *block)
{
    REQUIRE(block != NULL);
    return block;
}

/* ---- malloc, free ------------------------------------------------------------------------------------- */

TEST(api, every_size_is_aligned_to_16_and_usable_throughout)
{
    for (size_t size = 0; size <= 70000; size++) {
        unsigned char *block = checked(arca_malloc(size));
        CHECK_EQ((uintptr_t)block % 16, 0);
        size_t usable = arca_malloc_usable_size(block);
        CHECK(usable >= size && usable != 0);
        block[0] = block[usable - 1] = 1;
        if (size % 3 != 0)
            arca_free(block);
    }
    CHECK(arca_heap_check() > 0);
}

TEST(api, size_0_gives_blocks_of_their_own)
{
    void *a = checked(arca_malloc(0)), *b = checked(arca_malloc(0));
    CHECK(a != b);
    arca_free(a);
    arca_free(b);
}

TEST(api, an_impossible_size_is_enomem)
{
    static const size_t sizes[] = { SIZE_MAX, SIZE_MAX - 4096, (size_t)PTRDIFF_MAX + 1, PTRDIFF_MAX, (size_t)1 << 60 };
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(sizes); i++) {
        errno = 0;
        CHECK(arca_malloc(sizes[i]) == NULL);
        CHECK_EQ(errno, ENOMEM);
    }
    arca_heap_check();
}

TEST(api, success_leaves_errno_alone)
{
    errno = EXDEV;
    for (size_t size = 1; size < 100 * MIB; size = size * 2 + 3) {
        void *block = checked(arca_malloc(size));
        CHECK_EQ(errno, EXDEV);
        arca_free(block);
        CHECK_EQ(errno, EXDEV);
    }
}

TEST(api, free_of_null_is_nothing)
{
    errno = EXDEV;
    arca_free(NULL);
    arca_free_sized(NULL, 10);
    arca_free_aligned_sized(NULL, 64, 10);
    CHECK_EQ(errno, EXDEV);
}

TEST(api, good_size_is_what_malloc_gives)
{
    static const size_t beyond[] = { MIB, MIB + 1, 2 * MIB - LARGE_OFFSET, 2 * MIB, 40 * MIB };
    for (size_t size = 0; size < 300000; size += 1 + size / 500) {
        void *block = checked(arca_malloc(size));
        CHECK_EQ(arca_good_size(size), arca_malloc_usable_size(block));
        arca_free(block);
    }
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(beyond); i++) {
        void *block = checked(arca_malloc(beyond[i]));
        CHECK_EQ(arca_good_size(beyond[i]), arca_malloc_usable_size(block));
        arca_free(block);
    }
    CHECK_EQ(arca_malloc_usable_size(NULL), 0);
}

TEST(api, sized_frees_take_the_size_that_was_asked_for)
{
    for (size_t size = 1; size < 200000; size = size * 2 + 1) {
        arca_free_sized(checked(arca_malloc(size)), size);
        arca_free_aligned_sized(checked(arca_aligned_alloc(256, size)), 256, size);
    }
    arca_heap_check();
}

/* ---- calloc --------------------------------------------------------------------------------------------- */

TEST(api, calloc_zeroes_recycled_memory_of_every_size)
{
    for (size_t size = 1; size <= 6 * MIB; size += 1 + size / 7) {
        for (unsigned round = 0; round < 3; round++) {
            unsigned char *block = checked(arca_calloc(1, size));
            CHECK(holds(block, 0, size));
            memset(block, 0xff, arca_malloc_usable_size(block));
            arca_free(block);
        }
    }
}

TEST(api, calloc_zeroes_what_was_trimmed_in_between)
{
    for (unsigned round = 0; round < 5; round++) {
        unsigned char *blocks[200];
        for (unsigned i = 0; i < 200; i++) {
            blocks[i] = checked(arca_calloc(i + 1, 50));
            CHECK(holds(blocks[i], 0, (i + 1) * 50));
            memset(blocks[i], 0xff, (i + 1) * 50);
        }
        for (unsigned i = 0; i < 200; i++)
            arca_free(blocks[i]);
        arca_trim(0);
    }
}

TEST(api, calloc_of_a_huge_block_is_zeroed_when_it_is_recycled)
{
    keep_still();
    unsigned char *block = checked(arca_calloc(70, MIB));
    block[0] = block[35 * MIB] = block[70 * MIB - 1] = 1;
    arca_free(block);
    unsigned char *again = checked(arca_calloc(70, MIB));
    CHECK_EQ(again[0] | again[35 * MIB] | again[70 * MIB - 1], 0);
    arca_free(again);
}

/* Whose pages the kernel has not taken yet, most likely. */
TEST(api, calloc_zeroes_what_was_given_back_lazily)
{
    static const size_t sizes[] = { 50, 5000, 100000, 5 * MIB, 70 * MIB };
    keep_still();
    options.lazy = 1;
    os_set_lazy(true);
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(sizes); i++) {
        for (unsigned trims = 0; trims < 2; trims++) {
            unsigned char *block = checked(arca_malloc(sizes[i]));
            memset(block, 0xff, sizes[i]);
            arca_free(block);
            if (trims)
                arca_trim(0);
            block = checked(arca_calloc(1, sizes[i]));
            CHECK(holds(block, 0, sizes[i]));
            arca_free(block);
        }
    }
}

TEST(api, calloc_overflow_is_enomem)
{
    errno = 0;
    CHECK(arca_calloc(SIZE_MAX / 2, 3) == NULL);
    CHECK_EQ(errno, ENOMEM);
    errno = 0;
    CHECK(arca_calloc((size_t)1 << 32, (size_t)1 << 32) == NULL);
    CHECK_EQ(errno, ENOMEM);
}

/* ---- alignment --------------------------------------------------------------------------------------------- */

TEST(api, every_alignment_is_kept_for_every_kind_of_size)
{
    for (size_t align = 1; align <= 8 * MIB; align *= 2) {
        for (size_t size = 0; size <= 3 * MIB; size = size * 3 + 1) {
            unsigned char *block = checked(arca_aligned_alloc(align, size));
            CHECK_EQ((uintptr_t)block % align, 0);
            CHECK_EQ((uintptr_t)block % 16, 0);
            CHECK(arca_malloc_usable_size(block) >= size);
            block[0] = block[arca_malloc_usable_size(block) - 1] = 1;
            arca_free(block);
        }
    }
    arca_heap_check();
}

TEST(api, aligned_blocks_of_one_class_do_not_overlap)
{
    unsigned char *blocks[300];
    for (unsigned i = 0; i < 300; i++)
        blocks[i] = filled(arca_aligned_alloc(192 > i ? 64 : 1024, 65 + i), (unsigned char)i, 65 + i);
    for (unsigned i = 0; i < 300; i++)
        CHECK(holds(blocks[i], (unsigned char)i, 65 + i));
}

TEST(api, an_alignment_that_is_no_power_of_two_is_einval)
{
    static const size_t bad[] = { 0, 3, 24, 100, SIZE_MAX };
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(bad); i++) {
        errno = 0;
        CHECK(arca_aligned_alloc(bad[i], 10) == NULL);
        CHECK_EQ(errno, EINVAL);
    }
}

TEST(api, an_aligned_block_that_is_too_large_is_enomem)
{
    errno = 0;
    CHECK(arca_aligned_alloc(64, SIZE_MAX - 10) == NULL);
    CHECK_EQ(errno, ENOMEM);
    errno = 0;
    CHECK(arca_aligned_alloc((size_t)1 << 62, 10) == NULL);
    CHECK_EQ(errno, ENOMEM);
    errno = 0;
    CHECK(arca_aligned_alloc((size_t)1 << 63, 10) == NULL);
    CHECK_EQ(errno, ENOMEM);
}

TEST(api, posix_memalign_answers_and_leaves_errno_and_the_pointer)
{
    void *block = &block;
    errno = EXDEV;
    CHECK_EQ(arca_posix_memalign(&block, 0, 10), EINVAL);
    CHECK_EQ(arca_posix_memalign(&block, 4, 10), EINVAL);
    CHECK_EQ(arca_posix_memalign(&block, 24, 10), EINVAL);
    CHECK_EQ(arca_posix_memalign(&block, 64, SIZE_MAX), ENOMEM);
    CHECK_EQ(block, &block);
    CHECK_EQ(arca_posix_memalign(&block, 8, 10), 0);
    CHECK_EQ(arca_posix_memalign(&block, 65536, 10), 0);
    CHECK_EQ((uintptr_t)block % 65536, 0);
    CHECK_EQ(errno, EXDEV);
}

TEST(api, memalign_rounds_its_alignment_up)
{
    CHECK_EQ((uintptr_t)checked(arca_memalign(100, 10)) % 128, 0);
    CHECK_EQ((uintptr_t)checked(arca_memalign(5000, 10)) % 8192, 0);
    CHECK(checked(arca_memalign(0, 10)) != NULL);
    errno = 0;
    CHECK(arca_memalign(SIZE_MAX, 10) == NULL);
    CHECK_EQ(errno, EINVAL);
}

TEST(api, valloc_is_page_aligned_and_pvalloc_rounds_up)
{
    CHECK_EQ((uintptr_t)checked(arca_valloc(10)) % 4096, 0);
    void *block = checked(arca_pvalloc(4097));
    CHECK_EQ((uintptr_t)block % 4096, 0);
    CHECK(arca_malloc_usable_size(block) >= 8192);
    CHECK(arca_malloc_usable_size(checked(arca_pvalloc(0))) != 0);
    errno = 0;
    CHECK(arca_pvalloc(SIZE_MAX - 10) == NULL);
    CHECK_EQ(errno, ENOMEM);
}

/* ---- realloc --------------------------------------------------------------------------------------------------- */

static const size_t steps[] = { 1,       15,      16,       17,       100,      1000,     4096,     20000,    32768,     32769,
                                40000,   65536,   65537,    200000,   MIB,      5 * MIB,  33 * MIB, 40 * MIB, 65 * MIB,  100 * MIB };

/* Stamps at both ends and once a page, so that huge blocks stay cheap. */
static void stamp_pages(unsigned char *block, size_t size)
{
    for (size_t i = 0; i < size; i += 4096)
        block[i] = (unsigned char)(i / 4096 + 1);
    block[size - 1] = 0xee;
}

static void check_pages(const unsigned char *block, size_t size, size_t old)
{
    size_t kept = size < old ? size : old;
    for (size_t i = 0; i + 1 < kept; i += 4096)
        CHECK_EQ(block[i], (unsigned char)(i / 4096 + 1));
    if (kept == old)
        CHECK_EQ(block[old - 1], 0xee);
}

TEST(api, realloc_keeps_the_contents_from_every_size_to_every_size)
{
    for (unsigned from = 0; from < ARCA_ARRAY_LENGTH(steps); from++) {
        for (unsigned to = 0; to < ARCA_ARRAY_LENGTH(steps); to++) {
            unsigned char *block = checked(arca_malloc(steps[from]));
            stamp_pages(block, steps[from]);
            block = checked(arca_realloc(block, steps[to]));
            CHECK(arca_malloc_usable_size(block) >= steps[to]);
            check_pages(block, steps[to], steps[from]);
            block[0] = block[steps[to] - 1] = 1;
            arca_free(block);
        }
    }
    arca_heap_check();
}

TEST(api, realloc_by_small_steps_keeps_every_byte)
{
    unsigned char *block = NULL;
    size_t old = 0;
    for (size_t size = 1; size < 200000; size += 1 + size / 50) {
        block = checked(arca_realloc(block, size));
        CHECK(holds(block, 0x5c, old));
        memset(block, 0x5c, size);
        old = size;
    }
    for (size_t size = old; size > 1; size -= 1 + size / 20) {
        block = checked(arca_realloc(block, size));
        CHECK(holds(block, 0x5c, size));
    }
    arca_free(block);
}

TEST(api, realloc_of_null_is_malloc)
{
    CHECK(checked(arca_realloc(NULL, 100)) != NULL);
    CHECK(checked(arca_realloc(NULL, 0)) != NULL);
}

TEST(api, realloc_to_0_frees)
{
    void *block = checked(arca_malloc(100));
    CHECK(arca_realloc(block, 0) == NULL);
    CHECK_EQ(arca_malloc(100), block);
}

TEST(api, a_realloc_that_fails_leaves_the_block)
{
    static const size_t sizes[] = { 100, 100000, 70 * MIB };
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(sizes); i++) {
        unsigned char *block = filled(arca_malloc(sizes[i]), 0x21, sizes[i]);
        errno = 0;
        CHECK(arca_realloc(block, SIZE_MAX - 100000) == NULL);
        CHECK_EQ(errno, ENOMEM);
        CHECK(holds(block, 0x21, sizes[i]));
        arca_free(block);
    }
}

/* In slices of an arena, and in an arena of its own. */
TEST(api, a_large_block_that_shrinks_by_much_gives_memory_back_and_one_that_shrinks_by_little_stays)
{
    static const size_t sizes[] = { 1 * MIB, 60 * MIB };
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(sizes); i++) {
        unsigned char *block = filled(arca_malloc(sizes[i]), 0x21, sizes[i]);
        CHECK_EQ(arca_realloc(block, sizes[i] - sizes[i] / 16), block);
        CHECK_EQ(arca_malloc_usable_size(block), arca_good_size(sizes[i]));
        CHECK_EQ(arca_realloc(block, sizes[i] / 10 * 6), block);
        CHECK(arca_malloc_usable_size(block) < sizes[i] / 10 * 6 + SLICE_SIZE);
        CHECK(holds(block, 0x21, sizes[i] / 10 * 6));
        arca_free(block);
    }
    arca_heap_check();
}

/* As it is while it shrinks: its slices have gone, and its size is still the old one. */
TEST(api, what_lives_is_never_more_than_what_is_mapped)
{
    struct report report;
    void *block = checked(arca_malloc(100 * MIB));
    store_rlx(&page_map_find((uintptr_t)block)->large_size, 400 * MIB);
    report_collect(&report);
    CHECK(report.live_bytes <= report.mapped_bytes);
    CHECK(report.live_bytes >= 100 * MIB);
}

/* Arenas that others unmap while it walks were counted as they were. */
TEST(api, what_lives_is_never_more_than_what_is_mapped_where_arenas_leave_meanwhile)
{
    struct report report;
    checked(arca_malloc(100 * MIB));
    size_t mapped = exchange_rlx(&arenas.mapped_slices, 1);
    report_collect(&report);
    store_rlx(&arenas.mapped_slices, mapped);
    CHECK(report.live_bytes >= 100 * MIB);
    CHECK_EQ(report.mapped_bytes, report.live_bytes);
}

/* That of an explicit heap does not move either, though it can not give anything back. */
TEST(api, a_huge_block_of_an_explicit_heap_stays_while_it_is_not_twice_too_large)
{
    arca_heap *heap = checked(arca_heap_create());
    void *block = checked(arca_heap_malloc(heap, 60 * MIB));
    CHECK_EQ(arca_realloc(block, 36 * MIB), block);
    arca_heap_destroy(heap);
}

TEST(api, reallocarray_overflow_is_enomem_and_leaves_the_block)
{
    unsigned char *block = filled(arca_malloc(100), 0x21, 100);
    errno = 0;
    CHECK(arca_reallocarray(block, SIZE_MAX / 4, 5) == NULL);
    CHECK_EQ(errno, ENOMEM);
    block = checked(arca_reallocarray(block, 30, 10));
    CHECK(holds(block, 0x21, 100));
}

/* ---- threads ------------------------------------------------------------------------------------------------------ */

#define HANDED 5000

static void *allocate_many(void *argument)
{
    unsigned char **blocks = argument;
    for (unsigned i = 0; i < HANDED; i++)
        blocks[i] = filled(arca_malloc(1 + i % 700), (unsigned char)i, 1 + i % 700);
    return NULL;
}

TEST(api, blocks_outlive_the_thread_that_made_them)
{
    static unsigned char *blocks[HANDED];
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, allocate_many, blocks) == 0);
    pthread_join(thread, NULL);
    for (unsigned i = 0; i < HANDED; i++) {
        CHECK(holds(blocks[i], (unsigned char)i, 1 + i % 700));
        arca_free(blocks[i]);
    }
    arca_heap_check();
}

static void *allocate_a_few(void *argument)
{
    void **blocks = argument;
    for (unsigned i = 0; i < 5; i++)
        blocks[i] = checked(arca_malloc(100));
    return NULL;
}

TEST(api, threads_that_allocate_little_attach_no_heap)
{
    keep_still();
    arca_free(checked(arca_malloc(1))); /* the first thread has one */
    struct arca_stats before = { .size = sizeof before }, after = { .size = sizeof after };
    arca_stats_get(&before);
    for (unsigned i = 0; i < 20; i++) {
        void *blocks[5];
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, allocate_a_few, blocks) == 0);
        pthread_join(thread, NULL);
        for (unsigned k = 0; k < 5; k++)
            arca_free(blocks[k]);
    }
    arca_stats_get(&after);
    CHECK_EQ(after.threads_attached, before.threads_attached);
    arca_heap_check();
}

/* Whose end nobody hears of gets no heap: nobody would take it back. */
TEST(api, where_all_keys_are_taken_threads_have_no_heap_of_their_own)
{
    static unsigned char *blocks[HANDED];
    struct arca_stats stats = { .size = sizeof stats };
    pthread_key_t key;
    pthread_t thread;
    keep_still();
    while (pthread_key_create(&key, NULL) == 0)
        ;
    allocate_many(blocks);
    for (unsigned i = 0; i < HANDED; i++)
        arca_free(blocks[i]);
    REQUIRE(pthread_create(&thread, NULL, allocate_many, blocks) == 0);
    pthread_join(thread, NULL);
    for (unsigned i = 0; i < HANDED; i++) {
        CHECK(holds(blocks[i], (unsigned char)i, 1 + i % 700));
        arca_free(blocks[i]);
    }
    arca_stats_get(&stats);
    CHECK_EQ(stats.threads_attached, 0);
    arca_heap_check();
}

static pthread_key_t late_key;

static void allocate_late(void *block)
{
    /* Destructors run in rounds: ours has run when the last of them comes. */
    static __thread unsigned rounds;
    CHECK(holds(block, 0x31, 500));
    arca_free(block);
    if (++rounds < 4)
        pthread_setspecific(late_key, filled(arca_malloc(500), 0x31, 500));
}

static void *end_late(void *argument)
{
    static __thread void *blocks[HANDED];
    allocate_many(blocks);
    for (unsigned i = 0; i < HANDED; i++)
        arca_free(blocks[i]);
    pthread_setspecific(late_key, filled(arca_malloc(500), 0x31, 500));
    return argument;
}

TEST(api, destructors_may_allocate_and_free_after_the_thread_s_heap_has_gone)
{
    REQUIRE(pthread_key_create(&late_key, allocate_late) == 0);
    for (unsigned round = 0; round < 10; round++) {
        pthread_t threads[3];
        for (unsigned i = 0; i < 3; i++)
            REQUIRE(pthread_create(&threads[i], NULL, end_late, NULL) == 0);
        for (unsigned i = 0; i < 3; i++)
            pthread_join(threads[i], NULL);
    }
    arca_heap_check();
}

/* ---- giving back ----------------------------------------------------------------------------------------------------- */

TEST(api, trim_gives_back_all_that_is_free)
{
    keep_still();
    static void *blocks[20000];
    for (unsigned i = 0; i < 20000; i++)
        blocks[i] = filled(arca_malloc(1000), 1, 1000);
    for (unsigned i = 0; i < 20000; i++)
        arca_free(blocks[i]);
    CHECK_EQ(arca_trim(0), 1);
    struct arca_stats now = { .size = sizeof now };
    arca_stats_get(&now);
    CHECK_EQ(now.dirty, 0);
    CHECK_EQ(now.live, 0);
    CHECK(now.purged_bytes + now.unmapped_bytes >= 20000 * 1000);
}

static struct heap *heap_of(const void *block)
{
    return load_rlx(&page_map_find((uintptr_t)block)->heap);
}

/* What comes back to it is to be given back as well. */
static void *check_that_it_is_swept_again(void *heap)
{
    void *block = heap != NULL ? arca_heap_malloc(heap, 100) : arca_malloc(100), *other = heap != NULL ? arca_heap_malloc(heap, 100) : NULL;
    struct heap *of = heap_of(checked(block));
    CHECK_EQ(load_rlx(&of->state), HEAP_SHARED); /* of all threads that have none, where none is named */
    arca_trim(0);
    CHECK(!heap_needs_sweep(of));
    if (heap != NULL)
        arca_free(other);
    else
        other = checked(arca_malloc(100));
    CHECK(heap_needs_sweep(of));
    arca_free(block);
    return NULL;
}

TEST(api, a_heap_with_a_lock_that_was_swept_is_worth_a_visit_after_each_use)
{
    pthread_t thread;
    keep_still();
    arca_free(checked(arca_malloc(100))); /* the first thread has a heap at once */
    REQUIRE(pthread_create(&thread, NULL, check_that_it_is_swept_again, NULL) == 0);
    pthread_join(thread, NULL);
    arca_heap *heap = arca_heap_create();
    check_that_it_is_swept_again(heap);
    arca_heap_destroy(heap);
}

TEST(api, trim_with_nothing_to_give_back_says_so)
{
    keep_still();
    arca_trim(0);
    CHECK_EQ(arca_trim(0), 0);
}

TEST(api, trim_keeps_what_is_live)
{
    static unsigned char *blocks[30000];
    for (unsigned i = 0; i < 30000; i++)
        blocks[i] = filled(arca_malloc(16 + i % 300), (unsigned char)i, 16 + i % 300);
    for (unsigned i = 0; i < 30000; i++) {
        if (i % 100 != 0)
            arca_free(blocks[i]);
    }
    arca_trim(0);
    for (unsigned i = 0; i < 30000; i += 100)
        CHECK(holds(blocks[i], (unsigned char)i, 16 + i % 300));
    arca_heap_check();
}

/* ---- explicit heaps ------------------------------------------------------------------------------------------------------ */

TEST(api, a_destroyed_heap_takes_all_its_blocks_along)
{
    keep_still();
    struct arca_stats before = { .size = sizeof before }, after = { .size = sizeof after };
    arca_free(checked(arca_malloc(1)));
    arca_trim(0);
    arca_stats_get(&before);
    arca_heap *heap = checked(arca_heap_create());
    for (size_t size = 1; size < 80 * MIB; size = size * 2 + 1) {
        for (unsigned i = 0; i < 3; i++)
            checked(arca_heap_malloc(heap, size));
    }
    arca_heap_destroy(heap);
    arca_stats_get(&after);
    CHECK_EQ(after.live, before.live);
    arca_heap_check();
}

TEST(api, blocks_of_a_heap_can_be_freed_one_by_one)
{
    arca_heap *heap = checked(arca_heap_create());
    for (unsigned i = 0; i < 20000; i++)
        arca_free(filled(arca_heap_malloc(heap, 1 + i % 40000), 1, 1 + i % 40000));
    arca_heap_check();
    arca_heap_destroy(heap);
}

/* It dies with its heap. */
TEST(api, a_block_of_a_heap_is_not_used_again_outside_of_it)
{
    arca_free(checked(arca_malloc(100)));
    arca_heap *heap = checked(arca_heap_create());
    void *block = checked(arca_heap_malloc(heap, 100));
    arca_free(block);
    for (unsigned i = 0; i < 300; i++)
        CHECK(checked(arca_malloc(100)) != block);
    CHECK_EQ(arca_heap_malloc(heap, 100), block);
    arca_heap_destroy(heap);
}

TEST(api, a_realloc_keeps_a_block_in_its_heap)
{
    keep_still();
    struct arca_stats before = { .size = sizeof before }, after = { .size = sizeof after };
    arca_heap *heap = checked(arca_heap_create());
    arca_stats_get(&before);
    for (unsigned from = 0; from < ARCA_ARRAY_LENGTH(steps); from++) {
        for (unsigned to = 0; to < ARCA_ARRAY_LENGTH(steps); to += 3) {
            unsigned char *block = checked(arca_heap_malloc(heap, steps[from]));
            stamp_pages(block, steps[from]);
            block = checked(arca_realloc(block, steps[to]));
            check_pages(block, steps[to], steps[from]);
        }
    }
    arca_heap_destroy(heap);
    arca_trim(0);
    arca_stats_get(&after);
    CHECK_EQ(after.live, before.live);
    arca_heap_check();
}

TEST(api, a_heap_s_calloc_zeroes_recycled_memory)
{
    arca_heap *heap = checked(arca_heap_create());
    for (size_t size = 1; size < 2 * MIB; size = size * 2 + 1) {
        for (unsigned round = 0; round < 3; round++) {
            unsigned char *block = checked(arca_heap_calloc(heap, 1, size));
            CHECK(holds(block, 0, size));
            arca_free(filled(block, 0xff, size));
        }
    }
    arca_heap_destroy(heap);
}

TEST(api, a_heap_keeps_alignments)
{
    arca_heap *heap = checked(arca_heap_create());
    for (size_t align = 1; align <= MIB; align *= 2) {
        for (size_t size = 0; size < MIB; size = size * 5 + 1) {
            unsigned char *block = checked(arca_heap_aligned_alloc(heap, align, size));
            CHECK_EQ((uintptr_t)block % align, 0);
            block[arca_malloc_usable_size(block) - 1] = 1;
        }
    }
    arca_heap_destroy(heap);
}

TEST(api, a_heap_has_the_same_errno_rules)
{
    arca_heap *heap = checked(arca_heap_create());
    errno = 0;
    CHECK(arca_heap_malloc(heap, SIZE_MAX) == NULL);
    CHECK_EQ(errno, ENOMEM);
    errno = 0;
    CHECK(arca_heap_calloc(heap, SIZE_MAX, 2) == NULL);
    CHECK_EQ(errno, ENOMEM);
    errno = 0;
    CHECK(arca_heap_aligned_alloc(heap, 24, 10) == NULL);
    CHECK_EQ(errno, EINVAL);
    arca_heap_destroy(heap);
    arca_heap_destroy(NULL);
}

/* ---- figures --------------------------------------------------------------------------------------------------------------- */

TEST(api, live_bytes_follow_the_program)
{
    keep_still();
    static void *blocks[3000];
    struct arca_stats before = { .size = sizeof before }, full = { .size = sizeof full };
    CHECK_EQ(arca_stats_get(&before), 0);
    size_t sum = 0;
    for (unsigned i = 0; i < 3000; i++) {
        blocks[i] = checked(arca_malloc(i * 20));
        sum += arca_malloc_usable_size(blocks[i]);
    }
    arca_stats_get(&full);
    CHECK_EQ(full.allocated - before.allocated, sum);
    CHECK(full.live <= full.allocated);
    CHECK(full.mapped >= full.live + full.cached + full.slack + full.dirty);
    CHECK(full.meta != 0);
}

static struct arca_stats stats_now(void)
{
    struct arca_stats now = { .size = sizeof now };
    CHECK_EQ(arca_stats_get(&now), 0);
    CHECK_EQ(now.live + now.slack + now.cached + now.dirty + now.meta, now.resident);
    return now;
}

/* A block of it takes that, and what is in front of it. */
#define THREE_MIB (3 * MIB - LARGE_OFFSET)

TEST(api, what_was_never_written_to_is_allocated_and_not_live)
{
    keep_still();
    struct arca_stats before = stats_now();
    char *block = checked(arca_malloc(40 * MIB - LARGE_OFFSET));
    memset(block, 1, THREE_MIB);
    struct arca_stats now = stats_now();
    CHECK_EQ(now.allocated - before.allocated, 40 * MIB - LARGE_OFFSET);
    CHECK_EQ(now.large - before.large, 40 * MIB - LARGE_OFFSET);
    CHECK_EQ(now.live - before.live, THREE_MIB);
    arca_free(block);
    now = stats_now();
    CHECK_EQ(now.allocated, before.allocated);
    CHECK_EQ(now.dirty - before.dirty, 3 * MIB);
}

TEST(api, calloc_of_a_huge_block_that_is_recycled_takes_no_memory_before_it_is_used)
{
    keep_still();
    arca_free(filled(arca_malloc(40 * MIB), 1, 40 * MIB));
    struct arca_stats before = stats_now();
    unsigned char *block = checked(arca_calloc(1, 40 * MIB));
    CHECK_EQ(stats_now().live, before.live);
    CHECK(block[0] == 0 && block[40 * MIB - 1] == 0);
    arca_free(block);
}

TEST(api, blocks_in_bins_are_cached_and_not_live)
{
    keep_still();
    void *blocks[100];
    for (unsigned i = 0; i < 100; i++)
        blocks[i] = filled(arca_malloc(100), 1, 100);
    struct arca_stats full = stats_now();
    for (unsigned i = 0; i < 100; i++)
        arca_free(blocks[i]);
    struct arca_stats now = stats_now();
    CHECK_EQ(full.live - now.live, 100 * arca_good_size(100));
    CHECK_EQ(now.cached - full.cached, 100 * arca_good_size(100));
    CHECK_EQ(full.allocated - now.allocated, 100 * arca_good_size(100));
    CHECK_EQ(now.resident, full.resident);
}

TEST(api, a_large_block_that_is_kept_for_the_next_is_cached)
{
    keep_still();
    unsigned char *block = filled(arca_malloc(100 * 1024), 1, 100 * 1024);
    struct arca_stats full = stats_now();
    arca_free(block);
    struct arca_stats now = stats_now();
    CHECK_EQ(full.live - now.live, 100 * 1024);
    CHECK_EQ(now.cached - full.cached, 100 * 1024);
    CHECK_EQ(full.allocated - now.allocated, 100 * 1024);
    CHECK_EQ(now.dirty, full.dirty);
}

static void *free_all(void *argument)
{
    void **blocks = argument;
    for (unsigned i = 0; i < 5000; i++)
        arca_free(blocks[i]);
    return NULL;
}

TEST(api, blocks_on_their_way_to_their_own_thread_are_cached)
{
    keep_still();
    static void *blocks[5000];
    pthread_t thread;
    for (unsigned i = 0; i < 5000; i++)
        blocks[i] = filled(arca_malloc(1000), 1, 1000);
    struct arca_stats full = stats_now();
    REQUIRE(pthread_create(&thread, NULL, free_all, blocks) == 0);
    pthread_join(thread, NULL);
    struct arca_stats now = stats_now();
    CHECK_EQ(full.allocated - now.allocated, 5000 * arca_good_size(1000));
    CHECK_EQ(now.cached - full.cached, 5000 * arca_good_size(1000));
    arca_trim(0);
    now = stats_now();
    CHECK_EQ(full.allocated - now.allocated, 5000 * arca_good_size(1000));
    CHECK(now.cached < MIB);
}

TEST(api, a_survivor_pins_what_lies_beside_it)
{
    keep_still();
    static void *blocks[4096];
    for (unsigned i = 0; i < 4096; i++)
        blocks[i] = filled(arca_malloc(1024), 1, 1024);
    for (unsigned i = 0; i < 4096; i++) {
        if (i % 4 != 0) /* one is left on each page */
            arca_free(blocks[i]);
    }
    arca_trim(0);
    struct arca_stats now = stats_now();
    struct arca_class_stats rows[100];
    size_t count = arca_stats_classes(rows, 100, sizeof rows[0]), pinned = 0;
    REQUIRE(count <= 100);
    for (size_t i = 0; i < count; i++) {
        CHECK(i == 0 || rows[i].block_size > rows[i - 1].block_size);
        pinned += rows[i].pinned;
        if (rows[i].block_size == 1024) {
            CHECK(rows[i].blocks >= 1024);
            CHECK(rows[i].pinned >= 3 * MIB && rows[i].pinned <= 4 * MIB);
        }
    }
    CHECK_EQ(pinned, now.pinned);
    CHECK(now.slack >= now.pinned);
}

TEST(api, rows_of_a_caller_with_older_headers_are_cut)
{
    struct { size_t block_size, after; } rows[2] = { { 0, 77 }, { 0, 77 } };
    CHECK(arca_stats_classes((struct arca_class_stats *)(void *)rows, 2, sizeof rows[0].block_size) > 2);
    CHECK_EQ(rows[0].block_size, 16);
    CHECK_EQ(rows[0].after, 32); /* rows lie as close as the caller says */
}

TEST(api, why_the_last_purge_left_something)
{
    keep_still();
    arca_trim(0);
    arca_free(filled(arca_malloc(THREE_MIB), 1, THREE_MIB));
    arca_trim(0);
    struct arca_stats now = stats_now();
    CHECK_EQ(now.last_asked_bytes, 3 * MIB);
    CHECK_EQ(now.last_returned_bytes, 3 * MIB);
    CHECK_EQ(now.last_waiting_bytes + now.last_refused_bytes, 0);
    arca_free(filled(arca_malloc(THREE_MIB), 1, THREE_MIB));
    background_round(1000000);
    now = stats_now();
    CHECK_EQ(now.last_asked_bytes, 3 * MIB);
    CHECK_EQ(now.last_waiting_bytes, 3 * MIB);
    CHECK_EQ(now.last_returned_bytes, 0);
    CHECK_EQ(now.dirty, 3 * MIB);
}

TEST(api, dirty_bytes_are_what_waits_for_its_hold)
{
    keep_still();
    arca_trim(0);
    arca_free(filled(arca_malloc(THREE_MIB), 1, THREE_MIB));
    struct arca_stats now = { .size = sizeof now };
    arca_stats_get(&now);
    CHECK_EQ(now.dirty, 3 * MIB);
}

TEST(api, stats_of_a_size_too_small_to_tell_are_einval)
{
    struct arca_stats stats = { .size = sizeof stats.size - 1 };
    errno = 0;
    CHECK_EQ(arca_stats_get(&stats), -1);
    CHECK_EQ(errno, EINVAL);
}

TEST(api, stats_for_a_larger_struct_tell_how_much_they_filled)
{
    struct { struct arca_stats stats; uint64_t later; } wide = { .stats.size = sizeof wide, .later = 77 };
    CHECK_EQ(arca_stats_get(&wide.stats), 0);
    CHECK_EQ(wide.stats.size, sizeof wide.stats);
    CHECK_EQ(wide.later, 77);
}

TEST(api, options_in_force_can_be_asked_for)
{
    uint64_t value = 0;
    CHECK(arca_option_get("purge", &value));
    CHECK_EQ(value, options.purge);
    CHECK(!arca_option_get("nonsense", &value));
    CHECK(!arca_option_get("stats_file", &value));
}

TEST(api, options_can_be_asked_for_as_text_with_their_source)
{
    char text[8];
    options_parse("ARCA_CONF", "purge=1500ms,stats_file=/tmp/x");
    CHECK(arca_option_text("purge", text, sizeof text));
    CHECK_STR(text, "1500ms");
    CHECK(arca_option_text("sweep", text, sizeof text));
    CHECK_STR(text, "on");
    CHECK(!arca_option_text("nonsense", text, sizeof text));
    CHECK(arca_option_text("stats_file", text, 7));
    CHECK_STR(text, "/tmp/x");
    CHECK(!arca_option_text("stats_file", text, 6));
    CHECK_STR(arca_option_source("purge"), "ARCA_CONF");
    CHECK_STR(arca_option_source("sweep"), "default");
    CHECK(arca_option_source("nonsense") == NULL);
    CHECK(strstr(capture(arca_stats_print), "\narca: option purge=1500ms (ARCA_CONF)\n") != NULL);
}

TEST(api, printed_stats_have_a_line_a_counter)
{
    const char *said = capture(arca_stats_print);
    CHECK(strstr(said, "arca: resident ") == said);
    CHECK(strstr(said, "\narca: purged_bytes ") != NULL);
    CHECK(strstr(said, "\narca: heaps_swept ") != NULL);
}

/* ---- failing system calls ------------------------------------------------------------------------------------------------------ */

TEST(api, without_memory_every_function_says_enomem_and_the_heap_stays_usable)
{
    arca_free(checked(arca_malloc(1)));
    arca_heap *heap = checked(arca_heap_create());
    unsigned char *block = filled(arca_malloc(70 * MIB), 3, 70 * MIB);
    void *aligned = NULL;
    os_fault_after(1, true);
    errno = 0;
    CHECK(arca_malloc(40 * MIB) == NULL);
    CHECK_EQ(errno, ENOMEM);
    errno = 0;
    CHECK(arca_calloc(40, MIB) == NULL);
    CHECK_EQ(errno, ENOMEM);
    errno = 0;
    CHECK(arca_aligned_alloc(128 * MIB, 70 * MIB) == NULL); /* an empty arena may be there, at such an address */
    CHECK_EQ(errno, ENOMEM);
    errno = 0;
    CHECK(arca_realloc(block, 200 * MIB) == NULL);
    CHECK_EQ(errno, ENOMEM);
    errno = 0;
    CHECK(arca_heap_malloc(heap, 90 * MIB) == NULL);
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(arca_posix_memalign(&aligned, 64, 90 * MIB), ENOMEM);
    os_fault_after(0, false);
    CHECK(holds(block, 3, 70 * MIB));
    arca_heap_check();
    arca_free(checked(arca_malloc(40 * MIB)));
    arca_free(checked(arca_realloc(block, 200 * MIB)));
    arca_heap_destroy(heap);
}
