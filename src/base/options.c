/* The parser of the option table; no allocation, no stdio. */
#include "base/options.h"

#include "base/log.h"
#include "base/os.h"

#include <string.h>

#define TEXT_MAX 96

struct options options = {
#define OPTION(name, type, standard, min, max, sentence) .name = (standard),
#include "base/options.def"
#undef OPTION
};

const struct option_row option_rows[OPTION_COUNT] = {
#define OPTION(name, type, standard, min, max, sentence) { #name, OPTION_##type, (standard), (min), (max), sentence },
#include "base/options.def"
#undef OPTION
};

static uint64_t *value_of(unsigned key)
{
    return (uint64_t *)&options + key;
}

_Static_assert(sizeof(struct options) == OPTION_COUNT * sizeof(uint64_t), "options is an array of values in row order");

struct word {
    const char *at;
    size_t length;
};

static bool word_is(struct word word, const char *text)
{
    return strlen(text) == word.length && strncasecmp(word.at, text, word.length) == 0;
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

/* The memory limit of this process' cgroup (v2, else v1), 0 where there is none. */
static uint64_t cgroup_limit(void)
{
    static const char *const paths[] = { "/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes" };
    char buf[64];
    uint64_t limit;
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(paths); i++) {
        if (os_read_file(paths[i], buf, sizeof buf) <= 0)
            continue;
        struct word word = { buf, strlen(buf) };
        /* v1 writes a huge number for "no limit". */
        if (take_number(&word, &limit) && limit < (uint64_t)1 << 60)
            return limit;
    }
    return 0;
}

static bool parse_size(struct word word, uint64_t *value)
{
    if (!take_number(&word, value))
        return false;
    if (word_is(word, "%cgroup")) {
        if (*value > 100)
            return false;
        *value = cgroup_limit() / 100 * *value;
        return true;
    }
    if (word_is(word, "k") || word_is(word, "kb") || word_is(word, "kib"))
        return scale(value, (uint64_t)1 << 10);
    if (word_is(word, "m") || word_is(word, "mb") || word_is(word, "mib"))
        return scale(value, (uint64_t)1 << 20);
    if (word_is(word, "g") || word_is(word, "gb") || word_is(word, "gib"))
        return scale(value, (uint64_t)1 << 30);
    return word.length == 0;
}

static bool parse_flag(struct word word, uint64_t *value)
{
    *value = word_is(word, "on") || word_is(word, "yes") || word_is(word, "true") || word_is(word, "1");
    return *value != 0 || word_is(word, "off") || word_is(word, "no") || word_is(word, "false") || word_is(word, "0");
}

#define WORDS_MAX 3

static const char *const words[OPTION_COUNT][WORDS_MAX] = {
    [OPTION_KEY_debug] = { [DEBUG_OFF] = "off", [DEBUG_REFS] = "refs" },
    [OPTION_KEY_collector] = { [COLLECTOR_OFF] = "off", [COLLECTOR_THREAD] = "thread", [COLLECTOR_INLINE] = "inline" },
};

static bool parse_word(unsigned key, struct word word, uint64_t *value)
{
    for (*value = 0; *value < WORDS_MAX && words[key][*value] != NULL; ++*value) {
        if (word_is(word, words[key][*value]))
            return true;
    }
    return false;
}

static const char *const wanted[] = {
    [OPTION_DURATION] = "a duration (want 500ms, 10s, never)",
    [OPTION_SIZE] = "a size (want 64k, 512m, 2g)",
    [OPTION_FLAG] = "a switch (want on, off)",
};

static void format_value(const struct option_row *row, uint64_t value, char *buf, size_t capacity)
{
    if (row->type == OPTION_FLAG)
        log_format(buf, capacity, "%s", value != 0 ? "on" : "off");
    else if (row->type == OPTION_WORD)
        log_format(buf, capacity, "%s", words[row - option_rows][value]);
    else if (row->type == OPTION_SIZE)
        log_format(buf, capacity, "%lu", value);
    else if (value == OPTION_NEVER)
        log_format(buf, capacity, "never");
    else if (value % 1000 == 0 && value != 0)
        log_format(buf, capacity, "%lus", value / 1000);
    else
        log_format(buf, capacity, "%lums", value);
}

static void copy_word(struct word word, char *buf, size_t capacity)
{
    size_t n = word.length < capacity - 1 ? word.length : capacity - 1;
    memcpy(buf, word.at, n);
    buf[n] = '\0';
}

