/* The text of values: words of the input, numbers with units, and back. */
#ifndef ARCA_BASE_OPTION_VALUE_H
#define ARCA_BASE_OPTION_VALUE_H

#include "base/options.h"

/* A part of a text. */
struct word {
    const char *at;
    size_t length;
};

/* Letters of either case are the same. */
bool word_is(struct word word, const char *text);
/* Cuts what does not fit. */
void word_copy(struct word word, char *buf, size_t capacity);

/* False for what is no value of the key's type; the range is not looked at.  Not for a TEXT. */
bool option_parse(unsigned key, struct word word, uint64_t *value);
size_t option_format(unsigned key, uint64_t value, char *buf, size_t capacity);

/* What would be right: "a size (want 64k, 512m, 2g)". */
void option_wanted(unsigned key, char *buf, size_t capacity);

#endif
