/* Arenas: claims against a model, the order of choice, and what failing system calls and forks leave. */
#include "faults.h"
#include "harness.h"
#include "threads.h"

#include "arenas/arena.h"
#include "arenas/page_map.h"
#include "arenas/purge.h"
#include "base/options.h"

#include <stdlib.h>

#define HALF (ARENA_SLICES / 2)

static struct span *claim_any(uint32_t slices, uint32_t align, bool *zeroed)
{
    return slices > HALF ? arena_claim_huge(slices, align, zeroed) : arena_claim(slices, align, SPAN_LARGE, zeroed);
}

static struct span *claim(uint32_t slices)
{
    bool zeroed;
    struct span *span = claim_any(slices, 1, &zeroed);
    REQUIRE(span != NULL);
    return span;
}

static size_t mapped(void)
{
    return load_rlx(&arenas.mapped_slices);
}

static size_t used(void)
{
    return load_rlx(&arenas.used_slices);
}

static size_t dirty(void)
{
    return load_rlx(&arenas.dirty_slices);
}

/* Of all that was freed at 0; without the hold empty arenas would leave as well. */
static void purge_all(void)
{
    purge_free_slices(1000, 1000);
}

TEST(arena, a_span_has_the_slices_that_were_asked_for)
{
    struct span *span = claim(7);
    CHECK_EQ(span->slices, 7);
    CHECK_EQ(span->start % SLICE_SIZE, 0);
    memset((void *)span->start, 1, span_bytes(span));
    arena_check();
}

TEST(arena, used_slices_are_counted)
{
    size_t before = used();
    struct span *a = claim(7), *b = claim(3);
    CHECK_EQ(used(), before + 10);
    arena_return(a, 0);
    arena_return(b, 0);
    CHECK_EQ(used(), before);
}

TEST(arena, a_returned_span_is_claimed_again_dirty)
{
    struct span *span = claim(5);
    uintptr_t start = span->start;
    bool zeroed = true;
    arena_return(span, 0);
    CHECK_EQ(dirty(), 5);
    span = arena_claim(5, 1, SPAN_LARGE, &zeroed);
    CHECK_EQ(span->start, start);
    CHECK(!zeroed);
    CHECK_EQ(dirty(), 0);
}

TEST(arena, fresh_memory_is_zeroed)
{
    bool zeroed = false;
    struct span *span = arena_claim(5, 1, SPAN_LARGE, &zeroed);
    CHECK(zeroed);
    for (size_t i = 0; i < span_bytes(span); i++)
        REQUIRE(((unsigned char *)span->start)[i] == 0);
}

TEST(arena, dirty_slices_are_taken_before_clean_ones)
{
    struct span *a = claim(4);
    claim(1);
    uintptr_t start = a->start;
    arena_return(a, 0);
    CHECK_EQ(claim(2)->start, start);
    CHECK_EQ(claim(2)->start, start + 2 * SLICE_SIZE);
}

TEST(arena, a_dirty_slice_further_on_is_taken_before_a_clean_one)
{
    struct span *a = claim(1), *b = claim(1), *c = claim(1);
    uintptr_t clean = a->start, used_before = c->start;
    arena_return(a, 0);
    purge_all();
    arena_return(b, 0);
    CHECK_EQ(claim(1)->start, clean + SLICE_SIZE);
    CHECK_EQ(claim(1)->start, clean);
    CHECK(claim(1)->start > used_before);
}

/* Two arenas, each with clean room: `full` has 10 free slices, `empty` has 512. */
static void make_two_arenas(struct span **full, struct span **empty)
{
    *full = claim(HALF);
    struct span *rest = claim(HALF);
    REQUIRE(rest->arena == (*full)->arena);
    *empty = claim(HALF);
    REQUIRE((*empty)->arena != rest->arena);
    arena_shrink(rest, HALF - 10, 0);
    purge_all();
    REQUIRE(dirty() == 0);
}

TEST(arena, the_fullest_arena_with_room_is_taken_first)
{
    struct span *full, *empty;
    make_two_arenas(&full, &empty);
    CHECK_EQ(claim(8)->arena, full->arena);
    CHECK_EQ(claim(8)->arena, empty->arena);
}

TEST(arena, dirty_room_beats_fullness)
{
    struct span *full, *empty;
    make_two_arenas(&full, &empty);
    arena_shrink(empty, HALF - 8, 0);
    CHECK_EQ(claim(8)->arena, empty->arena);
    CHECK_EQ(claim(8)->arena, full->arena);
}

TEST(arena, alignment_is_kept_in_used_arenas)
{
    for (uint32_t align = 1; align <= 256; align *= 2) {
        bool zeroed;
        claim(1); /* out of step */
        struct span *span = arena_claim(3, align, SPAN_LARGE, &zeroed);
        REQUIRE(span != NULL);
        CHECK_EQ(span->start % ((uintptr_t)align << SLICE_SHIFT), 0);
    }
    arena_check();
}

TEST(arena, alignment_may_exceed_an_arena)
{
    bool zeroed;
    struct span *span = arena_claim(1, 4 * ARENA_SLICES, SPAN_LARGE, &zeroed);
    REQUIRE(span != NULL);
    CHECK_EQ(span->start % ((uintptr_t)4 * ARENA_SLICES << SLICE_SHIFT), 0);
    arena_check();
}

