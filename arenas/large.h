/*
 * Large blocks: a span each, in slices of an arena, or in an arena of their own beyond half an arena.
 *
 * A large block starts at its span, so that its address is a multiple of 64 KiB.
 */
#ifndef ARCA_ARENAS_LARGE_H
#define ARCA_ARENAS_LARGE_H

#include "arenas/span.h"

/* What its owner may use. */
ARCA_INLINE void large_set_size(struct span *span, size_t bytes)
{
    store_rlx(&span->large_size, bits_round_up(bytes, OS_PAGE_SIZE));
}

/* A block of at least bytes, aligned to align (a power of two); NULL without memory or when the size
 * overflows.  *zeroed: it reads as zeros. */
struct span *large_create(size_t bytes, size_t align, bool *zeroed);
/* The block becomes an object of libarcagc, whose header word is set: every slice of it is in the page map, and it
 * goes by retired_add(). */
void large_make_object(struct span *span);
void large_destroy(struct span *span, uint32_t now_ms);

/* The same block with another size; it may move when it has an arena of its own, else it stays.
 * NULL: not possible in place, nothing changed. */
struct span *large_resize(struct span *span, size_t bytes, uint32_t now_ms);

#endif
