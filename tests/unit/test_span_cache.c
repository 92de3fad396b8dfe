/* Spare large blocks of a heap: which are kept, which are taken, which make way. */
#include "harness.h"

#include "arenas/arena.h"
#include "arenas/large.h"
#include "arenas/page_map.h"
#include "heap/span_cache.h"

static struct span *create(uint32_t slices)
{
    bool zeroed;
    struct span *span = large_create(slices * SLICE_SIZE, 1, &zeroed);
    REQUIRE(span != NULL);
    return span;
}

static void put(struct span_cache *cache, struct span *span)
{
    REQUIRE(span_cache_has_room(cache, span));
    span_cache_put(cache, span);
    span_cache_check(cache);
}

TEST(span_cache, the_last_one_freed_is_the_first_taken)
{
    struct span_cache cache = { .count = 0 };
    struct span *first = create(2), *second = create(2);
    put(&cache, first);
    put(&cache, second);
    CHECK_EQ(span_cache_take(&cache, 2), second);
    first->stained = false;
    CHECK_EQ(span_cache_take(&cache, 2), first);
    CHECK(first->stained);
    CHECK(span_cache_take(&cache, 2) == NULL);
    CHECK_EQ(cache.slices, 0);
}

TEST(span_cache, only_exactly_the_size_is_taken)
{
    struct span_cache cache = { .count = 0 };
    struct span *two = create(2), *three = create(3), *four = create(4);
    put(&cache, two);
    put(&cache, three);
    put(&cache, four);
    CHECK(span_cache_take(&cache, 1) == NULL);
    CHECK(span_cache_take(&cache, 5) == NULL);
    CHECK_EQ(span_cache_take(&cache, 3), three);
    span_cache_check(&cache);
    CHECK_EQ(span_cache_take(&cache, 2), two);
    CHECK_EQ(span_cache_take(&cache, 4), four);
}

TEST(span_cache, a_spare_starts_at_its_span)
{
    struct span_cache cache = { .count = 0 };
    bool zeroed;
    struct span *span = large_create(LARGE_OFFSET_MIN, LARGE_ANYWHERE, &zeroed);
    REQUIRE(span != NULL && span_offset(span) != 0);
    REQUIRE(large_resize(span, 10 * SLICE_SIZE, 0) == span && span_offset(span) != 0);
    put(&cache, span);
    REQUIRE(span_cache_take(&cache, 11) == span);
    CHECK_EQ(span_offset(span), 0);
}

TEST(span_cache, a_spare_is_nobodys_block)
{
    struct span_cache cache = { .count = 0 };
    struct span *span = create(3);
    put(&cache, span);
    CHECK(page_map_find(span->start) == NULL);
    CHECK_EQ(load_rlx(&span->kind), SPAN_SPARE);
    span_cache_take(&cache, 3);
    CHECK_EQ(page_map_find(span->start), span);
    CHECK_EQ(load_rlx(&span->kind), SPAN_LARGE);
    arena_check();
}

TEST(span_cache, the_oldest_make_way_for_slices_and_for_places)
{
    struct span_cache cache = { .count = 0 };
    put(&cache, create(1));
    put(&cache, create(SPAN_CACHE_SLICES - 3));
    put(&cache, create(2));
    CHECK(!span_cache_has_room(&cache, create(1)));
    span_cache_make_room(&cache, 2, 7);
    CHECK_EQ(cache.count, 1);
    CHECK_EQ(cache.slices, 2);
    CHECK_EQ(load_rlx(&arenas.dirty_slices), SPAN_CACHE_SLICES - 2);
    while (cache.count < SPAN_CACHE_SPANS)
        put(&cache, create(1));
    CHECK(!span_cache_has_room(&cache, create(1)));
    span_cache_make_room(&cache, 1, 7);
    CHECK_EQ(cache.count, SPAN_CACHE_SPANS - 1);
    span_cache_check(&cache);
    arena_check();
}

TEST(span_cache, a_flush_returns_all)
{
    struct span_cache cache = { .count = 0 };
    struct span *spans[] = { create(1), create(5), create(2) };
    for (unsigned i = 0; i < 3; i++)
        put(&cache, spans[i]);
    span_cache_flush(&cache, 7);
    span_cache_check(&cache);
    CHECK_EQ(load_rlx(&arenas.used_slices), 0);
    CHECK_EQ(load_rlx(&arenas.dirty_slices), 8);
    arena_check();
}
