/* How far a word is from the one that was meant. */
#ifndef ARCA_BASE_SPELLING_H
#define ARCA_BASE_SPELLING_H

#include "base/compiler.h"

/* Letters to insert, to leave out or to change; a small letter of the first word is as good as a capital one.
 * UINT32_MAX for words too long to compare. */
unsigned spelling_distance(const char *a, size_t length, const char *b);

#endif
