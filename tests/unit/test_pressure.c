/* When memory is short, what is done at once, and when the next look is due. */
#include "fake_root.h"

#include "arca/arca.h"
#include "arenas/arena.h"
#include "base/options.h"
#include "base/stats.h"
#include "front/background.h"
#include "front/pressure.h"

#define MIB ((size_t)1 << 20)

static size_t resident(void)
{
    return arena_resident_slices(&arenas) << SLICE_SHIFT;
}

static size_t alarm_at(void)
{
    return load_rlx(&arenas.alarm_slices) << SLICE_SHIFT;
}

/* Without the background thread nothing happens but in this one. */
static void begin(void)
{
    options.background = 0;
    make_root();
    arca_free(arca_malloc(1));
    background_allow();
}

static void put_group(const char *limit, const char *used)
{
    put("/proc/self/cgroup", "0::/a\n");
    put("/sys/fs/cgroup/a/memory.max", limit);
    put("/sys/fs/cgroup/a/memory.current", used);
}

TEST(pressure, nothing_presses_where_there_is_no_limit)
{
    begin();
    CHECK(!pressure_look(0));
    CHECK(!pressure_is_on());
    CHECK(alarm_at() > resident() + 32 * MIB);
    CHECK_EQ(stats_read(pressure_events), 0);
    remove_root();
}

TEST(pressure, the_options_limit_presses_from_its_last_sixteenth_on)
{
    begin();
    void *block = arca_malloc(40 * MIB);
    options.limit = 64 * MIB;
    CHECK(!pressure_look(0));
    CHECK(alarm_at() > resident() && alarm_at() <= resident() + 10 * MIB);
    options.limit = resident() + MIB;
    CHECK(pressure_look(0));
    CHECK(pressure_is_on());
    CHECK_EQ(stats_read(pressure_events), 1);
    pressure_look(0);
    CHECK_EQ(stats_read(pressure_events), 1);
    CHECK_EQ(stats_read(pressure_rounds), 2);
    options.limit = 0;
    CHECK(!pressure_look(0));
    arca_free(block);
    remove_root();
}

TEST(pressure, the_groups_limit_counts_what_is_not_used_yet)
{
    begin();
    put_group("104857600\n", "52428800\n"); /* 100 MiB, 50 used */
    CHECK(!pressure_look(0));
    CHECK(!pressure_look(40 * MIB));
    CHECK(pressure_look(48 * MIB));
    put_group("104857600\n", "104000000\n");
    CHECK(pressure_look(0));
    remove_root();
}

TEST(pressure, stalls_press_whatever_the_limits)
{
    begin();
    put("/proc/pressure/memory", "some avg10=9.99 avg60=0.00 avg300=0.00 total=7\n");
    CHECK(!pressure_look(0));
    put("/proc/pressure/memory", "some avg10=10.00 avg60=0.00 avg300=0.00 total=7\n");
    CHECK(pressure_look(0));
    remove_root();
}

TEST(pressure, the_alarm_comes_half_way_to_the_limit)
{
    begin();
    put_group("104857600\n", "20971520\n");
    pressure_look(0);
    store_rlx(&arenas.alarm, false);
    size_t mark = alarm_at(), before = resident();
    CHECK(mark >= before + 36 * MIB && mark <= before + 37 * MIB); /* (100 - 6 - 20) / 2 */
    void *small = arca_malloc(16 * MIB);
    CHECK(!load_rlx(&arenas.alarm));
    CHECK_EQ(alarm_at(), mark);
    void *more = arca_malloc(24 * MIB); /* beyond the mark: looked at before this returns */
    CHECK(!load_rlx(&arenas.alarm));
    CHECK(alarm_at() != mark);
    arca_free(small);
    arca_free(more);
    remove_root();
}

TEST(pressure, the_alarm_counts_what_is_claimed_and_not_written)
{
    begin();
    put_group("104857600\n", "20971520\n");
    void *block = arca_malloc(50 * MIB); /* so far the group uses nothing of it */
    put("/proc/self/statm", "100000 2000 800 1 0 9000 0\n"); /* 1200 pages without a file */
    pressure_look(0);
    CHECK(!pressure_is_on());
    size_t left = (size_t)104857600 / 16 * 15 - 20971520 - (resident() - 1200 * OS_PAGE_SIZE);
    CHECK(alarm_at() >= resident() + left / 2 - MIB && alarm_at() <= resident() + left / 2);
    CHECK(pressure_is_near(left / 2 + 1));
    CHECK(!pressure_is_near(left / 2));
    put("/proc/self/statm", "100000 20000 800 1 0 9000 0\n"); /* all of it is written */
    pressure_look(0);
    CHECK(alarm_at() >= resident() + 36 * MIB);
    put("/proc/self/statm", "nonsense\n");
    pressure_look(0);
    CHECK(alarm_at() >= resident() + 36 * MIB);
    arca_free(block);
    remove_root();
}

static void note_peak(size_t *peak)
{
    if (resident() > *peak)
        *peak = resident();
}

/* What blocks of 64 KiB leave serves no block of more than half an arena: without a purge that adds to what is resident. */
static size_t peak_of_changing_sizes(void)
{
    static char *blocks[1500];
    size_t peak = 0;
    for (size_t i = 0; i < ARCA_ARRAY_LENGTH(blocks); i++) {
        REQUIRE((blocks[i] = arca_malloc(SLICE_SIZE)) != NULL);
        memset(blocks[i], 1, SLICE_SIZE);
    }
    note_peak(&peak);
    for (size_t i = 0; i < ARCA_ARRAY_LENGTH(blocks); i++)
        arca_free(blocks[i]);
    char *large = arca_malloc(100 * MIB);
    REQUIRE(large != NULL);
    memset(large, 1, 100 * MIB);
    note_peak(&peak);
    arca_free(large);
    return peak;
}

TEST(pressure, near_the_limit_freed_memory_leaves_before_more_is_used)
{
    begin();
    options.purge = 86400000;
    size_t freely = peak_of_changing_sizes();
    CHECK(freely > 180 * MIB);
    arca_trim(0);
    options.limit = 130 * MIB;
    pressure_look(0);
    CHECK(peak_of_changing_sizes() <= 130 * MIB);
    CHECK(stats_read(pressure_events) > 0);
    remove_root();
}

TEST(pressure, who_wants_to_keep_everything_keeps_it)
{
    begin();
    options.purge = OPTION_NEVER;
    options.limit = 130 * MIB;
    CHECK(peak_of_changing_sizes() > 180 * MIB);
    CHECK_EQ(stats_read(pressure_rounds), 0);
    remove_root();
}

TEST(pressure, a_buffer_that_grows_in_place_is_seen)
{
    begin();
    options.limit = 64 * MIB;
    char *buffer = arca_malloc(34 * MIB);
    REQUIRE(buffer != NULL);
    unsigned events = (unsigned)stats_read(pressure_events);
    buffer = arca_realloc(buffer, 100 * MIB);
    CHECK(stats_read(pressure_events) > events);
    arca_free(buffer);
    remove_root();
}
