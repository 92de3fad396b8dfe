/* What the public functions say to wrong pointers: one line that names the address, then abort(). */
#include "harness.h"

#include "arca/arca.h"
#include "arenas/page_map.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

TEST_ABORTS(crimes, a_double_free_is_named, "double free")
{
    void *block = arca_malloc(100);
    arca_free(block);
    arca_free(block);
}

TEST_ABORTS(crimes, a_double_free_after_other_frees_is_named, "double free")
{
    void *blocks[100];
    for (unsigned i = 0; i < 100; i++)
        blocks[i] = arca_malloc(100);
    for (unsigned i = 0; i < 100; i++)
        arca_free(blocks[i]);
    arca_free(blocks[50]);
}

TEST_ABORTS(crimes, a_double_free_of_a_large_block_is_named, "not a live block of this heap")
{
    void *block = arca_malloc(100000);
    arca_free(block);
    arca_free(block);
}

static void *free_it(void *block)
{
    arca_free(block);
    return NULL;
}

TEST_ABORTS(crimes, a_double_free_by_another_thread_is_named, "double free")
{
    void *block = arca_malloc(100);
    pthread_t thread;
    arca_free(block);
    REQUIRE(pthread_create(&thread, NULL, free_it, block) == 0);
    pthread_join(thread, NULL);
}

TEST_ABORTS(crimes, a_double_free_after_another_thread_s_free_is_named, "double free")
{
    void *block = arca_malloc(100);
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, free_it, block) == 0);
    pthread_join(thread, NULL);
    arca_free(block);
}

TEST_ABORTS(crimes, a_double_free_into_an_explicit_heap_is_named, "double free")
{
    arca_heap *heap = arca_heap_create();
    void *block = arca_heap_malloc(heap, 100);
    arca_free(block);
    arca_free(block);
}

TEST_ABORTS(crimes, a_realloc_of_a_freed_block_is_named, "realloc()")
{
    void *block = arca_malloc(100);
    arca_free(block);
    block = arca_realloc(block, 200);
}

TEST_ABORTS(crimes, a_pointer_into_a_block_is_named, "8 bytes inside the block")
{
    arca_free((char *)arca_malloc(100) + 8);
}

TEST_ABORTS(crimes, a_pointer_to_the_middle_of_a_block_is_named, "48 bytes inside the block")
{
    arca_free((char *)arca_malloc(100) + 48);
}

TEST_ABORTS(crimes, a_pointer_into_a_large_block_is_named, "inside the large block")
{
    arca_free((char *)arca_malloc(100000) + 16);
}

TEST_ABORTS(crimes, a_pointer_in_front_of_a_large_block_is_named, "in front of the large block")
{
    arca_free((void *)((uintptr_t)arca_malloc(3000000) & -(uintptr_t)4096));
}

TEST_ABORTS(crimes, a_pointer_far_into_a_large_block_is_refused, "inside a large block")
{
    arca_free((char *)arca_malloc(400000) + 300000);
}

/* While its record is there for the next one, and when its memory is given back. */
static arca_heap *destroyed_heap(unsigned of)
{
    arca_heap *heaps[64];
    for (unsigned i = 0; i < of; i++)
        heaps[i] = arca_heap_create();
    for (unsigned i = 0; i < of; i++)
        arca_heap_destroy(heaps[i]);
    return heaps[of - 1];
}

TEST_ABORTS(crimes, a_heap_that_is_destroyed_twice_is_named, "arca_heap_destroy(): ")
{
    arca_heap_destroy(destroyed_heap(1));
}

TEST_ABORTS(crimes, one_of_many_heaps_that_is_destroyed_twice_is_named, "not a heap (destroyed before)")
{
    arca_heap_destroy(destroyed_heap(64));
}

TEST_ABORTS(crimes, a_block_from_a_destroyed_heap_is_refused, "arca_heap_malloc(): ")
{
    CHECK(arca_heap_malloc(destroyed_heap(1), 100) == NULL);
}

TEST_ABORTS(crimes, a_stack_pointer_is_refused, "not a block of this heap")
{
    char local[64];
    void *volatile block = local; /* the compiler would warn */
    arca_free(block);
}

TEST_ABORTS(crimes, a_foreign_block_is_refused, "not a block of this heap")
{
    void *volatile block = malloc(100); /* the system's: this program does not interpose */
    arca_free(block);
}

TEST_ABORTS(crimes, a_small_number_is_refused, "0x1234: not a block of this heap")
{
    void *volatile block = (void *)0x1234;
    arca_free(block);
}

TEST_ABORTS(crimes, a_number_beyond_the_address_space_is_refused, "not a block of this heap")
{
    void *volatile block = (void *)0xdeadbeefdeadbeef;
    arca_free(block);
}