TEST(arena, the_page_map_knows_every_slice_of_a_pool_and_the_first_of_a_large_block)
{
    bool zeroed;
    struct span *pool = arena_claim(4, 1, SPAN_POOL, &zeroed), *large = claim(4);
    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(page_map_find(pool->start + i * SLICE_SIZE), pool);
        CHECK_EQ(page_map_find(large->start + i * SLICE_SIZE), i == 0 ? large : NULL);
    }
    uintptr_t start = pool->start;
    arena_return(pool, 0);
    for (unsigned i = 0; i < 4; i++)
        CHECK(page_map_find(start + i * SLICE_SIZE) == NULL);
}

/* ---- resizing -------------------------------------------------------------------------------------- */

TEST(arena, a_span_grows_into_the_free_slices_behind_it)
{
    struct span *span = claim(3);
    size_t before = used();
    CHECK(arena_extend(span, 9));
    CHECK_EQ(span->slices, 9);
    CHECK_EQ(used(), before + 6);
    CHECK_EQ(claim(1)->start, span->start + 9 * SLICE_SIZE);
    arena_check();
}

TEST(arena, a_span_does_not_grow_into_another)
{
    struct span *span = claim(3), *behind = claim(1);
    REQUIRE(behind->start == span->start + 3 * SLICE_SIZE);
    CHECK(!arena_extend(span, 4));
    CHECK_EQ(span->slices, 3);
    arena_check();
}

TEST(arena, a_span_grows_to_the_end_of_its_arena_and_not_beyond)
{
    struct span *first = claim(HALF), *second = claim(HALF - 1);
    REQUIRE(second->arena == first->arena);
    CHECK(arena_extend(second, HALF));
    CHECK(!arena_extend(second, HALF + 1));
    arena_check();
}

/* Behind the bits of the free slices are those of the dirty ones. */
TEST(arena, a_span_does_not_grow_beyond_its_arena_where_its_first_slices_are_dirty)
{
    struct span *first = claim(8), *second = claim(8);
    REQUIRE(second->start == first->start + 8 * SLICE_SIZE);
    arena_return(first, 0);
    CHECK(!arena_extend(second, ARENA_SLICES - 8 + 4));
    CHECK_EQ(second->slices, 8);
    arena_check();
}

TEST(arena, a_cut_tail_is_free_and_dirty)
{
    struct span *span = claim(9);
    arena_shrink(span, 2, 0);
    CHECK_EQ(span->slices, 2);
    CHECK_EQ(dirty(), 7);
    CHECK_EQ(claim(7)->start, span->start + 2 * SLICE_SIZE);
    arena_check();
}

/* ---- huge ------------------------------------------------------------------------------------------- */

TEST(arena, more_than_half_an_arena_has_one_of_its_own)
{
    struct span *huge = claim(HALF + 1);
    CHECK(huge->arena->huge);
    CHECK_EQ(huge->arena->slices, HALF + 1);
    CHECK_EQ(page_map_find(huge->start), huge);
    ((char *)huge->start)[span_bytes(huge) - 1] = 1;
    arena_check();
}

TEST(arena, a_freed_huge_arena_serves_a_size_near_its_own)
{
    struct span *huge = claim(2000);
    uintptr_t start = huge->start;
    bool zeroed = true;
    arena_return(huge, 0);
    huge = arena_claim_huge(1990, 1, &zeroed);
    CHECK_EQ(huge->start, start);
    CHECK_EQ(huge->slices, 2000);
    CHECK(!zeroed);
    arena_check();
}

TEST(arena, of_a_larger_piece_the_rest_is_one)
{
    struct span *huge = claim(2000);
    uintptr_t start = huge->start;
    arena_return(huge, 0);
    struct span *first = claim(600), *second = claim(700);
    CHECK_EQ(first->start, start);
    CHECK_EQ(first->slices, 600);
    CHECK_EQ(second->start, start + 600 * SLICE_SIZE);
    CHECK_EQ(dirty(), 700);
    CHECK_EQ(used(), 1300);
    CHECK_EQ(mapped(), 2000);
    CHECK_EQ(page_map_find(second->start), second);
    arena_check();
}

TEST(arena, pieces_next_to_each_other_are_one)
{
    arena_return(claim(2000), 0);
    struct span *first = claim(600), *second = claim(700);
    uintptr_t start = first->start;
    arena_return(second, 5);
    arena_return(first, 7);
    CHECK_EQ(arenas.pieces, arenas.youngest_piece);
    CHECK_EQ(arenas.pieces->slices, 2000);
    CHECK_EQ(arenas.pieces->freed_ms[0], 7);
    CHECK_EQ(claim(2000)->start, start);
    CHECK_EQ(dirty(), 0);
    CHECK_EQ(mapped(), 2000);
    arena_check();
}

