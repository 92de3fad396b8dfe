/* From any value to a span.  The addresses here are far from what the kernel maps by itself. */
#include "faults.h"
#include "harness.h"

#include "arenas/page_map.h"

#include <pthread.h>

#define LEAF_BYTES ((uintptr_t)1 << (SLICE_SHIFT + PAGE_MAP_LEAF_BITS))
#define HOME ((uintptr_t)0x100000000000)

static struct span spans[4];

TEST(page_map, nothing_is_known_of_memory_that_was_never_entered)
{
    int local;
    CHECK(page_map_find(0) == NULL);
    CHECK(page_map_find(HOME) == NULL);
    CHECK(page_map_find((uintptr_t)&local) == NULL);
    CHECK(page_map_find((uintptr_t)spans) == NULL);
}

TEST(page_map, any_64_bit_value_may_be_asked_for)
{
    CHECK(page_map_find(UINTPTR_MAX) == NULL);
    for (unsigned bit = 0; bit < 64; bit++) {
        CHECK(page_map_find((uintptr_t)1 << bit) == NULL);
        CHECK(page_map_find(~((uintptr_t)1 << bit)) == NULL);
    }
}

TEST(page_map, every_address_of_an_entered_slice_finds_its_span)
{
    REQUIRE(page_map_reserve(HOME, 3 * SLICE_SIZE));
    page_map_set(HOME + SLICE_SIZE, 1, &spans[0]);
    CHECK_EQ(page_map_find(HOME + SLICE_SIZE), &spans[0]);
    CHECK_EQ(page_map_find(HOME + SLICE_SIZE + 12345), &spans[0]);
    CHECK_EQ(page_map_find(HOME + 2 * SLICE_SIZE - 1), &spans[0]);
    CHECK(page_map_find(HOME + SLICE_SIZE - 1) == NULL);
    CHECK(page_map_find(HOME + 2 * SLICE_SIZE) == NULL);
}

TEST(page_map, a_span_of_several_slices_is_found_from_each)
{
    REQUIRE(page_map_reserve(HOME, 8 * SLICE_SIZE));
    page_map_set(HOME, 3, &spans[0]);
    page_map_set(HOME + 3 * SLICE_SIZE, 2, &spans[1]);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQ(page_map_find(HOME + i * SLICE_SIZE + 7), &spans[0]);
    for (unsigned i = 3; i < 5; i++)
        CHECK_EQ(page_map_find(HOME + i * SLICE_SIZE + 7), &spans[1]);
    CHECK(page_map_find(HOME + 5 * SLICE_SIZE) == NULL);
}

TEST(page_map, a_cleared_entry_is_forgotten)
{
    REQUIRE(page_map_reserve(HOME, 4 * SLICE_SIZE));
    page_map_set(HOME, 4, &spans[0]);
    page_map_set(HOME + SLICE_SIZE, 2, NULL);
    CHECK_EQ(page_map_find(HOME), &spans[0]);
    CHECK(page_map_find(HOME + SLICE_SIZE) == NULL);
    CHECK(page_map_find(HOME + 2 * SLICE_SIZE) == NULL);
    CHECK_EQ(page_map_find(HOME + 3 * SLICE_SIZE), &spans[0]);
}

TEST(page_map, a_range_may_cross_the_border_of_leaves)
{
    uintptr_t border = HOME + 3 * LEAF_BYTES;
    REQUIRE(page_map_reserve(border - 2 * SLICE_SIZE, 4 * SLICE_SIZE));
    page_map_set(border - 2 * SLICE_SIZE, 4, &spans[2]);
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(page_map_find(border - 2 * SLICE_SIZE + i * SLICE_SIZE), &spans[2]);
    CHECK(page_map_find(border + 2 * SLICE_SIZE) == NULL);
}

TEST(page_map, the_last_slice_of_the_address_space_can_be_entered)
{
    uintptr_t last = ((uintptr_t)1 << PAGE_MAP_ADDRESS_BITS) - SLICE_SIZE;
    REQUIRE(page_map_reserve(last, SLICE_SIZE));
    page_map_set(last, 1, &spans[3]);
    CHECK_EQ(page_map_find(last + SLICE_SIZE - 1), &spans[3]);
    CHECK(page_map_find(last + SLICE_SIZE) == NULL);
}

