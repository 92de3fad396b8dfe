/* The purger, on a clock of the test's own. */
#include "faults.h"
#include "harness.h"

#include "arenas/arena.h"
#include "arenas/meta.h"
#include "arenas/purge.h"
#include "base/options.h"
#include "base/stats.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define HALF (ARENA_SLICES / 2)
#define HOLD 1000

static struct span *claim_filled(uint32_t slices)
{
    bool zeroed;
    struct span *span = arena_claim(slices, 1, SPAN_LARGE, &zeroed);
    REQUIRE(span != NULL);
    memset((void *)span->start, 0xee, span_bytes(span));
    return span;
}

/* A span that is claimed and not touched. */
static struct span *claim(uint32_t slices)
{
    bool zeroed;
    struct span *span = slices > ARENA_SLICES / 2 ? arena_claim_huge(slices, 1, &zeroed) : arena_claim(slices, 1, SPAN_LARGE, &zeroed);
    REQUIRE(span != NULL);
    return span;
}

static size_t resident_pages(uintptr_t start, size_t bytes)
{
    static unsigned char pages[ARENA_SLICES * SLICE_SIZE / OS_PAGE_SIZE];
    size_t count = 0;
    REQUIRE(mincore((void *)start, bytes, pages) == 0);
    for (size_t i = 0; i < bytes / OS_PAGE_SIZE; i++)
        count += pages[i] & 1;
    return count;
}

TEST(purge, free_slices_stay_until_the_hold_is_over)
{
    struct span *span = claim_filled(4);
    uintptr_t start = span->start;
    arena_return(span, 5000);
    CHECK_EQ(purge_free_slices(5000 + HOLD - 1, HOLD), 0);
    CHECK_EQ(*(unsigned char *)start, 0xee);
    CHECK_EQ((load_rlx(&arenas.dirty_slices) << SLICE_SHIFT), 4 * SLICE_SIZE);
    CHECK_EQ(purge_free_slices(5000 + HOLD, HOLD), 4 * SLICE_SIZE);
    CHECK_EQ((load_rlx(&arenas.dirty_slices) << SLICE_SHIFT), 0);
}

TEST(purge, purged_pages_are_not_resident_any_more)
{
    struct span *span = claim_filled(4);
    uintptr_t start = span->start;
    arena_return(span, 0);
    CHECK_EQ(resident_pages(start, 4 * SLICE_SIZE), 4 * SLICE_SIZE / OS_PAGE_SIZE);
    purge_free_slices(HOLD, HOLD);
    CHECK_EQ(resident_pages(start, 4 * SLICE_SIZE), 0);
}

TEST(purge, purged_slices_are_claimed_zeroed)
{
    struct span *span = claim_filled(4);
    uintptr_t start = span->start;
    bool zeroed = false;
    arena_return(span, 0);
    purge_free_slices(HOLD, HOLD);
    span = arena_claim(4, 1, SPAN_LARGE, &zeroed);
    CHECK_EQ(span->start, start);
    CHECK(zeroed);
    for (size_t i = 0; i < span_bytes(span); i++)
        REQUIRE(((unsigned char *)start)[i] == 0);
}

/* The kernel has not taken their pages yet, most likely. */
TEST(purge, lazily_purged_slices_are_not_called_zeroed)
{
    bool zeroed = true;
    options.lazy = 1;
    os_set_lazy(true);
    arena_return(claim_filled(4), 0);
    CHECK_EQ(purge_free_slices(HOLD, HOLD), 4 * SLICE_SIZE);
    REQUIRE(arena_claim(4, 1, SPAN_LARGE, &zeroed) != NULL);
    CHECK(!zeroed);
}

TEST(purge, each_slice_has_a_time_of_its_own)
{
    struct span *early = claim_filled(2), *late = claim_filled(3);
    arena_return(early, 0);
    arena_return(late, 600);
    CHECK_EQ(purge_free_slices(HOLD, HOLD), 2 * SLICE_SIZE);
    CHECK_EQ((load_rlx(&arenas.dirty_slices) << SLICE_SHIFT), 3 * SLICE_SIZE);
    CHECK_EQ(purge_free_slices(HOLD + 600, HOLD), 3 * SLICE_SIZE);
}

TEST(purge, a_slice_that_was_used_in_between_starts_its_hold_anew)
{
    arena_return(claim_filled(2), 0);
    arena_return(claim_filled(2), 600);
    CHECK_EQ(purge_free_slices(HOLD, HOLD), 0);
    CHECK_EQ(purge_free_slices(HOLD + 600, HOLD), 2 * SLICE_SIZE);
}