TEST(arena, a_huge_block_grows_into_the_piece_behind_it)
{
    arena_return(claim(2000), 0);
    struct span *huge = claim(600);
    uintptr_t start = huge->start;
    REQUIRE(arena_resize_huge(huge, 1500));
    CHECK_EQ(huge->start, start);
    CHECK_EQ(dirty(), 500);
    CHECK_EQ(used(), 1500);
    REQUIRE(arena_resize_huge(huge, 2000));
    CHECK_EQ(huge->start, start);
    CHECK(arenas.pieces == NULL);
    CHECK_EQ(mapped(), 2000);
    arena_check();
}

TEST(arena, what_a_huge_block_takes_from_the_system_pieces_give_back)
{
    arena_return(claim(2000), 0);
    struct span *huge = claim(3000); /* more than the piece has */
    CHECK_EQ(dirty(), 0);
    CHECK_EQ(mapped(), 3000);
    struct span *other = claim(2000);
    void *wall = os_map(SLICE_SIZE, SLICE_SIZE); /* whatever the kernel puts where */
    arena_return(other, 0);
    if (dirty() == 2000 && arenas.pieces->base != huge->start + 3000 * SLICE_SIZE) {
        REQUIRE(arena_resize_huge(huge, 3100));
        CHECK_EQ(dirty(), 1900);
        CHECK_EQ(mapped(), 5000);
    }
    os_unmap(wall, SLICE_SIZE);
    arena_check();
}

TEST(arena, what_is_taken_of_a_new_arena_pieces_give_back)
{
    arena_return(claim(3000), 0);
    claim(1);
    size_t left = dirty();
    CHECK(left >= 2900 && left <= 3000); /* not at once all that the arena has room for */
    for (unsigned i = 1; i < ARENA_SLICES; i++)
        claim(1);
    CHECK_EQ(dirty(), 3000 - ARENA_SLICES);
    CHECK_EQ(mapped(), 3000);
    arena_check();
}

/* Of memory that does not read as zeros, too: by `lazy`, or because a part of it was used before. */
TEST(arena, what_is_taken_of_a_new_arena_is_what_nobody_has_used)
{
    options.lazy = true;
    struct span *used_before = claim(100);
    for (unsigned i = 100; i < ARENA_SLICES; i += 4)
        claim(4);
    arena_return(claim(3000), 0);
    for (unsigned i = 0; i < ARENA_SLICES - 16; i += 16)
        claim(16);
    CHECK_EQ(dirty(), 3000 - (ARENA_SLICES - 16));
    arena_return(used_before, 0);
    claim(16);
    CHECK_EQ(dirty(), 3000 - (ARENA_SLICES - 16) + 100 - 16);
    arena_check();
}

/* So much is due for each of a number of claims of one slice. */
static uint32_t due_for_slices(unsigned count)
{
    uint32_t due = 0;
    lock_acquire(&arenas.lock);
    for (unsigned i = 0; i < count; i++)
        due += arena_due_way_locked(1);
    lock_release(&arenas.lock);
    return due;
}

TEST(arena, what_is_owed_is_due_by_parts_and_the_last_one_however_small)
{
    arena_return(claim(3000), 0);
    lock_acquire(&arenas.lock);
    arena_owe_way_locked(20);
    lock_release(&arenas.lock);
    CHECK_EQ(due_for_slices(15), 0);
    CHECK_EQ(due_for_slices(1), 16);
    CHECK_EQ(due_for_slices(3), 0);
    CHECK_EQ(due_for_slices(1), 4);
    CHECK_EQ(due_for_slices(100), 0);
}

TEST(arena, no_more_is_owed_than_pieces_could_give)
{
    arena_return(claim(3000), 0);
    lock_acquire(&arenas.lock);
    arena_owe_way_locked(2000);
    arena_owe_way_locked(2000);
    CHECK_EQ(arena_due_way_locked(5000), 3000);
    CHECK_EQ(arena_due_way_locked(5000), 0);
    lock_release(&arenas.lock);
}

/* A program's own memory, piece by piece, next to each other. */
static struct {
    char *next;
    unsigned unmaps;
    size_t unmapped;
} row;

static void *row_map(void *context, size_t bytes, size_t align)
{
    (void)context, (void)align;
    void *place = row.next;
    row.next += bytes;
    return place;
}

static void row_unmap(void *context, void *address, size_t bytes)
{
    (void)context, (void)address;
    row.unmaps++;
    row.unmapped += bytes;
}

static const struct arca_arena_source row_source = { sizeof row_source, NULL, row_map, row_unmap };

TEST(arena, what_a_source_has_mapped_is_used_and_goes_back_as_a_whole)
{
    row.next = os_map(10000 * SLICE_SIZE, HUGE_PAGE_SIZE);
    REQUIRE(row.next != NULL);
    CHECK_EQ(arca_arena_source_set(&row_source), 0);
    struct span *first = claim(640), *second = claim(640);
    uintptr_t start = first->start;
    REQUIRE(second->start == start + 640 * SLICE_SIZE);
    arena_return(first, 0);
    arena_return(second, 0);
    CHECK(arenas.pieces != arenas.youngest_piece); /* not one, next to each other though they are */
    CHECK_EQ(arenas.pieces->slices, 640);
    second = claim(600);
    CHECK(second->start == start || second->start == start + 640 * SLICE_SIZE);
    CHECK_EQ(second->slices, 640); /* no part of it stays behind */
    CHECK_EQ(dirty(), 640);
    CHECK_EQ(arca_arena_source_set(NULL), 0);
    struct span *system = arena_claim_huge(500, 1, &(bool){ false }); /* for which the other one makes way */
    CHECK(system->arena->source == NULL);
    CHECK_EQ(row.unmaps, 1);
    CHECK_EQ(row.unmapped, 640 * SLICE_SIZE);
    CHECK_EQ(dirty(), 0);
    arena_check();
}

