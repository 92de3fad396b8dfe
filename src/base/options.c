/* The table: values, who set them, and the line that each mistake costs. */
#include "base/options.h"

#include "base/log.h"
#include "base/option_value.h"
#include "base/os.h"
#include "base/spelling.h"

#include <string.h>

/* Of what a message repeats. */
#define GIVEN_MAX 96

#define OPTION_INIT_DURATION(standard) (standard)
#define OPTION_INIT_SIZE(standard) (standard)
#define OPTION_INIT_MEMORY(standard) (standard)
#define OPTION_INIT_NUMBER(standard) (standard)
#define OPTION_INIT_FLAG(standard) (standard)
#define OPTION_INIT_WORD(standard) (standard)
#define OPTION_INIT_TEXT(standard) { (standard) }

struct options options = {
#define OPTION(name, type, standard, min, max, sentence) .name = OPTION_INIT_##type(standard),
#include "base/options.def"
#undef OPTION
};

const struct option_row option_rows[OPTION_COUNT] = {
#define OPTION(name, type, standard, min, max, sentence) \
    { #name, OPTION_##type, offsetof(struct options, name), (standard), (min), (max), sentence },
#include "base/options.def"
#undef OPTION
};

static bool strict; /* nothing goes on with what is wrong */

static void *field_of(unsigned key)
{
    return (char *)&options + option_rows[key].offset;
}

static uint64_t value_of(unsigned key)
{
    return *(const uint64_t *)field_of(key);
}

/* ---- setting ----------------------------------------------------------------------------------------------- */

static bool fits(const struct option_row *row, uint64_t value)
{
    return value >= row->min &&
           (row->max == 0 || value <= row->max || (row->type == OPTION_DURATION && value == OPTION_NEVER));
}

/* As it was given, on one line. */
static void show(struct word text, char *buf, size_t capacity)
{
    word_copy(text, buf, capacity);
    for (; *buf != '\0'; buf++) {
        if ((unsigned char)*buf < ' ' || *buf == 0x7f)
            *buf = '?';
    }
}

/* What is done instead: nothing, where who asks goes on with nothing that is wrong. */
static const char *instead(unsigned key, char *buf, size_t capacity)
{
    size_t length = log_format(buf, capacity, "; using ");
    if (strict)
        return "";
    options_format(key, buf + length, capacity - length);
    return buf;
}

static void complain_type(const char *source, unsigned key, struct word text)
{
    char given[GIVEN_MAX], wanted[GIVEN_MAX], used[GIVEN_MAX];
    show(text, given, sizeof given);
    option_wanted(key, wanted, sizeof wanted);
    log_line("%s: %s=%s: not %s%s", source, option_rows[key].name, given, wanted, instead(key, used, sizeof used));
}

static void complain_range(const char *source, unsigned key, struct word text)
{
    const struct option_row *row = &option_rows[key];
    char given[GIVEN_MAX], low[GIVEN_MAX], high[GIVEN_MAX], used[GIVEN_MAX];
    show(text, given, sizeof given);
    option_format(key, row->min, low, sizeof low);
    option_format(key, row->max, high, sizeof high);
    log_line("%s: %s=%s: out of range (want %s %s%s)%s", source, row->name, given, low, row->max == 0 ? "or more" : "to ",
             row->max == 0 ? "" : high, instead(key, used, sizeof used));
}

static bool set_number(const char *source, unsigned key, struct word text)
{
    uint64_t value = 0;
    if (!option_parse(key, text, &value)) {
        complain_type(source, key, text);
        return false;
    }
    if (!fits(&option_rows[key], value)) {
        complain_range(source, key, text);
        return false;
    }
    *(uint64_t *)field_of(key) = value;
    return true;
}

static bool text_is_expandable(struct word text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.at[i] == '%' && (++i == text.length || (text.at[i] != 'p' && text.at[i] != '%')))
            return false;
    }
    return true;
}

static bool set_text(const char *source, unsigned key, struct word text)
{
    if (text.length > option_rows[key].max) {
        log_line("%s: %s: a text of %zu bytes (want %lu at the most); ignored", source, option_rows[key].name, text.length,
                 option_rows[key].max);
        return false;
    }
    if (!text_is_expandable(text)) {
        complain_type(source, key, text);
        return false;
    }
    word_copy(text, field_of(key), OPTION_TEXT_MAX);
    return true;
}

static bool set(const char *source, unsigned key, struct word text)
{
    bool is_text = option_rows[key].type == OPTION_TEXT;
    if (!(is_text ? set_text(source, key, text) : set_number(source, key, text)))
        return false;
    word_copy((struct word){ source, strlen(source) }, options.source[key], OPTION_SOURCE_MAX);
    return true;
}

/* ---- keys ---------------------------------------------------------------------------------------------------- */

