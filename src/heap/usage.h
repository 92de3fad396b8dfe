/*
 * Adding up what memory is used for, from the records of arenas and heaps and from what the kernel says is resident.
 *
 * It looks at nothing by itself, so that the records may as well be copies of another process' ones, and any values
 * in them are allowed.
 *
 *   allocated  blocks that the program holds, by block size, resident or not
 *   live       of these, what is resident
 *   cached     blocks that threads keep for the next malloc, or that are on their way home
 *   slack      resident in pools and large blocks beyond live and cached: free blocks, the rest of a page or a span
 *   dirty      resident in free slices
 *   meta       resident in Arca's own records
 *
 * Law: live + cached + slack + dirty + meta = every page that was resident when it was looked at, once.
 * Of a pool's resident bytes as many are live or cached as its blocks in use take; where some of these have never
 * been written to, slack is so much too small.
 */
#ifndef ARCA_HEAP_USAGE_H
#define ARCA_HEAP_USAGE_H

#include "arenas/arena.h"
#include "heap/heap.h"

struct usage_class {
    uint64_t pools;
    uint64_t blocks; /* outside the free lists: live or cached */
    uint64_t pinned; /* slack of pools that hold such blocks: what a survivor on each page keeps from the system */
};

struct usage {
    uint64_t allocated, live, cached, slack, dirty, meta;
    uint64_t spare; /* of cached: resident in large blocks that threads keep; added at the end */
    uint64_t pools_free; /* bytes of pools that no block in use takes, resident or not */
    uint64_t large_bytes; /* of allocated: in blocks of more than SMALL_MAX */
    uint64_t heaps;
    struct usage_class classes[SIZE_CLASSES];
};

/* How far an arena has been gone through. */
struct usage_place {
    uint32_t slice; /* the next one */
    uint32_t span;  /* the first slice of the span that it belongs to, or itself */
};

#define USAGE_SLICES 128 /* at a time; no less than a pool has */
#define USAGE_PAGES_PER_SLICE (SLICE_SIZE / OS_PAGE_SIZE)
#define USAGE_PAGES (USAGE_SLICES * USAGE_PAGES_PER_SLICE)

/* Adds up to USAGE_SLICES slices from place on and moves it; resident has a byte a page of them, whose lowest bit
 * tells. */
void usage_slices(struct usage *usage, const struct arena *arena, struct usage_place *place, const unsigned char *resident);
/* Pages of records. */
void usage_meta(struct usage *usage, const unsigned char *resident, size_t pages);
/* What a heap keeps. */
void usage_heap(struct usage *usage, const struct heap *heap);
/* The sum of two, neither of them at its end. */
void usage_add(struct usage *usage, const struct usage *part);
/* A part of the sum is another one now. */
void usage_replace(struct usage *usage, const struct usage *old, const struct usage *fresh);
/* Every page that was resident; before the end. */
ARCA_INLINE uint64_t usage_resident(const struct usage *usage)
{
    return usage->live + usage->slack + usage->spare + usage->dirty + usage->meta;
}
/* Once all is added: what is cached is not live. */
void usage_end(struct usage *usage);

#endif