/* Whoever maps them next to each other: the kernel moves no two mappings at once. */
TEST(arena, a_huge_block_does_not_grow_into_a_piece_of_another_mapping)
{
    struct span *upper, *lower = claim(640);
    unsigned tries = 0;
    do { /* a record lies in between, now and then */
        upper = lower;
        lower = claim(640);
    } while (lower->start + 640 * SLICE_SIZE != upper->start && ++tries < 10);
    REQUIRE(tries < 10);
    uintptr_t start = upper->start;
    arena_return(upper, 0);
    REQUIRE(arena_resize_huge(lower, 700)); /* 60 of the piece go to the system, the last ones */
    CHECK_EQ(arenas.pieces->base, start);
    CHECK_EQ(dirty(), 580);
    arena_check();
}

TEST(arena, what_is_taken_again_pieces_do_not_give_back)
{
    struct span *other = claim(100);
    arena_return(claim(3000), 0);
    arena_return(other, 0);
    CHECK_EQ(claim(100), other);
    CHECK_EQ(dirty(), 3000);
    arena_check();
}

TEST(arena, a_huge_block_that_is_remapped_keeps_its_contents)
{
    struct span *huge = claim(600);
    uintptr_t old = huge->start;
    memset((void *)old, 0x77, SLICE_SIZE);
    size_t before = used();
    REQUIRE(arena_resize_huge(huge, 6000));
    CHECK_EQ(huge->slices, 6000);
    CHECK_EQ(used(), before + 5400);
    CHECK_EQ(*(unsigned char *)huge->start, 0x77);
    CHECK_EQ(((unsigned char *)huge->start)[SLICE_SIZE - 1], 0x77);
    ((char *)huge->start)[span_bytes(huge) - 1] = 1;
    CHECK_EQ(page_map_find(huge->start), huge);
    CHECK(old == huge->start || page_map_find(old) == NULL);
    CHECK_EQ(huge->arena->mapping, huge->start);
    arena_return(huge, 0);
    arena_check();
}

/* For more than the page map covers so far, so that its growth can fail as well. */
TEST(arena, a_remap_that_fails_changes_nothing)
{
    const uint32_t slices = (uint32_t)PAGE_MAP_LEAF_SLICES + 600;
    void *room = os_map((size_t)slices << SLICE_SHIFT, SLICE_SIZE);
    if (room == NULL)
        SKIP("the kernel maps no more than there is memory, and that is less than a leaf of the page map covers");
    os_unmap(room, (size_t)slices << SLICE_SHIFT);
    struct span *huge = claim(600);
    uintptr_t start = huge->start;
    memset((void *)start, 0x77, SLICE_SIZE);
    unsigned failures = 0;
    for (bool done = false; !done && failures < 10; failures += !done) {
        os_fault_after(failures + 1, true);
        done = arena_resize_huge(huge, slices);
        os_fault_after(0, false);
        CHECK_EQ(huge->slices, done ? slices : 600);
        CHECK(done || huge->start == start);
        CHECK_EQ(page_map_find(huge->start), huge);
        CHECK_EQ(((unsigned char *)huge->start)[SLICE_SIZE - 1], 0x77);
        arena_check();
    }
    CHECK(failures >= 3 && failures < 10); /* the place, its page map, the move */
}

static size_t mapped_bytes(void)
{
    char text[64];
    REQUIRE(os_read_file("/proc/self/statm", text, sizeof text) > 0);
    return strtoul(text, NULL, 10) * OS_PAGE_SIZE;
}

TEST(arena, a_move_that_fails_leaves_no_place_behind)
{
    unsigned failures = 0;
    for (unsigned n = 1; n <= 5; n++) {
        struct span *huge = claim(600);
        size_t before = mapped_bytes();
        os_fault_after(n, false);
        bool done = arena_resize_huge(huge, 6000);
        os_fault_after(0, false);
        failures += !done;
        CHECK(done || mapped_bytes() < before + 3000 * SLICE_SIZE);
        arena_return(huge, 0);
        purge_free_slices(1, 0); /* or the next one would grow into it */
    }
    CHECK(failures >= 2); /* the place, the move */
}

TEST(arena, a_huge_block_that_shrinks_gives_back_by_several_calls)
{
    struct span *huge = claim(2000);
    uintptr_t start = huge->start, end = start + 600 * SLICE_SIZE;
    memset((void *)(end - SLICE_SIZE), 0x77, SLICE_SIZE);
    os_fault_after(2, false);
    REQUIRE(arena_resize_huge(huge, 600));
    void *other = os_map(OS_PAGE_SIZE, OS_PAGE_SIZE);
    CHECK(other != NULL); /* the second call was one of these */
    CHECK_EQ(huge->start, start);
    CHECK_EQ(huge->slices, 600);
    CHECK_EQ(used(), 600);
    CHECK_EQ(mapped(), 600);
    CHECK_EQ(((unsigned char *)end)[-1], 0x77);
    unsigned char resident;
    CHECK(!os_resident((void *)end, OS_PAGE_SIZE, &resident));
    arena_check();
}