/* Pools of 48-byte blocks end with 16 bytes that are no block. */
TEST_ABORTS(crimes, the_rest_behind_the_last_block_of_a_pool_is_no_block, "arca: free(): 0x")
{
    char *block = arca_malloc(48);
    uintptr_t pool = (uintptr_t)block & ~(uintptr_t)(SLICE_SIZE - 1);
    arca_free((void *)(pool + SLICE_SIZE / 48 * 48));
}

TEST_ABORTS(crimes, the_usable_size_of_a_foreign_pointer_is_refused, "malloc_usable_size()")
{
    char local[64] = { 0 };
    arca_malloc_usable_size(local);
}

/* ---- freed memory that is written to: no list of free blocks is led astray ------------------------------------------ */

static void *victim_target;

static void *freed_and_overwritten(size_t offset, uintptr_t value)
{
    char *block = arca_malloc(100);
    arca_free(block);
    memcpy(block + offset, &value, sizeof value);
    for (unsigned i = 0; i < 3; i++)
        victim_target = arca_malloc(100);
    return block;
}

TEST_ABORTS(crimes, a_free_block_whose_first_word_is_overwritten_is_not_handed_out, "a free block was written to")
{
    freed_and_overwritten(0, 0);
}

TEST_ABORTS(crimes, one_byte_is_enough, "a free block was written to")
{
    char *block = arca_malloc(100);
    arca_free(block);
    block[3] ^= 1; /* what stands there is drawn by lot, and may be any byte */
    for (unsigned i = 0; i < 3; i++)
        victim_target = arca_malloc(100);
}

TEST_ABORTS(crimes, a_link_that_is_overwritten_leads_nowhere, "a free block was written to")
{
    static _Alignas(16) char target[128];
    freed_and_overwritten(8, (uintptr_t)target);
}

TEST_ABORTS(crimes, a_free_block_can_not_be_made_to_lead_to_a_free_block, "a free block was written to")
{
    void *other = arca_malloc(200);
    arca_free(other);
    freed_and_overwritten(8, (uintptr_t)other);
}

/* Where whole lists go home, too, and no mark is looked at. */
TEST_ABORTS(crimes, a_link_that_leads_beyond_all_memory_is_not_followed, "a free block was written to")
{
    char *first = arca_malloc(100), *second = arca_malloc(100), *third = arca_malloc(100);
    uintptr_t nowhere = (uintptr_t)1 << 60;
    arca_free(first);
    arca_free(second);
    arca_free(third);
    memcpy(third + 8, &nowhere, sizeof nowhere);
    arca_trim(0);
}

TEST_ABORTS(crimes, the_usable_size_of_a_freed_block_is_refused, "freed before")
{
    void *block = arca_malloc(100);
    arca_free(block);
    arca_malloc_usable_size(block);
}

TEST_ABORTS(crimes, a_size_that_the_block_can_not_hold_is_refused, "free_sized()")
{
    arca_free_sized(arca_malloc(100), 200);
}

TEST_ABORTS(crimes, an_alignment_that_the_block_does_not_have_is_refused, "not aligned to 4096 bytes")
{
    void *blocks[2] = { arca_malloc(64), arca_malloc(64) }; /* no more than one of them is */
    arca_free_aligned_sized(blocks[(uintptr_t)blocks[0] % 4096 == 0], 4096, 64);
}

TEST_ABORTS(crimes, a_size_that_the_block_is_too_large_for_is_refused, "free_sized()")
{
    arca_free_sized(arca_malloc(2000), 100);
}

/* ---- outside the region in which free() looks first ------------------------------------------------------- */

static void *far_block(size_t size)
{
    store_rlx(&page_map_first_base, (uintptr_t)PAGE_MAP_LEAF_SLICES << SLICE_SHIFT);
    void *block = arca_malloc(size);
    REQUIRE(block != NULL && page_map_leaf_of((uintptr_t)block) != &page_map_first);
    return block;
}

TEST(crimes, a_far_block_that_is_freed_is_the_next_of_its_size)
{
    void *block = far_block(100);
    arca_free(block);
    CHECK_EQ(arca_malloc(100), block);
    arca_free(block);
}

TEST(crimes, a_far_block_can_be_freed_by_another_thread)
{
    pthread_t thread;
    void *block = far_block(100);
    REQUIRE(pthread_create(&thread, NULL, free_it, block) == 0);
    pthread_join(thread, NULL);
}

TEST_ABORTS(crimes, a_double_free_of_a_far_block_is_named, "double free")
{
    void *block = far_block(100);
    arca_free(block);
    arca_free(block);
}

TEST_ABORTS(crimes, a_pointer_into_a_far_block_is_named, "16 bytes inside the block")
{
    arca_free((char *)far_block(100) + 16);
}

/* Of a live block, but a region away: it has the same place in the page map. */
TEST_ABORTS(crimes, a_namesake_of_a_block_is_named, "not a block of this heap")
{
    char *block = arca_malloc(64);
    arca_free(block + ((uintptr_t)PAGE_MAP_LEAF_SLICES << SLICE_SHIFT));
}