/* A pool's span at the start of a huge page, the rest of which is dirty as of now. */
static struct span *claim_huge_page(uint32_t slices)
{
    bool zeroed;
    claim(HALF);
    struct span *span = arena_claim_ahead(slices, &zeroed);
    REQUIRE(span != NULL && load_rlx(&span->arena->huge_pages.whole) != 0);
    memset((void *)span->start, 0xee, span_bytes(span));
    return span;
}

TEST(purge, a_free_huge_page_waits_for_its_youngest_slice)
{
    uint32_t now_ms = os_now_ms();
    struct span *span = claim_huge_page(2);
    uintptr_t start = span->start;
    arena_return(span, now_ms + 10 * HOLD);
    CHECK_EQ(purge_free_slices(now_ms + 2 * HOLD, HOLD), 0);
    CHECK_EQ(resident_pages(start, HUGE_PAGE_SIZE), HUGE_PAGE_SIZE / OS_PAGE_SIZE);
    CHECK_EQ(purge_free_slices(now_ms + 11 * HOLD, HOLD), HUGE_PAGE_SIZE);
    CHECK_EQ(resident_pages(start, HUGE_PAGE_SIZE), 0);
    arena_check();
}

TEST(purge, a_huge_page_in_use_is_broken_up_for_its_free_slices)
{
    uint32_t now_ms = os_now_ms();
    struct span *span = claim_huge_page(2);
    struct arena *arena = span->arena;
    CHECK_EQ(purge_free_slices(now_ms + 2 * HOLD, HOLD), HUGE_PAGE_SIZE - 2 * SLICE_SIZE);
    CHECK_EQ(load_rlx(&arena->huge_pages.whole), 0);
    CHECK_EQ(resident_pages(span->start, HUGE_PAGE_SIZE), 2 * SLICE_SIZE / OS_PAGE_SIZE);
    for (size_t i = 0; i < span_bytes(span); i++)
        REQUIRE(((unsigned char *)span->start)[i] == 0xee);
    arena_return(span, now_ms);
    CHECK_EQ(purge_free_slices(now_ms + 2 * HOLD, HOLD), 2 * SLICE_SIZE);
}

TEST(purge, a_range_over_several_huge_pages_breaks_those_at_its_ends)
{
    struct huge_pages pages = { .base = 4 * HUGE_PAGE_SIZE };
    struct os_range range = { (void *)(5 * HUGE_PAGE_SIZE), 2 * HUGE_PAGE_SIZE };
    store_rlx(&pages.whole, 0x1fu);
    huge_page_break(&pages, &range);
    CHECK_EQ(load_rlx(&pages.whole), 0x19);
    range.address = (void *)(7 * HUGE_PAGE_SIZE + OS_PAGE_SIZE);
    range.bytes = HUGE_PAGE_SIZE;
    huge_page_break(&pages, &range);
    CHECK_EQ(load_rlx(&pages.whole), 0x01);
}

TEST(purge, slices_in_use_keep_their_contents)
{
    struct span *a = claim_filled(2), *b = claim_filled(2), *c = claim_filled(2);
    arena_return(a, 0);
    arena_return(c, 0);
    CHECK_EQ(purge_free_slices(HOLD, 0), 4 * SLICE_SIZE);
    for (size_t i = 0; i < span_bytes(b); i++)
        REQUIRE(((unsigned char *)b->start)[i] == 0xee);
    arena_check();
}

TEST(purge, the_hold_survives_the_end_of_the_clock)
{
    arena_return(claim_filled(2), UINT32_MAX - 500);
    CHECK_EQ(purge_free_slices(UINT32_MAX, HOLD), 0);
    CHECK_EQ(purge_free_slices(400, HOLD), 0);
    CHECK_EQ(purge_free_slices(500, HOLD), 2 * SLICE_SIZE);
}

TEST(purge, memory_freed_after_the_round_began_is_not_due)
{
    arena_return(claim_filled(2), 2000);
    CHECK_EQ(purge_free_slices(1990, 0), 0);
    CHECK_EQ(purge_free_slices(2000, 0), 2 * SLICE_SIZE);
}

TEST(purge, more_runs_than_a_call_can_take_are_all_purged)
{
    enum { RUNS = OS_RANGES_MAX * 3 + 1 };
    struct span *spans[2 * RUNS];
    for (unsigned i = 0; i < 2 * RUNS; i++)
        spans[i] = claim_filled(1);
    for (unsigned i = 0; i < 2 * RUNS; i += 2)
        arena_return(spans[i], 0);
    CHECK_EQ(purge_free_slices(HOLD, HOLD), RUNS * SLICE_SIZE);
    for (unsigned i = 1; i < 2 * RUNS; i += 2)
        CHECK_EQ(*(unsigned char *)spans[i]->start, 0xee);
    arena_check();
}

