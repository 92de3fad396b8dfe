/* Parsing and formatting values; no allocation, no stdio. */
#include "base/option_value.h"

#include "base/log.h"
#include "base/memory.h"

#include <string.h>

#define WORDS_MAX 3

static const char *const words[OPTION_COUNT][WORDS_MAX] = {
    [OPTION_KEY_debug] = { [DEBUG_OFF] = "off", [DEBUG_REFS] = "refs" },
    [OPTION_KEY_collector] = { [COLLECTOR_OFF] = "off", [COLLECTOR_THREAD] = "thread", [COLLECTOR_INLINE] = "inline" },
    [OPTION_KEY_stats] = { [STATS_OFF] = "off", [STATS_TEXT] = "text", [STATS_JSON] = "json" },
    [OPTION_KEY_verbose] = { [VERBOSE_QUIET] = "quiet", [VERBOSE_NORMAL] = "normal" },
};

bool word_is(struct word word, const char *text)
{
    return strlen(text) == word.length && strncasecmp(word.at, text, word.length) == 0;
}

void word_copy(struct word word, char *buf, size_t capacity)
{
    size_t n = word.length < capacity - 1 ? word.length : capacity - 1;
    memcpy(buf, word.at, n);
    buf[n] = '\0';
}

/* Reads digits; false without any or on overflow.  Advances past them. */
static bool take_number(struct word *word, uint64_t *number)
{
    uint64_t n = 0;
    size_t i = 0;
    for (; i < word->length && word->at[i] >= '0' && word->at[i] <= '9'; i++) {
        if (__builtin_mul_overflow(n, 10u, &n) || __builtin_add_overflow(n, (uint64_t)(word->at[i] - '0'), &n))
            return false;
    }
    word->at += i;
    word->length -= i;
    *number = n;
    return i != 0;
}

static bool scale(uint64_t *number, uint64_t factor)
{
    return !__builtin_mul_overflow(*number, factor, number);
}

static bool parse_duration(struct word word, uint64_t *value)
{
    if (word_is(word, "never")) {
        *value = OPTION_NEVER;
        return true;
    }
    if (!take_number(&word, value))
        return false;
    if (word_is(word, "ms"))
        return true;
    if (word_is(word, "s"))
        return scale(value, 1000);
    if (word_is(word, "m"))
        return scale(value, 60000);
    return word.length == 0 && *value == 0;
}

static bool parse_size(struct word word, uint64_t *value)
{
    if (!take_number(&word, value))
        return false;
    if (word_is(word, "k") || word_is(word, "kb") || word_is(word, "kib"))
        return scale(value, (uint64_t)1 << 10);
    if (word_is(word, "m") || word_is(word, "mb") || word_is(word, "mib"))
        return scale(value, (uint64_t)1 << 20);
    if (word_is(word, "g") || word_is(word, "gb") || word_is(word, "gib"))
        return scale(value, (uint64_t)1 << 30);
    return word.length == 0;
}

/* A share of the cgroup's limit is 0 where there is none, one of all memory is then one of the machine's. */
static bool parse_memory(struct word word, uint64_t *value)
{
    struct word rest = word;
    if (!take_number(&rest, value))
        return false;
    bool of_cgroup = word_is(rest, "%cgroup");
    if (!of_cgroup && !word_is(rest, "%"))
        return parse_size(word, value);
    if (*value > 100)
        return false;
    uint64_t whole = memory_cgroup_limit();
    if (whole == 0 && !of_cgroup)
        whole = memory_machine_bytes();
    *value = whole / 100 * *value;
    return true;
}

static bool parse_number(struct word word, uint64_t *value)
{
    if (!take_number(&word, value))
        return false;
    if (word_is(word, "k"))
        return scale(value, 1000);
    if (word_is(word, "m"))
        return scale(value, 1000000);
    return word.length == 0;
}

static bool parse_flag(struct word word, uint64_t *value)
{
    *value = word_is(word, "on") || word_is(word, "yes") || word_is(word, "true") || word_is(word, "1");
    return *value != 0 || word_is(word, "off") || word_is(word, "no") || word_is(word, "false") || word_is(word, "0");
}

static bool parse_word(unsigned key, struct word word, uint64_t *value)
{
    for (*value = 0; *value < WORDS_MAX && words[key][*value] != NULL; ++*value) {
        if (word_is(word, words[key][*value]))
            return true;
    }
    return false;
}

bool option_parse(unsigned key, struct word word, uint64_t *value)
{
    switch (option_rows[key].type) {
    case OPTION_DURATION:
        return parse_duration(word, value);
    case OPTION_SIZE:
        return parse_size(word, value);
    case OPTION_MEMORY:
        return parse_memory(word, value);
    case OPTION_NUMBER:
        return parse_number(word, value);
    case OPTION_FLAG:
        return parse_flag(word, value);
    case OPTION_WORD:
        return parse_word(key, word, value);
    case OPTION_TEXT:
        break;
    }
    return false;
}

static size_t format_size(uint64_t value, char *buf, size_t capacity)
{
    static const char units[] = { 'g', 'm', 'k' };
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(units); i++) {
        unsigned shift = 30 - 10 * i;
        if (value != 0 && value >> shift << shift == value)
            return log_format(buf, capacity, "%lu%c", value >> shift, units[i]);
    }
    return log_format(buf, capacity, "%lu", value);
}

static size_t format_duration(uint64_t value, char *buf, size_t capacity)
{
    if (value == OPTION_NEVER)
        return log_format(buf, capacity, "never");
    if (value % 60000 == 0 && value != 0)
        return log_format(buf, capacity, "%lum", value / 60000);
    if (value % 1000 == 0 && value != 0)
        return log_format(buf, capacity, "%lus", value / 1000);
    return log_format(buf, capacity, "%lums", value);
}

size_t option_format(unsigned key, uint64_t value, char *buf, size_t capacity)
{
    switch (option_rows[key].type) {
    case OPTION_DURATION:
        return format_duration(value, buf, capacity);
    case OPTION_SIZE:
    case OPTION_MEMORY:
        return format_size(value, buf, capacity);
    case OPTION_FLAG:
        return log_format(buf, capacity, "%s", value != 0 ? "on" : "off");
    case OPTION_WORD:
        return log_format(buf, capacity, "%s", words[key][value]);
    case OPTION_NUMBER:
    case OPTION_TEXT:
        break;
    }
    return log_format(buf, capacity, "%lu", value);
}

void option_wanted(unsigned key, char *buf, size_t capacity)
{
    static const char *const wanted[] = {
        [OPTION_DURATION] = "a duration (want 500ms, 10s, never)",
        [OPTION_SIZE] = "a size (want 64k, 512m, 2g)",
        [OPTION_MEMORY] = "a size (want 512m, 2g, 80%cgroup, 80%)",
        [OPTION_NUMBER] = "a number (want 700, 10k, 1m)",
        [OPTION_FLAG] = "a switch (want on, off)",
        [OPTION_TEXT] = "a text with % only in %p and %%",
    };
    if (option_rows[key].type != OPTION_WORD) {
        log_format(buf, capacity, "%s", wanted[option_rows[key].type]);
        return;
    }
    size_t length = log_format(buf, capacity, "one of its words (want %s", words[key][0]);
    for (unsigned i = 1; i < WORDS_MAX && words[key][i] != NULL; i++)
        length += log_format(buf + length, capacity - length, ", %s", words[key][i]);
    log_format(buf + length, capacity - length, ")");
}
