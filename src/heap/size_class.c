/* Filling the size class tables. */
#include "heap/size_class.h"

/* A pool has room for so many blocks: fewer would not amortise claiming it. */
#define POOL_BLOCKS_WANTED 32

/* Up to here 8 classes to a doubling. */
#define FINE_MAX 16384

#define BIN_MIN 4
#define BIN_MAX 256

/* Four lists by fullness. */
#define BUCKET_BITS 2

uint16_t size_class_table[SIZE_TABLE_MAX / BLOCK_ALIGN + 1];
struct size_class size_classes[SIZE_CLASSES];

static uint32_t next_block_size(uint32_t size)
{
    if (size < 128)
        return size + 16;
    uint32_t doubling = (uint32_t)1 << (bits_width(size) - 1);
    return size + doubling / (size < FINE_MAX ? 8 : 4);
}

static void fill(struct size_class *class, uint32_t block_size, size_t cache_bytes)
{
    uint32_t slices = 1;
    while (slices < POOL_SLICES_MAX && slices * SLICE_SIZE < (size_t)block_size * POOL_BLOCKS_WANTED)
        slices *= 2;
    uint32_t capacity = (uint32_t)((size_t)slices * SLICE_SIZE / block_size);
    size_t limit = cache_bytes / block_size;
    /* The rounding adds up with each block: the place behind the last one is beyond the bound, too, and so is any multiple
     * of the size that follows.  Therefore it is no power of two even where the size is one. */
    class->divider = UINT64_MAX / block_size + 1 + bits_is_pow2(block_size);
    class->start_bound = (uint32_t)(block_size * class->divider) * (capacity - 1) + 1;
    class->block_size = block_size;
    class->capacity = (uint16_t)capacity;
    class->pages = (uint16_t)(((size_t)capacity * block_size + OS_PAGE_SIZE - 1) / OS_PAGE_SIZE);
    class->slices = (uint16_t)slices;
    class->bin_limit = (uint16_t)(limit < BIN_MIN ? BIN_MIN : limit > BIN_MAX ? BIN_MAX : limit);
    unsigned width = bits_width(capacity - 1);
    class->bucket_shift = (uint8_t)(width > BUCKET_BITS ? width - BUCKET_BITS : 0);
}

void size_class_init(size_t cache_bytes)
{
    uint32_t size = 16;
    size_t filled = 0;
    for (unsigned i = 0; i < SIZE_CLASSES; i++, size = next_block_size(size)) {
        fill(&size_classes[i], size, cache_bytes);
        for (; filled <= size / BLOCK_ALIGN; filled++)
            size_class_table[filled] = (uint16_t)bin_place(i);
    }
    assert(size_classes[SIZE_CLASSES - 1].block_size == SMALL_MAX);
}