/* What is several mappings by the program's doing is refused wherever it is to go, by older kernels after they have unmapped
 * what lies there. */
TEST(arena, a_huge_block_of_which_a_part_is_protected_is_not_moved)
{
    struct span *huge = claim(600);
    uintptr_t start = huge->start;
    memset((void *)start, 0x77, SLICE_SIZE);
    REQUIRE(os_protect((void *)(start + 300 * SLICE_SIZE), SLICE_SIZE, false));
    (void)page_map_reserve(start, 6000 * SLICE_SIZE); /* where addresses are not spread it ends before */
    os_fault_after(2, false);
    CHECK(!arena_resize_huge(huge, 6000));
    CHECK(os_map(OS_PAGE_SIZE, OS_PAGE_SIZE) == NULL); /* the second call: no place was looked for */
    CHECK_EQ(huge->slices, 600);
    CHECK_EQ(page_map_find(start), huge);
    CHECK_EQ(((unsigned char *)start)[SLICE_SIZE - 1], 0x77);
    REQUIRE(os_protect((void *)(start + 300 * SLICE_SIZE), SLICE_SIZE, true));
    REQUIRE(arena_resize_huge(huge, 6000));
    arena_check();
}

/* ---- failures ----------------------------------------------------------------------------------------- */

TEST(arena, without_memory_a_claim_is_null_and_later_works)
{
    bool zeroed;
    os_fault_after(1, true);
    CHECK(arena_claim(1, 1, SPAN_POOL, &zeroed) == NULL);
    CHECK(arena_claim_huge(2000, 1, &zeroed) == NULL);
    os_fault_after(0, false);
    arena_check();
    CHECK_EQ(used(), 0);
    claim(1);
    arena_check();
}

TEST(arena, the_record_of_an_arena_that_can_not_be_mapped_serves_the_next)
{
    bool zeroed;
    claim(HALF);
    claim(HALF);
    os_fault_after(2, true); /* the first maps the record */
    CHECK(arena_claim(5, 1, SPAN_LARGE, &zeroed) == NULL);
    os_fault_after(0, false);
    struct arena *record = arenas.spares;
    REQUIRE(record != NULL);
    CHECK_EQ(claim(5)->arena, record);
}

TEST(arena, whichever_call_fails_the_law_holds)
{
    for (unsigned n = 1; n <= 12; n++) {
        bool zeroed;
        os_fault_after(n, false);
        struct span *small = arena_claim(300, 1, SPAN_LARGE, &zeroed), *huge = arena_claim_huge(600 + n, 1, &zeroed);
        os_fault_after(0, false);
        arena_check();
        if (small != NULL)
            ((char *)small->start)[span_bytes(small) - 1] = 1;
        if (huge != NULL)
            arena_return(huge, 0);
        arena_check();
    }
}

TEST(arena, where_address_space_is_short_an_arena_is_smaller)
{
    bool zeroed;
    os_fault_after(2, false); /* the record, then the mapping */
    struct span *span = arena_claim(5, 1, SPAN_LARGE, &zeroed);
    os_fault_after(0, false);
    REQUIRE(span != NULL);
    CHECK_EQ(span->arena->slices, ARENA_SLICES / 4);
    arena_check();
}

TEST(arena, its_size_is_an_option)
{
    options.arena = (4 << 20) + 70000;
    struct span *small = claim(5);
    CHECK_EQ(small->arena->slices, 65);
    struct span *larger = claim(100); /* more than an arena, and not huge */
    CHECK_EQ(larger->arena->slices, 100);
    CHECK(!larger->arena->huge);
    struct span *huge = claim(HALF + 1);
    CHECK_EQ(huge->arena->slices, HALF + 1);
    CHECK(huge->arena->huge);
    arena_check();
    arena_return(small, 0);
    arena_return(larger, 0);
    arena_return(huge, 0);
    CHECK_EQ(purge_free_slices(1, 0), (65 + 100 + HALF + 1) * SLICE_SIZE);
    arena_check();
}

TEST(arena, so_many_are_mapped_and_no_more)
{
    bool zeroed;
    options.arenas = 1;
    struct span *half = claim(HALF), *other = claim(HALF);
    CHECK(arena_claim(1, 1, SPAN_LARGE, &zeroed) == NULL);
    CHECK(arena_claim_huge(HALF + 1, 1, &zeroed) == NULL);
    CHECK_EQ(mapped(), ARENA_SLICES);
    arena_return(half, 0);
    CHECK(claim(1)->arena == other->arena);
    arena_check();
}

TEST(arena, what_is_left_of_the_bound_is_mapped_by_smaller_ones)
{
    bool zeroed;
    options.arenas = 2;
    claim(2 * ARENA_SLICES - 300); /* a large block counts as the several that it takes */
    CHECK_EQ(claim(5)->arena->slices, ARENA_SLICES / 4);
    CHECK_EQ(claim(ARENA_SLICES / 4 - 5)->slices, ARENA_SLICES / 4 - 5);
    CHECK_EQ(claim(44)->arena->slices, 44);
    CHECK(arena_claim(1, 1, SPAN_LARGE, &zeroed) == NULL);
    CHECK_EQ(mapped(), 2 * ARENA_SLICES);
    arena_check();
}

