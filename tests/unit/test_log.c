/* Formatting without stdio, and the one line. */
#include "capture.h"
#include "harness.h"

#include "base/log.h"

#include <errno.h>
#include <limits.h>

/* Formats like snprintf where log_format promises the same. */
#define CHECK_FORMAT(...)                                              \
    do {                                                               \
        char ours[256], theirs[256];                                   \
        size_t length = log_format(ours, sizeof ours, __VA_ARGS__);    \
        int expected = snprintf(theirs, sizeof theirs, __VA_ARGS__);   \
        CHECK_STR(ours, theirs);                                       \
        CHECK_EQ(length, expected);                                    \
    } while (0)

TEST(log, text_without_directives_is_copied)
{
    CHECK_FORMAT("nothing to see");
}

TEST(log, an_empty_format_gives_an_empty_text)
{
    char text[8] = "x";
    CHECK_EQ(log_format(text, sizeof text, "%s", ""), 0);
    CHECK_STR(text, "");
}

TEST(log, strings_and_characters_are_put_in)
{
    CHECK_FORMAT("%s=%c%s", "key", 'v', "");
}

TEST(log, signed_numbers_reach_both_ends)
{
    CHECK_FORMAT("%d %d %d %d", 0, -1, INT_MAX, INT_MIN);
}

TEST(log, unsigned_numbers_reach_their_end)
{
    CHECK_FORMAT("%u %u %u", 0u, 10u, UINT_MAX);
}

TEST(log, long_numbers_reach_their_end)
{
    CHECK_FORMAT("%zu %lu %llu", SIZE_MAX, ULONG_MAX, ULLONG_MAX);
}

TEST(log, hexadecimal_is_lower_case)
{
    CHECK_FORMAT("%x %lx", 0xdeadbeefu, 0x0123456789abcdeful);
}

TEST(log, pointers_have_a_prefix_also_when_null)
{
    char text[64];
    log_format(text, sizeof text, "%p %p", (void *)0x7f00deadb000, NULL);
    CHECK_STR(text, "0x7f00deadb000 0x0");
}

TEST(log, a_doubled_percent_is_one)
{
    CHECK_FORMAT("80%%cgroup");
}

TEST(log, what_does_not_fit_is_cut_and_terminated)
{
    char text[8];
    memset(text, 'x', sizeof text);
    CHECK_EQ(log_format(text, 5, "%s", "overlong"), 4);
    CHECK_STR(text, "over");
    CHECK_EQ(text[5], 'x');
}

static void say_line(void)
{
    log_line("heap %u is %s", 7u, "fine");
}

TEST(log, a_line_has_the_prefix_and_one_newline)
{
    CHECK_STR(capture(say_line), "arca: heap 7 is fine\n");
}

static void say_long_line(void)
{
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_line("%s", text);
}

TEST(log, an_overlong_line_still_ends_in_a_newline)
{
    const char *said = capture(say_long_line);
    size_t length = strlen(said);
    CHECK(length > 400 && length <= 512);
    CHECK_EQ(said[length - 1], '\n');
}

TEST(log, a_line_preserves_errno_also_when_fd_2_is_closed)
{
    int terminal = dup(STDERR_FILENO);
    close(STDERR_FILENO);
    errno = EXDEV;
    log_line("into the void");
    int after = errno;
    dup2(terminal, STDERR_FILENO);
    CHECK_EQ(after, EXDEV);
}

TEST_ABORTS(log, abort_says_its_line_first, "arca: the end of 3\n")
{
    log_abort("the end of %d", 3);
}
