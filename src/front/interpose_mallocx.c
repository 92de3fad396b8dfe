/*
 * jemalloc's second family: its sizes, alignments and zeros.  Arenas and thread caches in the flags are let pass: there
 * is one heap behind all of them.
 */
#include "arca/arca.h"

#include "base/bits.h"
#include "base/os.h"
#include "front/door.h"
#include "front/supply.h"
#include "heap/harden.h"

#include <string.h>

#define EXPORT __attribute__((visibility("default")))

#define LG_ALIGN_MASK 0x3f
#define ZERO 0x40

EXPORT void *mallocx(size_t size, int flags);
EXPORT void *rallocx(void *block, size_t size, int flags);
EXPORT size_t xallocx(void *block, size_t size, size_t extra, int flags);
EXPORT size_t sallocx(const void *block, int flags);
EXPORT void dallocx(void *block, int flags);
EXPORT void sdallocx(void *block, size_t size, int flags);
EXPORT size_t nallocx(size_t size, int flags);

static size_t align_of(int flags)
{
    return (size_t)1 << (flags & LG_ALIGN_MASK);
}

/* A caller may use all of the block, and so expects zeros in all of it. */
EXPORT void *mallocx(size_t size, int flags)
{
    size_t align = align_of(flags);
    if ((flags & ZERO) == 0)
        return arca_aligned_alloc(align, size);
    if (align <= BLOCK_ALIGN)
        return arca_calloc(1, arca_good_size(size));
    void *block = arca_aligned_alloc(align, size);
    return block != NULL ? memset(block, 0, arca_malloc_usable_size(block)) : NULL;
}

static void *move_aligned(void *block, size_t old, size_t size, size_t align)
{
    void *fresh = arca_aligned_alloc(align, size);
    if (fresh != NULL) {
        memcpy(fresh, block, old < size ? old : size);
        free_fast(block);
    }
    return fresh;
}

EXPORT void *rallocx(void *block, size_t size, int flags)
{
    size_t align = align_of(flags), old = arca_malloc_usable_size(block);
    void *fresh = align <= BLOCK_ALIGN ? arca_realloc(block, size != 0 ? size : 1) : move_aligned(block, old, size, align);
    if (fresh != NULL && (flags & ZERO) != 0) {
        size_t usable = arca_malloc_usable_size(fresh);
        if (usable > old)
            memset((char *)fresh + old, 0, usable - old);
    }
    return fresh;
}

/* The block stays as it is: its size is the answer. */
EXPORT size_t xallocx(void *block, size_t size, size_t extra, int flags)
{
    (void)size;
    (void)extra;
    (void)flags;
    return arca_malloc_usable_size(block);
}

EXPORT size_t sallocx(const void *block, int flags)
{
    (void)flags;
    return arca_malloc_usable_size(block);
}

EXPORT void dallocx(void *block, int flags)
{
    (void)flags;
    free_fast(block);
}

EXPORT void sdallocx(void *block, size_t size, int flags)
{
    arca_free_aligned_sized(block, align_of(flags), size);
}

/* 0: there is no such block. */
EXPORT size_t nallocx(size_t size, int flags)
{
    size_t align = align_of(flags);
    if (size > PTRDIFF_MAX || align > PTRDIFF_MAX)
        return 0;
    size_t good = arca_good_size(size);
    if (align <= BLOCK_ALIGN || hardening.on)
        return good;
    size_t small = supply_aligned_size(align, size);
    return small != 0 ? arca_good_size(small) : bits_round_up(size != 0 ? size : 1, OS_PAGE_SIZE);
}