TEST(purge, what_is_given_back_is_counted)
{
    uint64_t runs = stats_read(purge_runs), bytes = stats_read(purged_bytes);
    arena_return(claim_filled(3), 0);
    purge_free_slices(HOLD, HOLD);
    CHECK_EQ(stats_read(purge_runs), runs + 1);
    CHECK_EQ(stats_read(purged_bytes), bytes + 3 * SLICE_SIZE);
}

/* ---- whole arenas ----------------------------------------------------------------------------------- */

/* Fills two arenas and returns all of it at time 0. */
static void empty_two_arenas(void)
{
    struct span *spans[4];
    for (unsigned i = 0; i < 4; i++)
        spans[i] = claim(HALF);
    REQUIRE(load_rlx(&arenas.mapped_slices) == 2 * ARENA_SLICES);
    for (unsigned i = 0; i < 4; i++)
        arena_return(spans[i], 0);
}

TEST(purge, of_empty_arenas_one_stays_mapped)
{
    empty_two_arenas();
    purge_free_slices(HOLD, HOLD);
    CHECK_EQ(load_rlx(&arenas.mapped_slices), ARENA_SLICES);
    CHECK_EQ((load_rlx(&arenas.dirty_slices) << SLICE_SHIFT), 0);
    CHECK_EQ(stats_read(arenas_unmapped), 1);
    arena_check();
}

TEST(purge, an_empty_arena_stays_until_the_hold_is_over)
{
    empty_two_arenas();
    purge_free_slices(HOLD - 1, HOLD);
    CHECK_EQ(load_rlx(&arenas.mapped_slices), 2 * ARENA_SLICES);
}

TEST(purge, with_no_hold_one_empty_arena_stays_mapped_too)
{
    empty_two_arenas();
    CHECK_EQ(purge_free_slices(0, 0), 2 * ARENA_SLICES * SLICE_SIZE);
    CHECK_EQ(load_rlx(&arenas.mapped_slices), ARENA_SLICES);
    CHECK_EQ((load_rlx(&arenas.dirty_slices) << SLICE_SHIFT), 0);
    CHECK_EQ(arenas.purging, 0);
    arena_check();
}

/* Of two empty arenas the one that became so later stays: what is claimed after the first of these goes with the
 * second, if it was returned before it. */
static struct span *kept[2];

static void fill_the_arena_that_stays(void)
{
    for (unsigned i = 0; i < 2; i++)
        kept[i] = claim(HALF);
}

static void purge_all_but_the_arena_that_stays(void)
{
    for (unsigned i = 0; i < 2; i++)
        arena_return(kept[i], 0);
    purge_free_slices(0, 0);
    REQUIRE(load_rlx(&arenas.mapped_slices) == ARENA_SLICES);
}

TEST(purge, of_an_unmapped_arena_what_was_dirty_counts_as_released)
{
    fill_the_arena_that_stays();
    arena_return(claim_filled(2), 0);
    purge_all_but_the_arena_that_stays();
    CHECK_EQ(stats_read(released_bytes), 2 * SLICE_SIZE);
    CHECK_EQ(stats_read(unmapped_bytes), ARENA_SLICES * SLICE_SIZE);
}

TEST(purge, an_unmapped_arena_is_gone_from_the_address_space)
{
    fill_the_arena_that_stays();
    struct span *span = claim_filled(2);
    uintptr_t start = span->start;
    unsigned char resident;
    arena_return(span, 0);
    purge_all_but_the_arena_that_stays();
    CHECK(mincore((void *)start, OS_PAGE_SIZE, &resident) != 0);
}

TEST(purge, the_record_of_an_unmapped_arena_serves_the_next)
{
    fill_the_arena_that_stays();
    struct span *span = claim_filled(2);
    struct arena *record = span->arena;
    arena_return(span, 0);
    purge_all_but_the_arena_that_stays();
    fill_the_arena_that_stays();
    span = claim_filled(5);
    CHECK_EQ(span->arena, record);
    CHECK_EQ(record->free_slices, ARENA_SLICES - 5);
    arena_check();
}

TEST(purge, the_description_of_an_unmapped_arena_is_given_back_too)
{
    enum { SPANS = 64 }; /* of which a page describes 32 */
    struct span *spans[SPANS];
    REQUIRE(meta_create(64) != NULL); /* records lie behind others, not at the start of a mapping */
    fill_the_arena_that_stays();
    for (unsigned i = 0; i < SPANS; i++)
        spans[i] = claim(1);
    uintptr_t first = bits_round_up((uintptr_t)spans[0]->arena->spans, OS_PAGE_SIZE);
    CHECK_EQ(resident_pages(first, OS_PAGE_SIZE), 1);
    for (unsigned i = 0; i < SPANS; i++)
        arena_return(spans[i], 0);
    purge_all_but_the_arena_that_stays();
    CHECK_EQ(resident_pages(first, OS_PAGE_SIZE), 0);
}

