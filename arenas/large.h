/*
 * Large blocks: a span each, in slices of an arena, or in an arena of their own beyond half an arena.
 *
 * A large block starts at its span, so that its address is a multiple of 64 KiB; but one of LARGE_OFFSET_MIN and more, which
 * may start anywhere, some lines behind.  What stands at multiples of a page in it is then at no end of a page: who writes
 * from page to page takes half as long again there, as if the processor looked for the page beside it each time.
 */
#ifndef ARCA_ARENAS_LARGE_H
#define ARCA_ARENAS_LARGE_H

#include "arenas/span.h"

/* An alignment: none. */
#define LARGE_ANYWHERE 0u
/* Two lines at each end of a page are slow, on a Xeon of 2023; two is also what the processor fetches at once. */
#define LARGE_OFFSET ((size_t)2 * ARCA_CACHE_LINE)
/* It takes a page more of a block of whole pages: from here on less than half of a per cent. */
#define LARGE_OFFSET_MIN (((size_t)1 << 20) + 1)

ARCA_INLINE size_t large_offset(size_t bytes, size_t align)
{
    return align == LARGE_ANYWHERE && bytes >= LARGE_OFFSET_MIN ? LARGE_OFFSET : 0;
}

/* What its owner may use of a block of so many bytes that starts there in a page: that up to the end of a page. */
ARCA_INLINE size_t large_usable(size_t offset, size_t bytes)
{
    return bits_round_up(offset + bytes, OS_PAGE_SIZE) - offset;
}

/* A block that grows to this size does so for the last time by a copy. */
#define LARGE_MOVABLE_MIN ((size_t)2 << 20)

ARCA_INLINE void large_set_size(struct span *span, size_t bytes)
{
    store_rlx(&span->large_size, large_usable(span_offset(span), bytes));
}

/* A block of at least bytes, aligned to align (a power of two, or LARGE_ANYWHERE); NULL without memory or when the size
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
