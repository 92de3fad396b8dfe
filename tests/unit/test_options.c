/* The option table and its parser: values, units, ranges, and the line that each mistake costs. */
#include "capture.h"
#include "harness.h"

#include "base/memory.h"
#include "base/options.h"

#include <stdlib.h>
#include <sys/stat.h>

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
        bool is_text = option_rows[i].type == OPTION_TEXT;
        CHECK_EQ(options_get(option_rows[i].name, &value), !is_text);
        CHECK_EQ(value, is_text ? 12345 : option_rows[i].standard);
        CHECK_STR(options_source(i), "default");
        CHECK_EQ(options_find(option_rows[i].name), i);
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
    CHECK_STR(parse("purge=90000s"), "arca: ARCA_CONF: purge=90000s: out of range (want 0ms to 1440m); using 2s\n");
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
    CHECK_STR(parse("cache=big"), "arca: ARCA_CONF: cache=big: not a size (want 64k, 512m, 2g); using 16k\n");
}

TEST(options, a_size_that_overflows_is_refused)
{
    CHECK(strstr(parse("limit=18446744073709551615k"), "not a size") != NULL);
    CHECK_EQ(options.limit, 0);
}

TEST(options, a_size_beyond_its_range_names_the_range)
{
    CHECK_STR(parse("cache=1k,cache=1023"), "arca: ARCA_CONF: cache=1023: out of range (want 1k to 1m); using 1k\n");
    CHECK(strstr(parse("cache=1g"), "out of range") != NULL);
}

TEST(options, the_largest_number_is_no_way_around_the_range_of_a_size)
{
    options.cache = 16384;
    CHECK(strstr(parse("cache=18446744073709551615"), "out of range") != NULL);
    CHECK_EQ(options.cache, 16384);
}

TEST(options, a_share_is_at_most_the_whole)
{
    CHECK(strstr(parse("limit=101%cgroup"), "not a size (want 512m, 2g, 80%cgroup, 80%)") != NULL);
    CHECK(strstr(parse("limit=101%"), "not a size") != NULL);
    CHECK_EQ(options.limit, 0);
    CHECK_QUIET("limit=100%cgroup");
    CHECK_QUIET("limit=100%");
}

TEST(options, a_share_without_a_cgroup_limit_is_one_of_the_machine)
{
    memory_root = "/nowhere";
    CHECK_QUIET("limit=80%cgroup");
    CHECK_EQ(options.limit, 0);
    memory_root = "";
    CHECK_QUIET("limit=100%");
    uint64_t whole = memory_cgroup_limit() != 0 ? memory_cgroup_limit() : memory_machine_bytes();
    CHECK_EQ(options.limit, whole / 100 * 100);
    CHECK(whole > (uint64_t)64 << 20);
}

TEST(options, only_an_amount_of_memory_takes_a_share)
{
    CHECK(strstr(parse("cache=50%"), "not a size (want 64k, 512m, 2g)") != NULL);
    CHECK(strstr(parse("cache=50%cgroup"), "not a size") != NULL);
}

/* ---- numbers ---------------------------------------------------------------------------------------- */

TEST(options, numbers_take_thousands_and_millions)
{
    CHECK_QUIET("threshold0=1234");
    CHECK_EQ(options.threshold0, 1234);
    CHECK_QUIET("threshold0=10k,backlog=2m");
    CHECK_EQ(options.threshold0, 10000);
    CHECK_EQ(options.backlog, 2000000);
    CHECK_STR(parse("backlog=2g"), "arca: ARCA_CONF: backlog=2g: not a number (want 700, 10k, 1m); using 2000000\n");
}

TEST(options, a_range_without_an_upper_end_says_so)
{
    CHECK_STR(parse("backlog=1"), "arca: ARCA_CONF: backlog=1: out of range (want 1000 or more); using 1000000\n");
}

TEST(options, a_complaint_is_one_line_whatever_was_given)
{
    CHECK_STR(parse("purge=1s\nlimit=2g"),
              "arca: ARCA_CONF: purge=1s?limit=2g: not a duration (want 500ms, 10s, never); using 700ms\n");
    CHECK_STR(parse("pu\nrge"), "arca: ARCA_CONF: 'pu?rge': want key=value\n");
}

