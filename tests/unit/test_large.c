/* Large blocks: sizes, alignment, resizing in place. */
#include "harness.h"

#include "arenas/arena.h"
#include "arenas/large.h"
#include "arenas/site.h"

#define MIB ((size_t)1 << 20)

static struct span *create(size_t bytes)
{
    bool zeroed;
    struct span *span = large_create(bytes, 1, &zeroed);
    REQUIRE(span != NULL);
    return span;
}

static unsigned char *bytes_of(const struct span *span)
{
    return (unsigned char *)span->start;
}

TEST(large, a_block_is_usable_to_the_end_of_its_last_page)
{
    static const size_t sizes[] = { 1, 4096, 32769, 65536, 65537, 100000, 3 * MIB + 5, 40 * MIB };
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(sizes); i++) {
        struct span *span = create(sizes[i]);
        CHECK_EQ(span->large_size, bits_round_up(sizes[i], OS_PAGE_SIZE));
        CHECK(span->large_size <= span_bytes(span));
        bytes_of(span)[0] = bytes_of(span)[span->large_size - 1] = 1;
    }
    arena_check();
}

TEST(large, a_block_starts_at_a_slice)
{
    for (size_t bytes = 1; bytes < 8 * MIB; bytes = bytes * 3 + 1)
        CHECK_EQ(create(bytes)->start % SLICE_SIZE, 0);
}

static struct span *create_anywhere(size_t bytes)
{
    bool zeroed;
    struct span *span = large_create(bytes, LARGE_ANYWHERE, &zeroed);
    REQUIRE(span != NULL);
    return span;
}

TEST(large, one_of_megabytes_that_may_start_anywhere_does_so_at_no_end_of_a_page)
{
    static const size_t sizes[] = { LARGE_OFFSET_MIN, 2 * MIB, 3 * MIB + 5, 4 * MIB - LARGE_OFFSET, 40 * MIB };
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(sizes); i++) {
        struct span *span = create_anywhere(sizes[i]);
        CHECK_EQ(span->start % SLICE_SIZE, LARGE_OFFSET);
        CHECK_EQ((span->start + span->large_size) % OS_PAGE_SIZE, 0);
        CHECK(span->large_size >= sizes[i] && span->large_size < sizes[i] + OS_PAGE_SIZE);
        CHECK(span_offset(span) + span->large_size <= span_bytes(span));
        bytes_of(span)[0] = bytes_of(span)[span->large_size - 1] = 1;
    }
    CHECK_EQ(create_anywhere(LARGE_OFFSET_MIN - 1)->start % SLICE_SIZE, 0);
    arena_check();
}

TEST(large, where_a_block_starts_in_its_page_stays_when_it_is_resized)
{
    struct span *span = create_anywhere(40 * MIB);
    memset(bytes_of(span), 0x3c, MIB);
    static const size_t sizes[] = { 200 * MIB, 48 * MIB, MIB };
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(sizes); i++) {
        REQUIRE(large_resize(span, sizes[i], 0) == span);
        CHECK_EQ(span->start - span->arena->base, LARGE_OFFSET);
        CHECK_EQ(span->slices, sizes[i] / SLICE_SIZE + 1);
        CHECK_EQ(bytes_of(span)[0], 0x3c);
        CHECK_EQ(bytes_of(span)[MIB - 1], 0x3c);
        bytes_of(span)[span->large_size - 1] = 0x3c;
    }
    span = create_anywhere(2 * MIB);
    CHECK_EQ(span->slices, 2 * MIB / SLICE_SIZE + 1);
    REQUIRE(large_resize(span, 2 * MIB + SLICE_SIZE - LARGE_OFFSET, 0) == span);
    CHECK_EQ(span->slices, 2 * MIB / SLICE_SIZE + 1);
    REQUIRE(large_resize(span, 2 * MIB + SLICE_SIZE, 0) == span);
    CHECK_EQ(span->slices, 2 * MIB / SLICE_SIZE + 2);
    arena_check();
}

TEST(large, sizes_beyond_the_address_space_are_refused)
{
    bool zeroed;
    CHECK(large_create(SIZE_MAX, 1, &zeroed) == NULL);
    CHECK(large_create(SIZE_MAX - SLICE_SIZE, 1, &zeroed) == NULL);
    CHECK(large_create(((size_t)1 << 47) + 1, 1, &zeroed) == NULL);
    CHECK(large_create((size_t)1 << 47, 1, &zeroed) == NULL);
    CHECK(large_create(MIB, (size_t)1 << 63, &zeroed) == NULL);
    arena_check();
}

TEST(large, every_alignment_up_to_a_gib_is_kept)
{
    for (size_t align = 1; align <= 1024 * MIB; align *= 2) {
        bool zeroed;
        struct span *span = large_create(100000, align, &zeroed);
        REQUIRE(span != NULL);
        CHECK_EQ(span->start % align, 0);
        bytes_of(span)[99999] = 1;
    }
    arena_check();
}

TEST(large, a_huge_block_can_be_aligned_too)
{
    bool zeroed;
    struct span *span = large_create(40 * MIB, 256 * MIB, &zeroed);
    REQUIRE(span != NULL);
    CHECK_EQ(span->start % (256 * MIB), 0);
    arena_check();
}

TEST(large, what_claims_to_be_zeroed_is)
{
    for (unsigned round = 0; round < 20; round++) {
        bool zeroed;
        struct span *span = large_create(200000, 1, &zeroed);
        REQUIRE(span != NULL);
        for (size_t i = 0; zeroed && i < span->large_size; i++)
            REQUIRE(bytes_of(span)[i] == 0);
        memset(bytes_of(span), 0xff, span->large_size);
        if (round % 3 != 0)
            large_destroy(span, 0);
    }
}