static void set_value(const char *source, unsigned key, struct word text)
{
    const struct option_row *row = &option_rows[key];
    uint64_t value = 0;
    bool parsed = false;
    switch (row->type) {
    case OPTION_DURATION:
        parsed = parse_duration(text, &value);
        break;
    case OPTION_SIZE:
        parsed = parse_size(text, &value);
        break;
    case OPTION_FLAG:
        parsed = parse_flag(text, &value);
        break;
    case OPTION_WORD:
        parsed = parse_word(key, text, &value);
        break;
    }
    bool fits = parsed && value >= row->min && (row->max == 0 || value <= row->max || (row->type == OPTION_DURATION && value == OPTION_NEVER));
    if (fits) {
        *value_of(key) = value;
        return;
    }
    char given[TEXT_MAX], low[TEXT_MAX], high[TEXT_MAX], used[TEXT_MAX];
    copy_word(text, given, sizeof given);
    format_value(row, *value_of(key), used, sizeof used);
    if (!parsed && row->type == OPTION_WORD) {
        const char *const *list = words[key];
        log_line("%s: %s=%s: not one of its words (want %s, %s%s%s); using %s", source, row->name, given, list[0], list[1],
                 list[2] != NULL ? ", " : "", list[2] != NULL ? list[2] : "", used);
        return;
    }
    if (!parsed) {
        log_line("%s: %s=%s: not %s; using %s", source, row->name, given, wanted[row->type], used);
        return;
    }
    format_value(row, row->min, low, sizeof low);
    format_value(row, row->max, high, sizeof high);
    log_line("%s: %s=%s: out of range (want %s to %s); using %s", source, row->name, given, low, high, used);
}

/* Edit distance, with a swap of neighbours as one edit; both words are short. */
static unsigned distance(struct word a, const char *b)
{
    enum { MAX = 24 };
    size_t n = a.length, m = strlen(b);
    unsigned rows[3][MAX + 1];
    if (n > MAX || m > MAX)
        return UINT32_MAX;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned *row = rows[i % 3], *up = rows[(i - 1) % 3], *up2 = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            bool same = (a.at[i - 1] | 0x20) == b[j - 1];
            unsigned best = up[j - 1] + !same;
            if (up[j] + 1 < best)
                best = up[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a.at[i - 1] == b[j - 2] && a.at[i - 2] == b[j - 1] && up2[j - 2] + 1 < best)
                best = up2[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[n % 3][m];
}

static void complain_unknown(const char *source, struct word key)
{
    char given[TEXT_MAX];
    const char *nearest = NULL;
    unsigned best = 3;
    copy_word(key, given, sizeof given);
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        unsigned d = distance(key, option_rows[i].name);
        if (d < best) {
            best = d;
            nearest = option_rows[i].name;
        }
    }
    if (nearest != NULL)
        log_line("%s: unknown key '%s' (did you mean '%s'?)", source, given, nearest);
    else
        log_line("%s: unknown key '%s'", source, given);
}

static int find_key(struct word key)
{
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        if (word_is(key, option_rows[i].name))
            return (int)i;
    }
    return -1;
}

static void parse_pair(const char *source, struct word pair)
{
    const char *equals = memchr(pair.at, '=', pair.length);
    if (equals == NULL) {
        char given[TEXT_MAX];
        copy_word(pair, given, sizeof given);
        log_line("%s: '%s': want key=value", source, given);
        return;
    }
    struct word key = { pair.at, (size_t)(equals - pair.at) };
    struct word value = { equals + 1, pair.length - key.length - 1 };
    int found = find_key(key);
    if (found < 0)
        complain_unknown(source, key);
    else
        set_value(source, (unsigned)found, value);
}

void options_parse(const char *source, const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        if (length != 0)
            parse_pair(source, (struct word){ text, length });
        text += length;
        text += *text == ',';
    }
}

/* ARCA_CONF first, then single variables: the more specific setting wins. */
void options_read(char **environment)
{
    if (environment == NULL || os_is_secure())
        return;
    for (char **e = environment; *e != NULL; e++) {
        if (strncmp(*e, "ARCA_CONF=", 10) == 0)
            options_parse("ARCA_CONF", *e + 10);
    }
    for (char **e = environment; *e != NULL; e++) {
        const char *equals = strchr(*e, '=');
        if (strncmp(*e, "ARCA_", 5) != 0 || equals == NULL)
            continue;
        struct word key = { *e + 5, (size_t)(equals - *e) - 5 };
        int found = find_key(key);
        if (found >= 0) {
            char source[TEXT_MAX];
            copy_word((struct word){ *e, (size_t)(equals - *e) }, source, sizeof source);
            set_value(source, (unsigned)found, (struct word){ equals + 1, strlen(equals + 1) });
        } else if (!word_is(key, "CONF")) {
            complain_unknown("environment", key);
        }
    }
    os_set_lazy(options.lazy != 0);
}

bool options_get(const char *name, uint64_t *value)
{
    int key = find_key((struct word){ name, strlen(name) });
    if (key < 0)
        return false;
    *value = *value_of((unsigned)key);
    return true;
}