TEST(arena, within_the_bound_a_large_block_grows)
{
    options.arenas = 1;
    struct span *span = claim(HALF + 100);
    CHECK(!arena_resize_huge(span, ARENA_SLICES + 1));
    CHECK_EQ(span->slices, HALF + 100);
    CHECK_EQ(mapped(), HALF + 100);
    CHECK(page_map_find(span->start) == span);
    CHECK(arena_resize_huge(span, ARENA_SLICES));
    CHECK_EQ(mapped(), ARENA_SLICES);
    arena_return(span, 0);
    purge_free_slices(1, 0);
    CHECK_EQ(mapped(), 0);
}

TEST(arena, what_the_system_refuses_is_not_counted)
{
    bool zeroed;
    options.arenas = 4;
    claim(1);
    arena_return(claim(HALF + 1), 0);
    purge_free_slices(1, 0); /* its record is there for the next */
    os_fault_after(1, true);
    CHECK(arena_claim_huge(HALF + 1, 1, &zeroed) == NULL);
    os_fault_after(0, false);
    CHECK_EQ(mapped(), ARENA_SLICES);
}

TEST(arena, in_the_child_of_a_fork_what_another_thread_was_about_to_map_does_not_count)
{
    options.arenas = 1;
    REQUIRE(arena_count_mapped(ARENA_SLICES)); /* and the fork comes */
    arena_fork_child();
    CHECK_EQ(mapped(), 0);
    claim(1);
    arena_fork_child();
    CHECK_EQ(mapped(), ARENA_SLICES);
}

TEST(arena, an_arena_is_found_from_any_of_its_addresses)
{
    struct span *span = claim(3), *huge = claim(700);
    int local;
    CHECK_EQ(arena_find(span->start + 2 * SLICE_SIZE + 17), span->arena);
    CHECK_EQ(arena_find(huge->start + 699 * SLICE_SIZE), huge->arena);
    CHECK(arena_find((uintptr_t)&local) == NULL);
    CHECK(arena_find(0) == NULL);
}

/* ---- against a model ------------------------------------------------------------------------------------ */

#define SPANS 120

struct model_span {
    struct span *span;
    uint64_t stamp;
};

static uint64_t *slice_word(const struct span *span, uint32_t slice, bool last)
{
    uintptr_t at = span->start + ((uintptr_t)slice << SLICE_SHIFT);
    return (uint64_t *)(last ? at + SLICE_SIZE - 8 : at);
}

static void stamp(struct model_span *held, uint32_t from)
{
    for (uint32_t i = from; i < held->span->slices; i++)
        *slice_word(held->span, i, false) = *slice_word(held->span, i, true) = held->stamp + i;
}

static void check_stamps(const struct model_span *held)
{
    for (uint32_t i = 0; i < held->span->slices; i++) {
        CHECK_EQ(*slice_word(held->span, i, false), held->stamp + i);
        CHECK_EQ(*slice_word(held->span, i, true), held->stamp + i);
    }
}

static void check_zeros(const struct span *span)
{
    for (uint32_t i = 0; i < span->slices; i++)
        CHECK_EQ(*slice_word(span, i, false) | *slice_word(span, i, true), 0);
}

static void claim_random(struct model_span *held, uint64_t *random)
{
    uint64_t r = harness_random(random);
    uint32_t slices = 1 + (uint32_t)(r % 60), align = (uint32_t)1 << (r >> 8) % 5;
    bool zeroed = false, pool = slices <= POOL_SLICES_MAX && (r >> 16) % 2;
    if ((r >> 20) % 40 == 0)
        slices = HALF + 1 + (uint32_t)((r >> 32) % 300), pool = false;
    held->span = pool ? arena_claim(slices, align, SPAN_POOL, &zeroed) : claim_any(slices, align, &zeroed);
    REQUIRE(held->span != NULL);
    CHECK(held->span->slices >= slices);
    CHECK_EQ(held->span->start % ((uintptr_t)align << SLICE_SHIFT), 0);
    if (zeroed)
        check_zeros(held->span);
    held->stamp = r;
    stamp(held, 0);
}

static void resize_random(struct model_span *held, uint64_t *random, uint32_t now_ms)
{
    uint32_t old = held->span->slices, slices = 1 + (uint32_t)(harness_random(random) % (2 * old));
    if (load_rlx(&held->span->kind) == SPAN_POOL)
        return;
    if (held->span->arena->huge) {
        if (slices <= HALF)
            return;
        CHECK(arena_resize_huge(held->span, slices));
    } else if (slices < old) {
        arena_shrink(held->span, slices, now_ms);
    } else if (slices > old && slices <= HALF) {
        (void)arena_extend(held->span, slices);
    }
    if (held->span->slices > old)
        stamp(held, old);
}

