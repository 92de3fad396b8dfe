/* The option table and its parser: values, units, ranges, and the line that each mistake costs. */
#include "capture.h"
#include "harness.h"

#include "base/options.h"

static const char *text_to_parse;

static void parse_text(void)
{
    options_parse("ARCA_CONF", text_to_parse);
}

/* What parsing this prints. */
static const char *parse(const char *text)
{
    text_to_parse = text;
    return capture(parse_text);
}

static char **environment_to_read;

static void read_environment(void)
{
    options_read(environment_to_read);
}

static const char *read_variables(char **environment)
{
    environment_to_read = environment;
    return capture(read_environment);
}

#define CHECK_QUIET(text) CHECK_STR(parse(text), "")

/* A value that no bad one may replace. */
static void set_2s(void)
{
    options.purge = 2000;
}

/* ---- the table ----------------------------------------------------------------------------------- */

TEST(options, every_default_lies_in_its_range)
{
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        const struct option_row *row = &option_rows[i];
        CHECK(row->standard >= row->min);
        CHECK(row->max == 0 || row->standard <= row->max);
    }
}

TEST(options, every_row_can_be_looked_up_and_has_its_default)
{
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        uint64_t value = 12345;
        CHECK(options_get(option_rows[i].name, &value));
        CHECK_EQ(value, option_rows[i].standard);
    }
}

TEST(options, an_unknown_name_is_not_found)
{
    uint64_t value = 12345;
    CHECK(!options_get("nonsense", &value));
    CHECK(!options_get("", &value));
    CHECK_EQ(value, 12345);
}

/* ---- durations ------------------------------------------------------------------------------------ */

TEST(options, durations_take_milliseconds_seconds_and_minutes)
{
    CHECK_QUIET("purge=250ms");
    CHECK_EQ(options.purge, 250);
    CHECK_QUIET("purge=10s");
    CHECK_EQ(options.purge, 10000);
    CHECK_QUIET("purge=3m");
    CHECK_EQ(options.purge, 180000);
}

TEST(options, a_duration_may_be_never)
{
    CHECK_QUIET("purge=never");
    CHECK_EQ(options.purge, OPTION_NEVER);
}

TEST(options, zero_needs_no_unit)
{
    CHECK_QUIET("purge=0");
    CHECK_EQ(options.purge, 0);
}

TEST(options, a_duration_without_a_unit_is_refused)
{
    set_2s();
    CHECK_STR(parse("purge=10"), "arca: ARCA_CONF: purge=10: not a duration (want 500ms, 10s, never); using 2s\n");
    CHECK_EQ(options.purge, 2000);
}

TEST(options, a_word_is_no_duration)
{
    set_2s();
    CHECK_STR(parse("purge=abc"), "arca: ARCA_CONF: purge=abc: not a duration (want 500ms, 10s, never); using 2s\n");
}

TEST(options, a_negative_duration_is_refused)
{
    set_2s();
    CHECK(strstr(parse("purge=-1s"), "purge=-1s: not a duration") != NULL);
    CHECK_EQ(options.purge, 2000);
}

TEST(options, an_empty_value_is_refused)
{
    CHECK(strstr(parse("purge="), "purge=: not a duration") != NULL);
}

TEST(options, text_after_the_unit_is_refused)
{
    CHECK(strstr(parse("purge=1s2"), "not a duration") != NULL);
    CHECK(strstr(parse("purge=1sec"), "not a duration") != NULL);
}

TEST(options, a_number_that_overflows_is_refused)
{
    set_2s();
    CHECK(strstr(parse("purge=18446744073709551616ms"), "not a duration") != NULL);
    CHECK(strstr(parse("purge=18446744073709551615s"), "not a duration") != NULL);
    CHECK_EQ(options.purge, 2000);
}

TEST(options, a_duration_beyond_its_range_names_the_range)
{
    set_2s();
    CHECK_STR(parse("purge=90000s"), "arca: ARCA_CONF: purge=90000s: out of range (want 0ms to 86400s); using 2s\n");
    CHECK_EQ(options.purge, 2000);
}

TEST(options, the_ends_of_a_range_are_inside)
{
    CHECK_QUIET("purge=86400000ms,cache=1024");
    CHECK_EQ(options.purge, 86400000);
    CHECK_EQ(options.cache, 1024);
    CHECK_QUIET("purge=0ms,cache=1048576");
    CHECK_EQ(options.cache, 1048576);
}

/* ---- sizes ---------------------------------------------------------------------------------------- */

TEST(options, sizes_take_k_m_and_g_in_three_spellings)
{
    CHECK_QUIET("limit=3");
    CHECK_EQ(options.limit, 3);
    CHECK_QUIET("limit=64k");
    CHECK_EQ(options.limit, 65536);
    CHECK_QUIET("limit=2MB");
    CHECK_EQ(options.limit, 2097152);
    CHECK_QUIET("limit=3GiB");
    CHECK_EQ(options.limit, (uint64_t)3 << 30);
}

TEST(options, a_word_is_no_size)
{
    options.cache = 16384;
    CHECK_STR(parse("cache=big"), "arca: ARCA_CONF: cache=big: not a size (want 64k, 512m, 2g); using 16384\n");
}

TEST(options, a_size_that_overflows_is_refused)
{
    CHECK(strstr(parse("limit=18446744073709551615k"), "not a size") != NULL);
    CHECK_EQ(options.limit, 0);
}

