/* Counts that are near an end, mean nothing, or are gone. */
#ifndef ARCA_GC_COUNT_H
#define ARCA_GC_COUNT_H

#include "gc/objects/header.h"

/* Puts the count of an immortal object, which drifts, far from both ends. */
void count_recentre(void *object);

/* False when it was immortal before. */
bool count_make_immortal(void *object);

/* Ends the program with what is wrong with an object whose count is 0; with debug=refs the line has its type. */
ARCA_COLD _Noreturn void count_abort_dead(const char *function, const void *object, const char *what);

#endif