TEST(arena, random_operations_keep_every_law_and_every_byte)
{
    struct model_span held[SPANS] = { { NULL, 0 } };
    uint64_t random = harness_seed();
    for (uint32_t now_ms = 1; now_ms < 8000; now_ms++) {
        struct model_span *one = &held[harness_random(&random) % SPANS];
        if (one->span == NULL) {
            claim_random(one, &random);
        } else if (harness_random(&random) % 4 == 0) {
            check_stamps(one);
            resize_random(one, &random, now_ms);
        } else {
            check_stamps(one);
            arena_return(one->span, now_ms);
            one->span = NULL;
        }
        if (now_ms % 100 == 0)
            purge_free_slices(now_ms, 50);
        size_t slices = 0;
        for (unsigned i = 0; i < SPANS; i++)
            slices += held[i].span != NULL ? held[i].span->slices : 0;
        CHECK_EQ(used(), slices);
        arena_check();
    }
    for (unsigned i = 0; i < SPANS; i++) {
        if (held[i].span != NULL) {
            check_stamps(&held[i]);
            arena_return(held[i].span, 8000);
        }
    }
    purge_free_slices(9000, 0);
    CHECK_EQ(used(), 0);
    CHECK_EQ(dirty(), 0);
    CHECK(load_rlx(&arenas.mapped_slices) <= ARENA_SLICES);
    arena_check();
}

/* ---- fork ------------------------------------------------------------------------------------------------- */

/* As a fork finds it that another thread's change was in the middle of. */
static void scramble(struct arena *arena)
{
    lock_acquire(&arenas.lock);
    memset(arena->free_bits, 0x55, sizeof arena->free_bits);
    memset(arena->dirty_bits, 0xff, sizeof arena->dirty_bits);
    arena->free_slices = 3;
    arena->next = arena;
    arenas.lists[0][3] = arena;
    store_rlx(&arenas.used_slices, (size_t)77);
}

/* Makes the process large enough for huge pages; its slices stay untouched. */
static void grow(void)
{
    claim(HALF);
}

TEST(arena, ahead_a_small_process_takes_only_what_it_asked_for)
{
    bool zeroed = false;
    claim(1);
    REQUIRE(arena_claim_ahead(2, &zeroed) != NULL);
    CHECK(zeroed);
    CHECK_EQ(used(), 3);
    CHECK_EQ(dirty(), 0);
}

TEST(arena, ahead_the_rest_of_a_huge_page_is_dirty_and_serves_the_next)
{
    bool zeroed;
    grow();
    struct span *first = arena_claim_ahead(3, &zeroed);
    REQUIRE(first != NULL);
    CHECK_EQ(first->start % HUGE_PAGE_SIZE, 0);
    CHECK_EQ(first->slices, 3);
    CHECK_EQ(used(), HALF + 3);
    CHECK_EQ(dirty(), HUGE_PAGE_SLICES - 3);
    CHECK(page_map_find(first->start + 2 * SLICE_SIZE) == first);
    CHECK(page_map_find(first->start + 3 * SLICE_SIZE) == NULL);
    struct span *second = arena_claim_ahead(4, &zeroed);
    CHECK_EQ(second->start, first->start + 3 * SLICE_SIZE);
    CHECK_EQ(dirty(), HUGE_PAGE_SLICES - 7);
    arena_check();
}

TEST(arena, ahead_pieces_make_way_for_huge_pages)
{
    bool zeroed;
    arena_return(claim(3000), 0);
    grow();
    size_t left = dirty();
    struct span *span = arena_claim_ahead(3, &zeroed);
    REQUIRE(span != NULL);
    CHECK_EQ(dirty(), left - HUGE_PAGE_SLICES + (HUGE_PAGE_SLICES - 3));
    CHECK_EQ(arenas.pieces->slices, left - HUGE_PAGE_SLICES);
    arena_check();
}

TEST(arena, ahead_dirty_slices_come_first)
{
    bool zeroed;
    grow();
    struct span *span = claim(4);
    uintptr_t start = span->start;
    claim(1);
    arena_return(span, 0);
    span = arena_claim_ahead(4, &zeroed);
    CHECK_EQ(span->start, start);
    CHECK(!zeroed);
    CHECK_EQ(dirty(), 0);
}

TEST(arena, ahead_without_a_whole_clean_huge_page_small_ones_serve)
{
    bool zeroed = false;
    grow();
    for (unsigned i = 0; i < HALF / HUGE_PAGE_SLICES; i++) {
        claim(1);
        arena_extend(claim(1), HUGE_PAGE_SLICES - 2); /* one slice stays free */
        claim(1);
    }
    size_t before = used();
    REQUIRE(arena_claim_ahead(1, &zeroed) != NULL);
    CHECK_EQ(used(), before + 1);
    CHECK_EQ(dirty(), 0);
}

TEST(arena, ahead_after_a_dear_huge_page_small_ones_serve_for_longer_each_time)
{
    bool zeroed;
    uint32_t served[3];
    grow();
    for (unsigned try = 0; try < 3; try++) {
        huge_page_judge(true);
        for (served[try] = 0; served[try] < 100000 && !huge_page_worth(used()); served[try] += 4)
            REQUIRE(arena_claim_ahead(4, &zeroed) != NULL);
        CHECK_EQ(dirty(), 0);
    }
    CHECK(served[0] > 0);
    CHECK_EQ(served[1], 2 * served[0]);
    CHECK_EQ(served[2], 4 * served[0]);
    huge_page_judge(false);
    huge_page_judge(true);
    CHECK(!huge_page_worth(used()));
    huge_page_pass(served[0]);
    CHECK(huge_page_worth(used()));
}