TEST(options, a_size_beyond_its_range_names_the_range)
{
    CHECK_STR(parse("cache=1k,cache=1023"), "arca: ARCA_CONF: cache=1023: out of range (want 1024 to 1048576); using 1024\n");
    CHECK(strstr(parse("cache=1g"), "out of range") != NULL);
}

TEST(options, the_largest_number_is_no_way_around_the_range_of_a_size)
{
    options.cache = 16384;
    CHECK(strstr(parse("cache=18446744073709551615"), "out of range") != NULL);
    CHECK_EQ(options.cache, 16384);
}

TEST(options, a_share_of_the_cgroup_is_at_most_all_of_it)
{
    CHECK(strstr(parse("limit=101%cgroup"), "not a size") != NULL);
    CHECK_QUIET("limit=80%cgroup");
}

/* ---- switches -------------------------------------------------------------------------------------- */

TEST(options, switches_take_every_spelling_of_on)
{
    static const char *const spellings[] = { "lazy=on", "lazy=yes", "lazy=true", "lazy=1", "lazy=ON" };
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(spellings); i++) {
        options.lazy = 0;
        CHECK_QUIET(spellings[i]);
        CHECK_EQ(options.lazy, 1);
    }
}

TEST(options, switches_take_every_spelling_of_off)
{
    static const char *const spellings[] = { "sweep=off", "sweep=no", "sweep=false", "sweep=0" };
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(spellings); i++) {
        options.sweep = 1;
        CHECK_QUIET(spellings[i]);
        CHECK_EQ(options.sweep, 0);
    }
}

TEST(options, another_word_is_no_switch)
{
    CHECK_STR(parse("sweep=2"), "arca: ARCA_CONF: sweep=2: not a switch (want on, off); using on\n");
    CHECK_EQ(options.sweep, 1);
}

/* ---- lists, keys ------------------------------------------------------------------------------------ */

TEST(options, later_wins)
{
    CHECK_QUIET("purge=1s,cache=2k,purge=2s");
    CHECK_EQ(options.purge, 2000);
    CHECK_EQ(options.cache, 2048);
}

TEST(options, a_bad_value_leaves_the_earlier_one)
{
    CHECK(strstr(parse("purge=2s,purge=x"), "using 2s") != NULL);
    CHECK_EQ(options.purge, 2000);
}

TEST(options, a_bad_row_does_not_stop_the_rows_after_it)
{
    CHECK(strstr(parse("purge=x,nonsense=1,lazy=on"), "nonsense") != NULL);
    CHECK_EQ(options.lazy, 1);
}

TEST(options, empty_rows_are_passed_over)
{
    CHECK_QUIET(",,purge=3s,,");
    CHECK_EQ(options.purge, 3000);
    CHECK_QUIET("");
}

TEST(options, keys_ignore_case)
{
    CHECK_QUIET("PURGE=4S");
    CHECK_EQ(options.purge, 4000);
}

TEST(options, a_row_without_a_value_is_named)
{
    CHECK_STR(parse("purge"), "arca: ARCA_CONF: 'purge': want key=value\n");
}

TEST(options, an_unknown_key_with_a_near_one_gets_a_suggestion)
{
    CHECK_STR(parse("pruge=1s"), "arca: ARCA_CONF: unknown key 'pruge' (did you mean 'purge'?)\n");
    CHECK_STR(parse("huge_page=on"), "arca: ARCA_CONF: unknown key 'huge_page' (did you mean 'huge_pages'?)\n");
}

TEST(options, an_unknown_key_far_from_all_gets_none)
{
    CHECK_STR(parse("decay_time=1s"), "arca: ARCA_CONF: unknown key 'decay_time'\n");
}

TEST(options, an_overlong_key_is_cut_in_its_message)
{
    char text[400];
    memset(text, 'k', sizeof text);
    strcpy(text + sizeof text - 4, "=1s");
    const char *said = parse(text);
    CHECK(strncmp(said, "arca: ARCA_CONF: unknown key 'kkkk", 34) == 0);
    CHECK(strlen(said) < 200);
}

/* ---- the environment -------------------------------------------------------------------------------- */

TEST(options, a_variable_of_its_own_beats_the_list_wherever_it_stands)
{
    char *environment[] = { "ARCA_PURGE=5s", "ARCA_CONF=purge=6s,cache=2k", "HOME=/", NULL };
    CHECK_STR(read_variables(environment), "");
    CHECK_EQ(options.purge, 5000);
    CHECK_EQ(options.cache, 2048);
}

TEST(options, a_bad_variable_is_named_by_its_name)
{
    char *environment[] = { "ARCA_PURGE=soon", NULL };
    CHECK(strstr(read_variables(environment), "arca: ARCA_PURGE: purge=soon: not a duration") != NULL);
}

TEST(options, an_unknown_variable_is_told)
{
    char *environment[] = { "ARCA_PRUGE=1s", NULL };
    CHECK(strstr(read_variables(environment), "did you mean 'purge'?") != NULL);
}

TEST(options, variables_of_others_are_left_alone)
{
    set_2s();
    char *environment[] = { "ARCADE=1", "ARCA", "PURGE=1s", "arca_purge=1s", NULL };
    CHECK_STR(read_variables(environment), "");
    CHECK_EQ(options.purge, 2000);
}

TEST(options, no_environment_is_no_error)
{
    CHECK_STR(read_variables(NULL), "");
}
