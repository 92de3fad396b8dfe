/*
 * Size classes: 16-byte steps to 128, then 8 to a doubling up to 16 KiB (waste under 12.5 %: a page and its
 * header, as data bases ask for, lies just above a power of two), then 4 up to 32 KiB, where the pools of more
 * classes would hold more than the blocks waste; larger blocks are spans of their own.
 */
#ifndef ARCA_HEAP_SIZE_CLASS_H
#define ARCA_HEAP_SIZE_CLASS_H

#include "arenas/span.h"

#define SMALL_MAX ((size_t)32768)
#define SIZE_CLASSES 68
#define BLOCK_ALIGN ((size_t)16)

struct size_class {
    uint64_t divider; /* the next integer above 2^64 / block_size */
    uint32_t start_bound; /* offset * divider, modulo 2^64, is less only at the start of a block of a pool; of any offset */
    uint32_t block_size;
    uint16_t capacity; /* blocks of a pool */
    uint16_t pages;    /* of a pool that overlap a block */
    uint16_t slices;   /* of a pool */
    uint16_t bin_limit;
    uint8_t bucket_shift; /* used >> bucket_shift is the fullness bucket */
};

/* The place of a class' bin: bytes from the start of a heap on; 0 is none, where a heap has
 * what is always an empty bin. */
#define BIN_BYTES 24u
#define HEAP_BINS 8u
ARCA_INLINE unsigned bin_place(unsigned class)
{
    return HEAP_BINS + class * BIN_BYTES;
}

_Static_assert(HEAP_BINS < BIN_BYTES, "the class of a place is a quotient");

/* By (size + 15) / 16: the place of the bin of a request; beyond SMALL_MAX none.  Filled by size_class_init(). */
#define SIZE_TABLE_MAX ((size_t)1 << 18)
extern uint16_t size_class_table[SIZE_TABLE_MAX / BLOCK_ALIGN + 1];
extern struct size_class size_classes[SIZE_CLASSES];

void size_class_init(size_t cache_bytes);

/* size <= SIZE_TABLE_MAX; 0 counts as 1. */
ARCA_INLINE unsigned bin_place_of(size_t size)
{
    return size_class_table[(size + BLOCK_ALIGN - 1) / BLOCK_ALIGN];
}

/* size <= SMALL_MAX */
ARCA_INLINE unsigned size_class_of(size_t size)
{
    return bin_place_of(size) / BIN_BYTES;
}

#endif