static void complain_unknown(const char *source, struct word key)
{
    char given[GIVEN_MAX];
    const char *nearest = NULL;
    unsigned best = 3;
    show(key, given, sizeof given);
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        unsigned distance = spelling_distance(key.at, key.length, option_rows[i].name);
        if (distance < best) {
            best = distance;
            nearest = option_rows[i].name;
        }
    }
    if (nearest != NULL)
        log_line("%s: unknown key '%s' (did you mean '%s'?)", source, given, nearest);
    else
        log_line("%s: unknown key '%s' (arca options lists them)", source, given);
}

static int find_key(struct word key)
{
    for (unsigned i = 0; i < OPTION_COUNT; i++) {
        if (word_is(key, option_rows[i].name))
            return (int)i;
    }
    return -1;
}

static struct word trim(struct word word)
{
    while (word.length != 0 && strchr(" \t\r\n", word.at[0]) != NULL) {
        word.at++;
        word.length--;
    }
    while (word.length != 0 && strchr(" \t\r\n", word.at[word.length - 1]) != NULL)
        word.length--;
    return word;
}

static bool parse_pair(const char *source, struct word pair)
{
    const char *equals = memchr(pair.at, '=', pair.length);
    if (equals == NULL) {
        char given[GIVEN_MAX];
        show(pair, given, sizeof given);
        log_line("%s: '%s': want key=value", source, given);
        return false;
    }
    struct word key = trim((struct word){ pair.at, (size_t)(equals - pair.at) });
    struct word value = trim((struct word){ equals + 1, (size_t)(pair.at + pair.length - equals) - 1 });
    int found = find_key(key);
    if (found >= 0)
        return set(source, (unsigned)found, value);
    complain_unknown(source, key);
    return false;
}

bool options_parse(const char *source, const char *text)
{
    bool good = true;
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        struct word pair = trim((struct word){ text, length });
        if (pair.length != 0)
            good &= parse_pair(source, pair);
        text += length;
        text += *text == ',';
    }
    return good;
}

bool options_parse_strictly(const char *source, const char *text)
{
    strict = true;
    bool good = options_parse(source, text);
    strict = false;
    return good;
}

void options_parse_line(const char *source, const char *line, size_t length)
{
    struct word pair = trim((struct word){ line, length });
    if (pair.length != 0 && pair.at[0] != '#')
        parse_pair(source, pair);
}

void options_parse_variable(const char *variable)
{
    char source[GIVEN_MAX];
    const char *equals = strchr(variable, '=');
    struct word name = { variable, (size_t)(equals - variable) };
    struct word key = { name.at + strlen(OPTIONS_PREFIX), name.length - strlen(OPTIONS_PREFIX) };
    int found = find_key(key);
    word_copy(name, source, sizeof source);
    if (found >= 0)
        set(source, (unsigned)found, trim((struct word){ equals + 1, strlen(equals + 1) }));
    else
        complain_unknown("environment", key);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

int options_find(const char *name)
{
    return find_key((struct word){ name, strlen(name) });
}

bool options_get(const char *name, uint64_t *value)
{
    int key = options_find(name);
    if (key < 0 || option_rows[key].type == OPTION_TEXT)
        return false;
    *value = value_of((unsigned)key);
    return true;
}

size_t options_format(unsigned key, char *buf, size_t capacity)
{
    if (option_rows[key].type == OPTION_TEXT)
        return log_format(buf, capacity, "%s", (const char *)field_of(key));
    return option_format(key, value_of(key), buf, capacity);
}

const char *options_source(unsigned key)
{
    return options.source[key][0] != '\0' ? options.source[key] : "default";
}

void options_write(void (*line)(void *context, const char *text), void *context)
{
    char value[OPTION_TEXT_MAX], text[OPTION_TEXT_MAX + GIVEN_MAX];
    for (unsigned key = 0; key < OPTION_COUNT; key++) {
        if (options.source[key][0] == '\0')
            continue;
        options_format(key, value, sizeof value);
        log_format(text, sizeof text, "option %s=%s (%s)", option_rows[key].name, value, options.source[key]);
        line(context, text);
    }
}

void options_make_safe(struct options *copy)
{
    for (unsigned key = 0; key < OPTION_COUNT; key++) {
        const struct option_row *row = &option_rows[key];
        void *field = (char *)copy + row->offset;
        copy->source[key][OPTION_SOURCE_MAX - 1] = '\0';
        if (row->type == OPTION_TEXT)
            ((char *)field)[OPTION_TEXT_MAX - 1] = '\0';
        else if (!fits(row, *(uint64_t *)field))
            *(uint64_t *)field = row->standard;
    }
}

bool options_expand(const char *text, char *buf, size_t capacity)
{
    size_t length = 0;
    buf[0] = '\0';
    for (; *text != '\0' && length + 1 < capacity; text++) {
        if (text[0] != '%')
            length += log_format(buf + length, capacity - length, "%c", *text);
        else if (*++text == 'p')
            length += log_format(buf + length, capacity - length, "%u", os_process_id());
        else
            length += log_format(buf + length, capacity - length, "%%");
    }
    return *text == '\0';
}
