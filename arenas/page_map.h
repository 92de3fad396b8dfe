/*
 * From any 64-bit value to the span that starts at its slice, or NULL: two levels over 47 bits.
 *
 * Law: an entry is non-NULL only for slices of a pool or of a large object, and for the first slice of a large block;
 * a page has a bin only while it is a carved one of a pool that has an entry; leaves are never unmapped, so that a
 * look-up needs no lock and can not fault.
 *
 *   operation        set/clear (arena lock)      find (anybody)          bins (holder of the pool)
 *   set/clear        excluded by the lock        P:page map entry        the pool has no holder yet, or no more
 *   find             P:page map entry            both read               before its page's first block is handed out
 *
 * A find that races with a clear is a free() of a block that is being freed: an error of the caller
 * that no order can repair.
 */
#ifndef ARCA_ARENAS_PAGE_MAP_H
#define ARCA_ARENAS_PAGE_MAP_H

#include "arenas/span.h"

#define PAGE_MAP_ADDRESS_BITS 47
#define PAGE_MAP_LEAF_BITS 18 /* 16 GiB */
#define PAGE_MAP_LEAF_SLICES ((size_t)1 << PAGE_MAP_LEAF_BITS)
#define PAGE_MAP_SLICE_PAGES (SLICE_SIZE / OS_PAGE_SIZE)
#define PAGE_MAP_LEAF_PAGES (PAGE_MAP_LEAF_SLICES * PAGE_MAP_SLICE_PAGES)
#define PAGE_MAP_ROOT_BITS (PAGE_MAP_ADDRESS_BITS - SLICE_SHIFT - PAGE_MAP_LEAF_BITS)

struct page_map_leaf {
    /* Of a page on which blocks of a pool, but no hardened one, may be live: where in a heap their bin is; else 0.  Here,
     * because the next malloc() can not begin before the processor knows which bin a free() changes: it need not wait for
     * the span. */
    _Atomic uint16_t bins[PAGE_MAP_LEAF_PAGES];
    _Atomic(struct span *) spans[PAGE_MAP_LEAF_SLICES];
};

extern _Atomic(struct page_map_leaf *) page_map_root[1u << PAGE_MAP_ROOT_BITS];

/* The leaf of the region where the first arena is, and most others will be: its place is known without a load.
 * The region is set once. */
extern struct page_map_leaf page_map_first;
extern _Atomic uintptr_t page_map_first_base;

/* The leaf of an address, or NULL. */
ARCA_INLINE struct page_map_leaf *page_map_leaf_of(uintptr_t address)
{
    if (likely(address - load_rlx(&page_map_first_base) < (uintptr_t)PAGE_MAP_LEAF_SLICES << SLICE_SHIFT))
        return &page_map_first;
    uintptr_t region = address >> (SLICE_SHIFT + PAGE_MAP_LEAF_BITS);
    if (unlikely(region >> PAGE_MAP_ROOT_BITS))
        return NULL;
    /* P:page map leaf acquire: with page_map_reserve */
    return load_acq(&page_map_root[region]);
}

/* The places of its page and slice in its leaf. */
ARCA_INLINE size_t page_map_page_of(uintptr_t address)
{
    return address / OS_PAGE_SIZE % PAGE_MAP_LEAF_PAGES;
}

ARCA_INLINE size_t page_map_slice_of(uintptr_t address)
{
    return (address >> SLICE_SHIFT) % PAGE_MAP_LEAF_SLICES;
}

ARCA_INLINE struct span *page_map_find(uintptr_t address)
{
    struct page_map_leaf *leaf = page_map_leaf_of(address);
    if (unlikely(leaf == NULL))
        return NULL;
    /* P:page map entry acquire: with page_map_set */
    return load_acq(&leaf->spans[page_map_slice_of(address)]);
}

/* What free() finds for a page.  For checks. */
ARCA_INLINE unsigned page_map_bin(uintptr_t address)
{
    struct page_map_leaf *leaf = page_map_leaf_of(address);
    return leaf == NULL ? 0 : load_rlx(&leaf->bins[page_map_page_of(address)]);
}

/* Makes the leaves for an address range; false without memory.  Any thread. */
bool page_map_reserve(uintptr_t address, size_t bytes);

/* Enters span (or NULL) for count slices from address on; the leaves exist. */
void page_map_set(uintptr_t address, uint32_t count, struct span *span);

/* Enters where the bin of the blocks on these pages of a pool is (a bit a page), before the first of them is handed
 * out; or, for 0, that there are none. */
void page_map_set_bins(const struct span *pool, uint64_t pages, unsigned bin);

#endif
