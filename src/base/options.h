/*
 * Settings, read once: /etc/arca.conf, then the program's `arca_conf`, then ARCA_CONF="key=value,key=value", then
 * ARCA_<KEY>=value; of two settings of a key the later wins, and its source is kept.
 *
 * Law: `options` is written only by options_read(), before the second thread exists; afterwards it
 * is read-only.  Bad values and unknown keys cost one line on fd 2 and leave the value before.
 */
#ifndef ARCA_BASE_OPTIONS_H
#define ARCA_BASE_OPTIONS_H

#include "base/compiler.h"

enum option_type { OPTION_DURATION, OPTION_SIZE, OPTION_MEMORY, OPTION_NUMBER, OPTION_FLAG, OPTION_WORD, OPTION_TEXT };

/* The words of WORD options, by value. */
enum option_debug { DEBUG_OFF, DEBUG_REFS };
enum option_collector { COLLECTOR_OFF, COLLECTOR_THREAD, COLLECTOR_INLINE };
enum option_stats { STATS_OFF, STATS_TEXT, STATS_JSON };
enum option_verbose { VERBOSE_QUIET, VERBOSE_NORMAL };

#define OPTION_NEVER UINT64_MAX

/* A TEXT value with its end. */
#define OPTION_TEXT_MAX 256
#define OPTION_SOURCE_MAX 32

#define OPTIONS_FILE "/etc/arca.conf"
#define OPTIONS_PREFIX "ARCA_"

enum option_key {
#define OPTION(name, type, standard, min, max, sentence) OPTION_KEY_##name,
#include "base/options.def"
#undef OPTION
    OPTION_COUNT
};

#define OPTION_FIELD_DURATION(name) uint64_t name
#define OPTION_FIELD_SIZE(name) uint64_t name
#define OPTION_FIELD_MEMORY(name) uint64_t name
#define OPTION_FIELD_NUMBER(name) uint64_t name
#define OPTION_FIELD_FLAG(name) uint64_t name
#define OPTION_FIELD_WORD(name) uint64_t name
#define OPTION_FIELD_TEXT(name) char name[OPTION_TEXT_MAX]

struct options {
#define OPTION(name, type, standard, min, max, sentence) OPTION_FIELD_##type(name);
#include "base/options.def"
#undef OPTION
    char source[OPTION_COUNT][OPTION_SOURCE_MAX]; /* who set it; "": nobody */
};

extern struct options options ARCA_SHARED(options);

struct option_row {
    const char *name;
    enum option_type type;
    size_t offset; /* in struct options */
    uint64_t standard, min, max;
    const char *sentence;
};

extern const struct option_row option_rows[OPTION_COUNT];

/* Reads all sources; under AT_SECURE only the program's own.  environment is `environ`. */
void options_read(char **environment);

/* The file's settings, a line each; one message where it is not to be trusted or too large. */
void options_read_file(const char *path);

/* Parses "key=value" rows separated by commas; source names them in messages.  False where there was one. */
bool options_parse(const char *source, const char *text);
/* The same for who does not go on where there was one, and says no more about it. */
bool options_parse_strictly(const char *source, const char *text);

/* One setting of a file: blanks around key and value do not count; a blank line or a # comment is none. */
void options_parse_line(const char *source, const char *line, size_t length);

/* A variable of the environment, "ARCA_KEY=value". */
void options_parse_variable(const char *variable);

/* Of a key; -1 for an unknown one. */
int options_find(const char *name);

/* The value of a key, or false for an unknown one and for a TEXT. */
bool options_get(const char *name, uint64_t *value);

/* As it would be written; returns the length. */
size_t options_format(unsigned key, char *buf, size_t capacity);

/* Who set it: "/etc/arca.conf:3", "arca_conf", "ARCA_CONF", "ARCA_PURGE"; or "default". */
const char *options_source(unsigned key);

/* A line for each option that was set: "option purge=2s (ARCA_PURGE)". */
void options_write(void (*line)(void *context, const char *text), void *context);

/* In a copy of another process' options: values that there are not, and texts without an end, would harm who formats them. */
void options_make_safe(struct options *copy);

/* A TEXT with the process' number for %p and % for %%; false when it does not fit. */
bool options_expand(const char *text, char *buf, size_t capacity);

#endif
