/* Powers of two and bit scans, against the obvious loops. */
#include "harness.h"

#include "base/bits.h"

TEST(bits, zero_is_no_power_of_two)
{
    CHECK(!bits_is_pow2(0));
}

TEST(bits, exactly_single_bits_are_powers_of_two)
{
    for (unsigned i = 0; i < 64; i++) {
        CHECK(bits_is_pow2((size_t)1 << i));
        for (unsigned j = 0; j < i; j++)
            CHECK(!bits_is_pow2((size_t)1 << i | (size_t)1 << j));
    }
}

TEST(bits, round_up_is_the_next_multiple)
{
    for (size_t align = 1; align <= 4096; align *= 2) {
        for (size_t n = 0; n < 9000; n += 7) {
            size_t up = bits_round_up(n, align);
            CHECK_EQ(up % align, 0);
            CHECK(up >= n && up - n < align);
        }
    }
}

TEST(bits, round_up_wraps_near_the_end)
{
    CHECK_EQ(bits_round_up(SIZE_MAX - 4094, 4096), 0);
    CHECK_EQ(bits_round_up(SIZE_MAX - 4095, 4096), SIZE_MAX - 4095);
}

TEST(bits, lowest_finds_the_lowest_set_bit)
{
    for (unsigned i = 0; i < 64; i++) {
        CHECK_EQ(bits_lowest((uint64_t)1 << i), i);
        CHECK_EQ(bits_lowest(~(uint64_t)0 << i), i);
    }
}

TEST(bits, width_counts_the_bits_to_write_a_number)
{
    CHECK_EQ(bits_width(0), 0);
    for (unsigned i = 0; i < 64; i++) {
        CHECK_EQ(bits_width((uint64_t)1 << i), i + 1);
        CHECK_EQ(bits_width(((uint64_t)1 << i) - 1), i);
    }
    CHECK_EQ(bits_width(UINT64_MAX), 64);
}

TEST(bits, next_pow2_is_the_smallest_that_is_enough)
{
    CHECK_EQ(bits_next_pow2(0), 1);
    for (size_t n = 1; n < 70000; n++) {
        size_t power = 1;
        while (power < n)
            power *= 2;
        CHECK_EQ(bits_next_pow2(n), power);
    }
    CHECK_EQ(bits_next_pow2((size_t)1 << 63), (size_t)1 << 63);
}