/* As a text block of YAML leaves it. */
TEST(options, white_space_around_a_value_is_no_part_of_it)
{
    char *environment[] = { "ARCA_PURGE= 5s\n", "ARCA_CONF=cache=2k\n", NULL };
    CHECK_STR(parse(" purge = 2s ,\n\tlimit=2g\r\n"), "");
    CHECK_EQ(options.purge, 2000);
    CHECK_EQ(options.limit, 2ul << 30);
    environment_to_read = environment;
    CHECK_STR(capture(read_environment), "");
    CHECK_EQ(options.purge, 5000);
    CHECK_EQ(options.cache, 2048);
}

/* ---- words and texts ---------------------------------------------------------------------------------- */

TEST(options, words_are_one_of_a_list)
{
    CHECK_QUIET("stats=json");
    CHECK_EQ(options.stats, STATS_JSON);
    CHECK_STR(parse("stats=xml"), "arca: ARCA_CONF: stats=xml: not one of its words (want off, text, json); using json\n");
    CHECK(strstr(parse("verbose=loud"), "(want quiet, normal)") != NULL);
    CHECK_QUIET("stats=off"); /* or this process would print some */
}

TEST(options, a_text_is_kept_as_it_is)
{
    CHECK_QUIET("stats_file=/tmp/A b.%p,purge=1s");
    CHECK_STR(options.stats_file, "/tmp/A b.%p");
    CHECK_QUIET("stats_file=");
    CHECK_STR(options.stats_file, "");
}

TEST(options, a_text_that_is_too_long_leaves_the_one_before)
{
    char text[400] = "stats_file=";
    CHECK_QUIET("stats_file=/x");
    memset(text + strlen(text), 'y', 255);
    CHECK_QUIET(text);
    CHECK_EQ(strlen(options.stats_file), 255);
    text[strlen(text)] = 'y';
    CHECK_STR(parse(text), "arca: ARCA_CONF: stats_file: a text of 256 bytes (want 255 at the most); ignored\n");
    CHECK_EQ(strlen(options.stats_file), 255);
}

TEST(options, a_text_knows_two_signs)
{
    char path[OPTION_TEXT_MAX], expected[64];
    CHECK(options_expand("a%%b%p.c", path, sizeof path));
    snprintf(expected, sizeof expected, "a%%b%d.c", (int)getpid());
    CHECK_STR(path, expected);
    CHECK(options_expand("", path, sizeof path));
    CHECK_STR(path, "");
    CHECK(!options_expand("%p%p%p", path, 4));
    CHECK(strstr(parse("stats_file=/x.%d"), "not a text with % only in %p and %%") != NULL);
    CHECK(strstr(parse("stats_file=/x%"), "not a text with %") != NULL);
    CHECK_STR(options.stats_file, "");
}

/* ---- who said so -------------------------------------------------------------------------------------- */

static const char *source_of(const char *name)
{
    return options_source((unsigned)options_find(name));
}

TEST(options, the_source_of_the_winner_is_kept)
{
    char *environment[] = { "ARCA_PURGE=5s", "ARCA_CONF=purge=6s,cache=2k", "ARCA_SWEEP=perhaps", NULL };
    read_variables(environment);
    CHECK_STR(source_of("purge"), "ARCA_PURGE");
    CHECK_STR(source_of("cache"), "ARCA_CONF");
    CHECK_STR(source_of("sweep"), "default");
}

static const char *file_to_read;

static void read_file(void)
{
    options_read_file(file_to_read);
}

/* What reading a file with this text prints. */
static const char *read_text(const char *text, mode_t mode)
{
    static char path[] = "/tmp/arca-conf-XXXXXX";
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    int fd = mkstemp(path);
    REQUIRE(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fchmod(fd, mode) == 0);
    close(fd);
    file_to_read = path;
    const char *said = capture(read_file);
    unlink(path);
    return said;
}

TEST(options, a_file_has_a_setting_a_line)
{
    if (getuid() != 0)
        SKIP("needs root, to own the file: run it with sudo");
    CHECK_STR(read_text("# for this machine\n\n purge = 3s \r\n\tcache=2k\nstats_file=/a,b", 0644), "");
    CHECK_EQ(options.purge, 3000);
    CHECK_EQ(options.cache, 2048);
    CHECK_STR(options.stats_file, "/a,b");
    CHECK_STR(source_of("purge") + strlen(source_of("purge")) - 2, ":3");
}

TEST(options, a_mistake_in_a_file_is_told_with_its_line)
{
    if (getuid() != 0)
        SKIP("needs root, to own the file: run it with sudo");
    const char *said = read_text("purge=2s\npruge=1s\nnonsense\npurge=x\n", 0644);
    CHECK(strstr(said, ":2: unknown key 'pruge' (did you mean 'purge'?)") != NULL);
    CHECK(strstr(said, ":3: 'nonsense': want key=value") != NULL);
    CHECK(strstr(said, ":4: purge=x: not a duration") != NULL);
    CHECK_EQ(options.purge, 2000);
}