TEST(page_map, addresses_beyond_the_map_are_refused)
{
    CHECK(!page_map_reserve((uintptr_t)1 << PAGE_MAP_ADDRESS_BITS, SLICE_SIZE));
    CHECK(!page_map_reserve(((uintptr_t)1 << PAGE_MAP_ADDRESS_BITS) - SLICE_SIZE, 2 * SLICE_SIZE));
}

TEST(page_map, without_memory_for_a_leaf_nothing_is_reserved)
{
    REQUIRE(page_map_reserve(HOME + LEAF_BYTES, SLICE_SIZE)); /* the first region needs none */
    os_fault_after(1, false);
    CHECK(!page_map_reserve(HOME, SLICE_SIZE));
    CHECK(page_map_find(HOME) == NULL);
    CHECK(page_map_reserve(HOME, SLICE_SIZE));
}

TEST(page_map, the_first_region_needs_no_memory_for_its_leaf)
{
    os_fault_after(1, true);
    REQUIRE(page_map_reserve(HOME, SLICE_SIZE));
    CHECK(!page_map_reserve(HOME + LEAF_BYTES, SLICE_SIZE));
    page_map_set(HOME, 1, &spans[0]);
    CHECK_EQ(page_map_find(HOME), &spans[0]);
    CHECK(page_map_find(HOME + LEAF_BYTES) == NULL);
}

TEST(page_map, a_leaf_that_exists_costs_no_memory)
{
    REQUIRE(page_map_reserve(HOME, SLICE_SIZE));
    os_fault_after(1, true);
    CHECK(page_map_reserve(HOME + LEAF_BYTES - SLICE_SIZE, SLICE_SIZE));
}

static struct span pool_across(uintptr_t start)
{
    return (struct span){ .start = start, .slices = 2 };
}

TEST(page_map, pages_have_bins_of_their_own)
{
    uintptr_t border = HOME + LEAF_BYTES;
    struct span pool = pool_across(border - SLICE_SIZE);
    REQUIRE(page_map_reserve(pool.start, 2 * SLICE_SIZE));
    page_map_set_bins(&pool, 3 | (uint64_t)1 << 17, 25);
    for (unsigned page = 0; page < 32; page++)
        CHECK_EQ(page_map_bin(pool.start + page * OS_PAGE_SIZE), page <= 1 || page == 17 ? 25 : 0);
    page_map_set_bins(&pool, 1, 0);
    CHECK_EQ(page_map_bin(pool.start), 0);
    CHECK_EQ(page_map_bin(pool.start + OS_PAGE_SIZE), 25);
    CHECK_EQ(page_map_bin((uintptr_t)1 << 62), 0);
}

static void *reserve_all(void *unused)
{
    for (unsigned i = 0; i < 16; i++)
        REQUIRE(page_map_reserve(HOME + i * LEAF_BYTES, SLICE_SIZE));
    return unused;
}

/* P:page map leaf: whoever loses the race for a leaf uses the winner's. */
TEST(page_map, threads_that_reserve_the_same_leaf_agree_on_it)
{
    pthread_t threads[4];
    for (unsigned i = 0; i < 4; i++)
        REQUIRE(pthread_create(&threads[i], NULL, reserve_all, NULL) == 0);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < 16; i++) {
        page_map_set(HOME + i * LEAF_BYTES, 1, &spans[i % 4]);
        CHECK_EQ(page_map_find(HOME + i * LEAF_BYTES), &spans[i % 4]);
    }
}

static _Atomic uintptr_t published;

static void *look_up(void *unused)
{
    uintptr_t address;
    while ((address = load_rlx(&published)) == 0)
        ;
    struct span *span;
    while ((span = page_map_find(address)) == NULL)
        ;
    CHECK_EQ(span->start, HOME); /* plain: ThreadSanitizer objects without the release */
    return unused;
}

/* P:page map entry, scripted: the reader knows the address before the entry exists. */
TEST(page_map, who_finds_a_span_sees_what_was_written_to_it_before)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, look_up, NULL) == 0);
    store_rlx(&published, HOME);
    REQUIRE(page_map_reserve(HOME, SLICE_SIZE));
    spans[0].start = HOME;
    page_map_set(HOME, 1, &spans[0]);
    pthread_join(thread, NULL);
}
