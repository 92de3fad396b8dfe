/*
 * Large blocks: a span each, in slices of an arena, or in an arena of their own beyond half an arena.
 *
 * A large block starts at its span, so that its address is a multiple of 64 KiB.
 */
#ifndef ARCA_ARENAS_LARGE_H
#define ARCA_ARENAS_LARGE_H

#include "arenas/span.h"

/* A block that grows to this size does so for the last time by a copy. */
#define LARGE_MOVABLE_MIN ((size_t)2 << 20)

/* What its owner may use. */
ARCA_INLINE void large_set_size(struct span *span, size_t bytes)
{
    store_rlx(&span->large_size, bits_round_up(bytes, OS_PAGE_SIZE));
}

/* A block of at least bytes, aligned to align (a power of two); NULL without memory or when the size
 * overflows.  *zeroed: it reads as zeros. */
struct span *large_create(size_t bytes, size_t align, bool *zeroed);
/* One of LARGE_MOVABLE_MIN and more, in an arena of its own whatever its size: it grows without a copy. */
struct span *large_create_movable(size_t bytes);
/* The block becomes an object of libarcagc, whose header word is set: every slice of it is in the page map, and it
 * goes by retired_add(). */
void large_make_object(struct span *span);
void large_destroy(struct span *span, uint32_t now_ms);

/* The same block with another size; it may move when it has an arena of its own, else it stays.
 * NULL: not possible in place, or it had better be movable from now on; nothing changed. */
struct span *large_resize(struct span *span, size_t bytes, uint32_t now_ms);

#endif
