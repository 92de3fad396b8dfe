/*
 * Settings, read once from the environment: ARCA_CONF="key=value,key=value" and ARCA_<KEY>=value.
 *
 * Law: `options` is written only by options_read(), before the second thread exists; afterwards it
 * is read-only.  Bad values and unknown keys cost one line on fd 2 and leave the default.
 */
#ifndef ARCA_BASE_OPTIONS_H
#define ARCA_BASE_OPTIONS_H

#include "base/compiler.h"

enum option_type { OPTION_DURATION, OPTION_SIZE, OPTION_FLAG, OPTION_WORD };

/* The words of WORD options, by value. */
enum option_debug { DEBUG_OFF, DEBUG_REFS };
enum option_collector { COLLECTOR_OFF, COLLECTOR_THREAD, COLLECTOR_INLINE };

#define OPTION_NEVER UINT64_MAX

enum option_key {
#define OPTION(name, type, standard, min, max, sentence) OPTION_KEY_##name,
#include "base/options.def"
#undef OPTION
    OPTION_COUNT
};

struct options {
#define OPTION(name, type, standard, min, max, sentence) uint64_t name;
#include "base/options.def"
#undef OPTION
};

extern struct options options ARCA_SHARED(options);

struct option_row {
    const char *name;
    enum option_type type;
    uint64_t standard, min, max;
    const char *sentence;
};

extern const struct option_row option_rows[OPTION_COUNT];

/* Ignored under AT_SECURE.  environment is `environ`. */
void options_read(char **environment);

/* Parses "key=value" rows separated by commas; source names them in messages. */
void options_parse(const char *source, const char *text);

/* The value of a key, or false for an unknown one. */
bool options_get(const char *name, uint64_t *value);

#endif