TEST(purge, a_huge_arena_is_unmapped_after_the_hold)
{
    struct span *huge = claim(HALF + 100);
    arena_return(huge, 0);
    CHECK_EQ(purge_free_slices(HOLD - 1, HOLD), 0);
    CHECK_EQ(purge_free_slices(HOLD, HOLD), (HALF + 100) * SLICE_SIZE);
    CHECK_EQ(load_rlx(&arenas.mapped_slices), 0);
    arena_check();
}

TEST(purge, the_record_of_a_huge_arena_can_become_a_common_one)
{
    struct span *huge = claim(HALF + 100);
    struct arena *record = huge->arena;
    arena_return(huge, 0);
    purge_free_slices(0, 0);
    struct span *span = claim_filled(5);
    CHECK_EQ(span->arena, record);
    CHECK(!record->huge);
    arena_check();
}

/* ---- a kernel that refuses ---------------------------------------------------------------------------- */

TEST(purge, what_the_kernel_refuses_stays_dirty)
{
    arena_return(claim_filled(2), 0);
    os_fault_after(1, true);
    CHECK_EQ(purge_free_slices(HOLD, HOLD), 0);
    os_fault_after(0, false);
    CHECK_EQ((load_rlx(&arenas.dirty_slices) << SLICE_SHIFT), 2 * SLICE_SIZE);
    CHECK_EQ(stats_read(purge_failures), 1);
    CHECK_EQ(stats_read(last_refused_bytes), 2 * SLICE_SIZE);
    CHECK_EQ(stats_read(last_waiting_bytes), 0);
    arena_check();
}

TEST(purge, what_was_refused_is_no_work_until_there_is_more)
{
    CHECK(!purge_has_work());
    struct span *other = claim_filled(3);
    arena_return(claim_filled(2), 0);
    CHECK(purge_has_work());
    os_fault_after(1, true);
    purge_free_slices(HOLD, HOLD);
    os_fault_after(0, false);
    CHECK(!purge_has_work());
    arena_return(other, 0);
    CHECK(purge_has_work());
}

TEST(purge, after_a_refusal_it_is_tried_again_a_hold_later)
{
    arena_return(claim_filled(2), 0);
    os_fault_after(1, true);
    purge_free_slices(HOLD, HOLD);
    os_fault_after(0, false);
    CHECK_EQ(purge_free_slices(HOLD + 1, HOLD), 0);
    CHECK_EQ(purge_free_slices(2 * HOLD, HOLD), 2 * SLICE_SIZE);
    CHECK_EQ((load_rlx(&arenas.dirty_slices) << SLICE_SHIFT), 0);
}

TEST(purge, refused_slices_can_be_claimed_and_are_not_called_zeroed)
{
    arena_return(claim_filled(2), 0);
    os_fault_after(1, true);
    purge_free_slices(HOLD, HOLD);
    os_fault_after(0, false);
    bool zeroed = true;
    REQUIRE(arena_claim(2, 1, SPAN_LARGE, &zeroed) != NULL);
    CHECK(!zeroed);
}

/* ---- fork ------------------------------------------------------------------------------------------- */

static void *map_whole(void *context, size_t bytes, size_t align)
{
    (void)context;
    return os_map(bytes, align);
}

/* In the middle of a purge. */
static void unmap_and_fork(void *context, void *address, size_t bytes)
{
    int *status = context;
    pid_t child = fork();
    if (child == 0) {
        arena_fork_child();
        purge_fork_child();
        arca_arena_source_set(NULL);
        arena_return(claim_filled(2), 0);
        _exit(purge_free_slices(HOLD, HOLD) >= 2 * SLICE_SIZE ? 0 : 1);
    }
    waitpid(child, status, 0);
    os_unmap(address, bytes);
}

TEST(purge, in_the_child_of_a_fork_in_the_middle_of_a_purge_there_is_another)
{
    int status = -1;
    struct arca_arena_source source = { sizeof source, &status, map_whole, unmap_and_fork };
    REQUIRE(arca_arena_source_set(&source) == 0);
    fill_the_arena_that_stays();
    arena_return(claim_filled(2), 0);
    purge_all_but_the_arena_that_stays();
    CHECK_EQ(status, 0);
}
