/* Counts that are near an end, mean nothing, or are gone. */
#ifndef ARCA_GC_COUNT_H
#define ARCA_GC_COUNT_H

#include "gc/objects/header.h"

/* Puts the count of an immortal object, which drifts, far from both ends. */
void count_recentre(void *object);

/* word: as it was before a unit was added.  False where that was dealt with as something unusual. */
bool count_raised(void *object, uint64_t word);

/* A unit more, by the word alone: out of no reserve, nor is one filled, which may want memory.  For who holds a lock. */
ARCA_INLINE void *unit_retain(void *object)
{
    if (!arca_private_is_counted(object))
        return object;
    uint64_t word = add_rlx(word_of(object), WORD_VERSION + WORD_ONE);
    if (unlikely((uint32_t)word - 1 >= ARCA_PRIVATE_COUNT_LIMIT - 1))
        count_raised(object, word);
    return object;
}

/* False when it was immortal before. */
bool count_make_immortal(void *object);

/* Ends the program with what is wrong with an object whose count is 0; with debug=refs the line has its type. */
ARCA_COLD _Noreturn void count_abort_dead(const char *function, const void *object, const char *what);

#endif
