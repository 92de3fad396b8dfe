/* Plain bitmaps of a fixed number of bits; the caller brings the lock. */
#ifndef ARCA_ARENAS_BITMAP_H
#define ARCA_ARENAS_BITMAP_H

#include "base/bits.h"
#include "base/compiler.h"

#define BITMAP_WORDS(bits) (((bits) + 63) / 64)
#define BITMAP_NONE UINT32_MAX

ARCA_INLINE bool bitmap_get(const uint64_t *words, uint32_t bit)
{
    return (words[bit / 64] >> (bit % 64)) & 1;
}

void bitmap_set_range(uint64_t *words, uint32_t from, uint32_t count);
void bitmap_clear_range(uint64_t *words, uint32_t from, uint32_t count);
uint32_t bitmap_count_range(const uint64_t *words, uint32_t from, uint32_t count);

/* First bit at or after from that is set (or clear); limit when there is none before it. */
uint32_t bitmap_next_set(const uint64_t *words, uint32_t from, uint32_t limit);
uint32_t bitmap_next_clear(const uint64_t *words, uint32_t from, uint32_t limit);

/* The start of a run of count set bits, of the shortest run that has room (the first of those), such
 * that (start + phase) is a multiple of align, a power of two; BITMAP_NONE without one. */
uint32_t bitmap_find_run(const uint64_t *words, uint32_t limit, uint32_t count, uint32_t align, uint32_t phase);

/* The same at either end of a run of free bits: the place that takes the fewest bits that are not dirty, then the
 * one in the shortest run.  *cost orders places of several bitmaps; a place must cost less than it did before. */
uint32_t bitmap_find_dirtiest(const uint64_t *free_words, const uint64_t *dirty_words, uint32_t limit, uint32_t count,
                              uint32_t align, uint32_t phase, uint64_t *cost);

#endif
