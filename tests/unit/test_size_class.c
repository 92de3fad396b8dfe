/* The tables of size classes: cover, order, waste, and the numbers that are derived from the size. */
#include "harness.h"

#include "arenas/page_map.h"
#include "heap/size_class.h"

static void set_up(void)
{
    size_class_init(16384);
}

static uint32_t block_size_of(size_t size)
{
    return size_classes[size_class_of(size)].block_size;
}

TEST(size_class, every_small_size_fits_its_block)
{
    set_up();
    for (size_t size = 0; size <= SMALL_MAX; size++)
        CHECK(block_size_of(size) >= size);
}

TEST(size_class, no_smaller_class_would_have_done)
{
    set_up();
    for (size_t size = 1; size <= SMALL_MAX; size++) {
        unsigned class = size_class_of(size);
        CHECK(class == 0 || size_classes[class - 1].block_size < size);
    }
}

TEST(size_class, sizes_grow_with_the_class)
{
    set_up();
    for (unsigned i = 1; i < SIZE_CLASSES; i++)
        CHECK(size_classes[i].block_size > size_classes[i - 1].block_size);
}

TEST(size_class, the_first_is_one_unit_and_the_last_is_the_largest_small_block)
{
    set_up();
    CHECK_EQ(block_size_of(0), BLOCK_ALIGN);
    CHECK_EQ(size_classes[0].block_size, BLOCK_ALIGN);
    CHECK_EQ(size_classes[SIZE_CLASSES - 1].block_size, SMALL_MAX);
}

TEST(size_class, every_block_size_keeps_the_alignment)
{
    set_up();
    for (unsigned i = 0; i < SIZE_CLASSES; i++)
        CHECK_EQ(size_classes[i].block_size % BLOCK_ALIGN, 0);
}

/* Aligned requests count on it. */
TEST(size_class, every_power_of_two_has_a_class_of_its_own)
{
    set_up();
    for (size_t size = BLOCK_ALIGN; size <= SMALL_MAX; size *= 2)
        CHECK_EQ(block_size_of(size), size);
}

TEST(size_class, waste_is_under_an_eighth_to_16_kib_and_a_fifth_beyond)
{
    set_up();
    for (size_t size = 129; size <= SMALL_MAX; size++) {
        size_t waste = block_size_of(size) - size;
        CHECK(size <= 16384 ? waste * 8 < block_size_of(size) : waste * 5 < block_size_of(size));
    }
}

TEST(size_class, waste_up_to_128_bytes_is_under_one_unit)
{
    set_up();
    for (size_t size = 1; size <= 128; size++)
        CHECK(block_size_of(size) - size < BLOCK_ALIGN);
}

TEST(size_class, a_pool_is_filled_but_for_less_than_a_block)
{
    set_up();
    for (unsigned i = 0; i < SIZE_CLASSES; i++) {
        const struct size_class *class = &size_classes[i];
        size_t bytes = class->slices * SLICE_SIZE, used = (size_t)class->capacity * class->block_size;
        CHECK(used <= bytes && bytes - used < class->block_size);
        CHECK(class->slices >= 1 && class->slices <= POOL_SLICES_MAX);
        CHECK_EQ(class->pages, (used + OS_PAGE_SIZE - 1) / OS_PAGE_SIZE);
    }
}

/* The whole of free()'s test for a bad pointer. */
TEST(size_class, the_start_bound_knows_the_starts_of_blocks)
{
    set_up();
    for (unsigned i = 0; i < SIZE_CLASSES; i++) {
        const struct size_class *class = &size_classes[i];
        for (size_t offset = 0; offset < class->slices * SLICE_SIZE; offset++)
            CHECK_EQ(offset * class->divider < class->start_bound,
                     offset % class->block_size == 0 && offset / class->block_size < class->capacity);
    }
}

/* Of addresses that have their place in the page map in common with a pool, too. */
TEST(size_class, the_start_bound_refuses_whatever_is_far_away)
{
    const uint64_t region = (uint64_t)PAGE_MAP_LEAF_SLICES << SLICE_SHIFT;
    set_up();
    for (unsigned i = 0; i < SIZE_CLASSES; i++) {
        const struct size_class *class = &size_classes[i];
        for (uint64_t regions = 1; regions <= (uint64_t)1 << PAGE_MAP_ROOT_BITS; regions += 1 + regions / 16) {
            for (uint64_t near = 0; near < class->slices * SLICE_SIZE; near += BLOCK_ALIGN) {
                CHECK((regions * region + near) * class->divider >= class->start_bound);
                CHECK((near - regions * region) * class->divider >= class->start_bound);
            }
        }
        for (uint64_t multiple = (uint64_t)class->capacity * class->block_size; multiple < (uint64_t)1 << 48; multiple *= 2)
            CHECK(multiple * class->divider >= class->start_bound);
    }
}

TEST(size_class, the_divider_divides)
{
    set_up();
    for (unsigned i = 0; i < SIZE_CLASSES; i++) {
        const struct size_class *class = &size_classes[i];
        for (size_t offset = 0; offset < class->slices * SLICE_SIZE; offset++)
            CHECK_EQ((uint64_t)(((unsigned __int128)offset * class->divider) >> 64), offset / class->block_size);
    }
}

TEST(size_class, the_fullness_of_a_pool_with_room_is_one_of_four)
{
    set_up();
    for (unsigned i = 0; i < SIZE_CLASSES; i++)
        CHECK((size_classes[i].capacity - 1) >> size_classes[i].bucket_shift < 4);
}

TEST(size_class, a_bin_holds_what_the_option_says_between_its_bounds)
{
    static const size_t settings[] = { 1024, 16384, 1048576 };
    for (unsigned s = 0; s < ARCA_ARRAY_LENGTH(settings); s++) {
        size_class_init(settings[s]);
        for (unsigned i = 0; i < SIZE_CLASSES; i++) {
            uint32_t limit = size_classes[i].bin_limit;
            size_t bytes = (size_t)limit * size_classes[i].block_size;
            CHECK(limit >= 4 && limit <= 256);
            CHECK(limit == 4 || bytes <= settings[s]);
            CHECK(limit == 256 || bytes + size_classes[i].block_size > settings[s]);
        }
    }
}