TEST(options, a_file_that_others_can_write_is_ignored)
{
    set_2s();
    CHECK(strstr(read_text("purge=1s\n", 0664), "not a regular file that root alone can write; ignored") != NULL);
    CHECK(strstr(read_text("purge=1s\n", 0646), "ignored") != NULL);
    file_to_read = "/dev/null";
    CHECK_STR(capture(read_file), "arca: /dev/null: not a regular file that root alone can write; ignored\n");
    file_to_read = "/nowhere/arca.conf";
    CHECK_STR(capture(read_file), "");
    CHECK_EQ(options.purge, 2000);
}

TEST(options, a_file_of_another_user_is_ignored)
{
    if (getuid() != 0)
        SKIP("needs root, to give the file away: run it with sudo");
    set_2s();
    static const char path[] = "/tmp/arca-conf-of-nobody";
    FILE *file = fopen(path, "w");
    REQUIRE(file != NULL && fputs("purge=1s\n", file) >= 0 && fclose(file) == 0 && chown(path, 65534, 65534) == 0);
    file_to_read = path;
    CHECK(strstr(capture(read_file), "ignored") != NULL);
    unlink(path);
    CHECK_EQ(options.purge, 2000);
}

TEST(options, a_file_that_is_too_large_is_ignored_as_a_whole)
{
    if (getuid() != 0)
        SKIP("needs root, to own the file: run it with sudo");
    static char text[5000];
    set_2s();
    strcpy(text, "purge=1s\n");
    memset(text + 9, '#', 4985);
    CHECK(strstr(read_text(text, 0644), "larger than 4094 bytes; ignored") != NULL);
    CHECK_EQ(options.purge, 2000);
}

/* ---- other allocators' settings ---------------------------------------------------------------------------- */

TEST(options, settings_of_other_allocators_are_mentioned_in_one_line)
{
    char *environment[] = { "MALLOC_ARENA_MAX=2", "MALLOC_CONF=narenas:1", "MIMALLOC_VERBOSE=1", "TCMALLOC_X=1", "MALLOC_CONFIG=1",
                            "GLIBC_TUNABLES=glibc.malloc.check=3", NULL };
    CHECK_STR(read_variables(environment), "arca: ignored, as settings of another malloc: MALLOC_ARENA_MAX, MALLOC_CONF, "
                                           "MIMALLOC_VERBOSE, TCMALLOC_X, GLIBC_TUNABLES (verbose=quiet does not say so)\n");
}

TEST(options, tunables_of_something_else_are_not_mentioned)
{
    char *environment[] = { "GLIBC_TUNABLES=glibc.rtld.nns=4", NULL };
    CHECK_STR(read_variables(environment), "");
}

TEST(options, a_quiet_library_mentions_nothing_but_mistakes)
{
    char *environment[] = { "MALLOC_ARENA_MAX=2", "ARCA_CONF=verbose=quiet", "ARCA_PURGE=x", NULL };
    const char *said = read_variables(environment);
    CHECK(strstr(said, "arca: ARCA_PURGE: purge=x") == said);
    CHECK(strstr(said, "MALLOC_ARENA_MAX") == NULL);
}

TEST(options, more_foreign_names_than_a_line_holds_are_left_out)
{
    static char names[40][64];
    char *environment[41] = { NULL };
    for (unsigned i = 0; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "MIMALLOC_A_RATHER_LONG_NAME_OF_AN_OPTION_%u=1", i);
        environment[i] = names[i];
    }
    const char *said = read_variables(environment);
    CHECK(strlen(said) < 400);
    CHECK_EQ(said[strlen(said) - 1], '\n');
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

static void parse_strictly_then_not(void)
{
    options_parse_strictly("-o", "purge=x");
    options_parse("ARCA_CONF", "purge=x");
}

TEST(options, who_parses_strictly_is_told_what_is_wrong_and_others_what_is_used)
{
    options.purge = 2000;
    CHECK_STR(capture(parse_strictly_then_not), "arca: -o: purge=x: not a duration (want 500ms, 10s, never)\n"
                                                 "arca: ARCA_CONF: purge=x: not a duration (want 500ms, 10s, never); using 2s\n");
}

TEST(options, an_unknown_key_far_from_all_gets_none)
{
    CHECK_STR(parse("decay_time=1s"), "arca: ARCA_CONF: unknown key 'decay_time' (arca options lists them)\n");
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