TEST(arena, ahead_where_huge_pages_are_off_there_are_none)
{
    bool zeroed;
    options.huge_pages = 0;
    grow();
    REQUIRE(arena_claim_ahead(1, &zeroed) != NULL);
    CHECK_EQ(dirty(), 0);
}

TEST(arena, ahead_after_a_claim_that_passed_everything_adds_up)
{
    bool zeroed;
    grow();
    for (unsigned i = 0; i < 40; i++) {
        struct span *span = arena_claim_ahead(1 + i % 4, &zeroed);
        REQUIRE(span != NULL);
        memset((void *)span->start, 0xee, span_bytes(span));
        arena_check();
        if (i % 3 == 0)
            arena_return(span, 0);
    }
    purge_all();
    arena_check();
}

TEST(arena, a_fork_in_the_middle_is_repaired_from_the_spans)
{
    struct span *a = claim(5), *b = claim(6), *spare = claim(2), *huge = claim(700);
    arena_return(a, 0);
    store_rlx(&spare->kind, (uint8_t)SPAN_SPARE); /* in the cache of a heap */
    scramble(b->arena);
    arena_fork_child();
    arena_check();
    CHECK_EQ(used(), 708);
    CHECK_EQ(b->arena->free_slices, ARENA_SLICES - 8);
    arena_return(b, 0);
    arena_return(spare, 0);
    arena_return(huge, 0);
    CHECK_EQ(used(), 0);
    arena_check();
}

TEST(arena, after_a_fork_free_slices_count_as_dirty)
{
    struct span *a = claim(5);
    scramble(a->arena);
    arena_fork_child();
    CHECK_EQ(dirty(), ARENA_SLICES - 5);
    bool zeroed = true;
    CHECK(arena_claim(3, 1, SPAN_LARGE, &zeroed) != NULL);
    CHECK(!zeroed);
}

TEST(arena, a_fork_during_a_purge_gives_its_slices_back)
{
    struct span *a = claim(5), *b = claim(1);
    arena_return(a, 0);
    /* As purge.c takes a run out. */
    struct arena *arena = b->arena;
    a->slices = 5;
    store_rlx(&a->kind, (uint8_t)SPAN_PURGING);
    arena->free_slices -= 5;
    bitmap_clear_range(arena->free_bits, 0, 5);
    arenas.purging = 1;
    arena_fork_child();
    arena_check();
    CHECK_EQ(arena->free_slices, ARENA_SLICES - 1);
    CHECK_EQ(arenas.purging, 0);
}

static _Atomic bool enough;

static void *ask_for_too_much(void *unused)
{
    while (!atomic_load_explicit(&enough, memory_order_relaxed))
        CHECK(!arena_count_mapped(ARENA_SLICES));
    return unused;
}

/* By more threads than there are processors, so that one or the other loses its own half way. */
TEST(arena, what_is_refused_by_the_bound_keeps_nobody_from_what_fits)
{
    pthread_t threads[8];
    unsigned kept = 0;
    options.arenas = 1;
    REQUIRE(arena_count_mapped(1));
    for (unsigned t = 0; t < 8; t++)
        threads[t] = start_thread(ask_for_too_much, NULL);
    for (unsigned i = 0; i < STEPS(2000000); i++) {
        if (arena_count_mapped(1))
            sub_rlx(&arenas.mapped_slices, 1);
        else
            kept++;
    }
    atomic_store(&enough, true);
    for (unsigned t = 0; t < 8; t++)
        pthread_join(threads[t], NULL);
    CHECK_EQ(kept, 0);
    CHECK_EQ(mapped(), 1);
}

/* Locked memory is not inherited. */
TEST(arena, in_the_child_of_a_fork_arenas_are_as_large_as_ever)
{
    arena_reserve_little(true);
    CHECK_EQ(claim(5)->arena->slices, 64);
    arena_fork_child();
    CHECK_EQ(claim(100)->arena->slices, ARENA_SLICES);
}

TEST(arena, a_quiet_fork_changes_nothing)
{
    struct span *a = claim(5);
    arena_return(a, 0);
    arena_fork_child();
    CHECK_EQ(dirty(), 5);
    arena_check();
}

/* ---- the checker can fail ------------------------------------------------------------------------------------ */

TEST_ABORTS(arena, the_check_sees_a_wrong_count, "check: arena")
{
    claim(5)->arena->free_slices--;
    arena_check();
}

TEST_ABORTS(arena, the_check_sees_a_wrong_bit, "check: arena")
{
    struct arena *arena = claim(5)->arena;
    bitmap_set_range(arena->free_bits, 2, 1);
    arena_check();
}

TEST_ABORTS(arena, the_check_sees_a_used_slice_that_is_dirty, "used and dirty")
{
    struct arena *arena = claim(5)->arena;
    bitmap_set_range(arena->dirty_bits, 2, 1);
    arena_check();
}
