/* Integers. */
#include "probe.h"

#include "tests/unit/faults.h"

TEST(int, values_come_back)
{
    const int64_t values[] = { 0, 1, -1, -5, -6, 256, 257, 1000000, INT64_MIN, INT64_MAX };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        arca_int *made = integer(values[i]);
        CHECK_EQ(arca_int_value(made), values[i]);
        CHECK(arca_is_int(made));
        arca_release(made);
    }
    CHECK_EQ(arca_int_value(NULL), 0);
}

TEST(int, small_ones_are_shared_and_immortal)
{
    for (int64_t value = -5; value <= 256; value++) {
        arca_int *made = integer(value);
        CHECK_EQ(made, integer(value));
        CHECK_EQ(arca_int_value(made), value);
        CHECK_EQ(arca_refcount(made), SIZE_MAX);
        CHECK_EQ((uintptr_t)made % 16, 8); /* known by its address */
        arca_release(made);
        arca_release(made);
        arca_release(made);
        CHECK_EQ(arca_int_value(made), value);
    }
}

TEST(int, others_are_objects_of_their_own)
{
    const int64_t values[] = { -6, 257 };
    for (unsigned i = 0; i < 2; i++) {
        arca_int *a = integer(values[i]), *b = integer(values[i]);
        CHECK(a != b);
        CHECK_EQ(arca_refcount(a), 1);
        arca_release(a);
        arca_release(b);
    }
}

TEST(int, shared_ones_are_of_the_same_type_as_others)
{
    arca_int *large = integer(100000), *small = integer(7);
    CHECK(arca_is_int(small));
    CHECK_EQ(arca_type_of(small), arca_type_of(large));
    arca_release(large);
}

TEST(int, nothing_else_is_an_int)
{
    arca_str *string = str("1");
    CHECK(!arca_is_int(string));
    CHECK(!arca_is_int(NULL));
    arca_release(string);
}

/* The first call into the heap would fail. */
TEST(int, shared_ones_need_no_memory)
{
    os_fault_after(1, true);
    CHECK_EQ(arca_int_value(arca_int_new(256)), 256);
    errno = 0;
    CHECK(arca_int_new(257) == NULL);
    CHECK_EQ(errno, ENOMEM);
    os_fault_after(0, false);
}
