/* Blocks by call stack: live, peak and total. */
#include "harness.h"

#include "arenas/site.h"

static struct sites table;

static uint32_t add(uintptr_t place, size_t bytes)
{
    return sites_add(&table, &place, 1, bytes);
}

static struct tallies copied[SITES_MAX + 1], all;

static const struct tallies *now(uint32_t number)
{
    sites_copy(&table, copied, SITES_MAX + 1, &all);
    return &copied[number - 1];
}

/* The law of the table. */
static void check_sums(void)
{
    struct tallies sum = { { 0, 0 }, { 0, 0 }, { 0, 0 } };
    uint32_t count = sites_copy(&table, copied, SITES_MAX + 1, &all);
    for (uint32_t i = 0; i < count; i++) {
        sum.live.blocks += copied[i].live.blocks, sum.live.bytes += copied[i].live.bytes;
        sum.peak.blocks += copied[i].peak.blocks, sum.peak.bytes += copied[i].peak.bytes;
        sum.total.blocks += copied[i].total.blocks, sum.total.bytes += copied[i].total.bytes;
    }
    CHECK(memcmp(&sum, &all, sizeof sum) == 0);
}

TEST(site, a_stack_has_one_number)
{
    uintptr_t stack[] = { 1, 2, 3 };
    uint32_t number = sites_add(&table, stack, 3, 10);
    CHECK(number != SITE_NONE);
    CHECK_EQ(sites_add(&table, stack, 3, 20), number);
    CHECK(sites_add(&table, stack, 2, 30) != number);
    CHECK_EQ(sites_get(&table, number)->depth, 3);
    CHECK_EQ(sites_get(&table, number)->stack[2], 3);
    CHECK_EQ(now(number)->live.blocks, 2);
    CHECK_EQ(now(number)->live.bytes, 30);
}

TEST(site, what_is_gone_stays_in_the_total)
{
    uint32_t number = add(1, 100);
    sites_remove(&table, number, 100);
    CHECK_EQ(now(number)->live.blocks, 0);
    CHECK_EQ(now(number)->live.bytes, 0);
    CHECK_EQ(now(number)->total.blocks, 1);
    CHECK_EQ(now(number)->total.bytes, 100);
    check_sums();
}

TEST(site, what_is_forgotten_was_never_counted)
{
    uint32_t number = add(1, 100), other = add(2, 70);
    sites_remove(&table, other, 70); /* the peak is left */
    sites_forget(&table);
    CHECK_EQ(now(number)->live.blocks, 0);
    CHECK_EQ(now(other)->peak.bytes, 0);
    CHECK_EQ(all.total.blocks, 0);
    check_sums();
    CHECK_EQ(add(1, 30), number);
    CHECK_EQ(now(number)->peak.bytes, 30);
    sites_remove(&table, number, 30);
    CHECK_EQ(now(number)->peak.bytes, 30);
    check_sums();
}

TEST(site, the_peak_has_every_site_s_share)
{
    uint32_t one = add(1, 100), two = add(2, 50); /* the peak: 100 + 50 */
    sites_remove(&table, one, 100);
    uint32_t three = add(3, 60);
    CHECK_EQ(now(one)->peak.bytes, 100);
    CHECK_EQ(now(two)->peak.bytes, 50);
    CHECK_EQ(now(three)->peak.bytes, 0);
    CHECK_EQ(all.peak.bytes, 150);
    check_sums();
    add(2, 70); /* the next one: 0 + 120 + 60 */
    sites_remove(&table, two, 50);
    CHECK_EQ(now(one)->peak.bytes, 0);
    CHECK_EQ(now(two)->peak.bytes, 120);
    CHECK_EQ(now(three)->peak.bytes, 60);
    check_sums();
}

/* Against a model that copies everything at each new peak. */
TEST(site, random_peaks_are_those_of_a_model)
{
    enum { PLACES = 20, STEPS = 20000 };
    uint64_t random = harness_seed(), live[PLACES] = { 0 }, peak[PLACES] = { 0 }, total = 0, highest = 0;
    uint32_t numbers[PLACES];
    for (unsigned i = 0; i < PLACES; i++)
        numbers[i] = add(i + 1, 0);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned i = harness_random(&random) % PLACES;
        uint64_t bytes = harness_random(&random) % 1000;
        if (harness_random(&random) % 2 == 0) {
            add(i + 1, bytes);
            live[i] += bytes, total += bytes;
        } else if (live[i] >= bytes) {
            sites_remove(&table, numbers[i], bytes);
            live[i] -= bytes, total -= bytes;
        }
        if (total >= highest) {
            highest = total;
            memcpy(peak, live, sizeof peak);
        }
        if (step % 100 == 0) {
            sites_copy(&table, copied, SITES_MAX + 1, &all);
            CHECK_EQ(all.peak.bytes, highest);
            for (unsigned k = 0; k < PLACES; k++)
                CHECK_EQ(copied[k].peak.bytes, peak[k]);
        }
    }
    check_sums();
}

TEST(site, a_full_table_takes_no_more_and_still_counts_what_it_knows)
{
    for (uintptr_t i = 1; i <= SITES_MAX; i++)
        REQUIRE(add(i, 1) == i);
    CHECK_EQ(add(SITES_MAX + 1, 1), SITE_NONE);
    CHECK_EQ(add(SITES_MAX, 1), SITES_MAX); /* known ones are still counted */
    check_sums();
}