TEST(large, growth_stays_in_place_where_there_is_room)
{
    struct span *span = create(MIB);
    memset(bytes_of(span), 0x3c, MIB);
    uintptr_t start = span->start;
    CHECK_EQ(large_resize(span, 7 * MIB / 4, 0), span);
    CHECK_EQ(span->start, start);
    CHECK_EQ(span->large_size, 7 * MIB / 4);
    CHECK_EQ(bytes_of(span)[MIB - 1], 0x3c);
    bytes_of(span)[7 * MIB / 4 - 1] = 1;
    span = create(3 * MIB);
    CHECK_EQ(large_resize(span, 5 * MIB, 0), span);
    arena_check();
}

TEST(large, what_grows_to_where_it_is_movable_moves_before)
{
    struct span *span = create(MIB);
    CHECK(large_resize(span, LARGE_MOVABLE_MIN, 0) == NULL);
    CHECK_EQ(span->large_size, MIB);
    span = large_create_movable(LARGE_MOVABLE_MIN);
    REQUIRE(span != NULL);
    memset(bytes_of(span), 0x3c, LARGE_MOVABLE_MIN);
    create(40 * MIB);
    span = large_resize(span, 5 * MIB, 0);
    REQUIRE(span != NULL);
    CHECK_EQ(span->slices, 5 * MIB / SLICE_SIZE);
    CHECK_EQ(bytes_of(span)[LARGE_MOVABLE_MIN - 1], 0x3c);
    bytes_of(span)[5 * MIB - 1] = 1;
    arena_check();
}

TEST(large, growth_is_refused_where_there_is_none_and_nothing_changes)
{
    struct span *span = create(MIB);
    create(MIB);
    CHECK(large_resize(span, 2 * MIB, 0) == NULL);
    CHECK_EQ(span->large_size, MIB);
    arena_check();
}

TEST(large, growth_within_the_last_slice_needs_no_room)
{
    struct span *span = create(70000);
    create(MIB);
    CHECK_EQ(large_resize(span, 131072, 0), span);
    CHECK_EQ(span->large_size, 131072);
}

TEST(large, a_block_cut_to_half_gives_slices_back)
{
    struct span *span = create(4 * MIB);
    CHECK_EQ(large_resize(span, 2 * MIB, 0), span);
    CHECK_EQ(span->large_size, 2 * MIB);
    CHECK_EQ(load_rlx(&arenas.dirty_slices), 2 * MIB / SLICE_SIZE);
    arena_check();
}

TEST(large, a_block_cut_to_less_had_better_move)
{
    struct span *span = create(4 * MIB);
    CHECK(large_resize(span, MIB, 0) == NULL);
    CHECK_EQ(span->large_size, 4 * MIB);
}

TEST(large, a_huge_block_grows_and_shrinks_with_its_contents)
{
    struct span *span = create(40 * MIB);
    memset(bytes_of(span), 0x3c, MIB);
    span = large_resize(span, 200 * MIB, 0);
    REQUIRE(span != NULL);
    CHECK_EQ(span->large_size, 200 * MIB);
    bytes_of(span)[200 * MIB - 1] = 1;
    CHECK_EQ(bytes_of(span)[MIB - 1], 0x3c);
    span = large_resize(span, 48 * MIB, 0);
    REQUIRE(span != NULL);
    CHECK_EQ(span->large_size, 48 * MIB);
    CHECK_EQ(bytes_of(span)[MIB - 1], 0x3c);
    arena_check();
}

TEST(large, a_huge_block_shrinks_to_where_it_had_better_be_among_others)
{
    struct span *span = create(40 * MIB);
    CHECK_EQ(large_resize(span, MIB, 0), span);
    CHECK_EQ(span->slices, MIB / SLICE_SIZE);
    CHECK(large_resize(span, MIB / 2, 0) == NULL);
    CHECK_EQ(span->large_size, MIB);
    arena_check();
}

TEST(large, an_impossible_size_changes_nothing)
{
    struct span *span = create(MIB), *huge = create(40 * MIB);
    CHECK(large_resize(span, SIZE_MAX, 0) == NULL);
    CHECK(large_resize(huge, (size_t)1 << 47, 0) == NULL);
    CHECK_EQ(span->large_size, MIB);
    CHECK_EQ(huge->large_size, 40 * MIB);
    bytes_of(huge)[40 * MIB - 1] = 1;
    arena_check();
}

/* What a pool knows of its last use stands where a block has its site. */
TEST(large, what_was_a_pool_is_no_sample)
{
    bool zeroed;
    struct span *pool = arena_claim(2, 1, SPAN_POOL, &zeroed);
    REQUIRE(pool != NULL);
    pool->touched_ms = 12345;
    arena_return(pool, 0);
    REQUIRE(large_create(2 * SLICE_SIZE, 1, &zeroed) == pool);
    CHECK_EQ(pool->site, SITE_NONE);
}

TEST(large, destroyed_blocks_leave_no_slice_behind)
{
    size_t before = load_rlx(&arenas.used_slices);
    for (size_t bytes = 1; bytes < 300 * MIB; bytes = bytes * 3 + 1)
        large_destroy(create(bytes), 0);
    CHECK_EQ(load_rlx(&arenas.used_slices), before);
    arena_check();
}
