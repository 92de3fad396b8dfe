/*
 * From any 64-bit value to the span that starts at its slice, or NULL: two levels over 47 bits.
 *
 * Law: an entry is non-NULL only for slices of a pool or of a large object, and for the first slice of a large block;
 * leaves are never unmapped, so that a look-up needs no lock and can not fault.
 *
 *   operation        set/clear (arena lock)      find (anybody)
 *   set/clear        excluded by the lock        P:page map entry
 *   find             P:page map entry            both read
 *
 * A find that races with a clear is a free() of a block that is being freed: an error of the caller
 * that no order can repair.
 */
#ifndef ARCA_ARENAS_PAGE_MAP_H
#define ARCA_ARENAS_PAGE_MAP_H

#include "arenas/span.h"

#define PAGE_MAP_ADDRESS_BITS 47
#define PAGE_MAP_LEAF_BITS 19 /* 32 GiB */
#define PAGE_MAP_LEAF_SLICES ((size_t)1 << PAGE_MAP_LEAF_BITS)
#define PAGE_MAP_ROOT_BITS (PAGE_MAP_ADDRESS_BITS - SLICE_SHIFT - PAGE_MAP_LEAF_BITS)

struct page_map_leaf {
    _Atomic(struct span *) spans[PAGE_MAP_LEAF_SLICES];
    /* Of a pool's slices: where in a heap their blocks' bin is.  Here, because the next malloc() can not begin before
     * the processor knows which bin a free() changes: it need not wait for the span. */
    _Atomic uint16_t bin_offsets[PAGE_MAP_LEAF_SLICES];
};

extern _Atomic(struct page_map_leaf *) page_map_root[1u << PAGE_MAP_ROOT_BITS];

/* The leaf of the region where the first arena is, and most others will be: its place is known without a load.
 * The region is set once. */
extern struct page_map_leaf page_map_first;
extern _Atomic uintptr_t page_map_first_base;

/* The leaf of an address, or NULL; and the place of its slice in it. */
ARCA_INLINE struct page_map_leaf *page_map_leaf_of(uintptr_t address, size_t *index)
{
    *index = (address - load_rlx(&page_map_first_base)) >> SLICE_SHIFT;
    if (likely(*index < PAGE_MAP_LEAF_SLICES))
        return &page_map_first;
    uintptr_t region = address >> (SLICE_SHIFT + PAGE_MAP_LEAF_BITS);
    if (unlikely(region >> PAGE_MAP_ROOT_BITS))
        return NULL;
    *index = (address >> SLICE_SHIFT) & (PAGE_MAP_LEAF_SLICES - 1);
    /* P:page map leaf acquire: with page_map_reserve */
    return load_acq(&page_map_root[region]);
}

/* leaf: the address' own, or NULL. */
ARCA_INLINE struct span *page_map_find_in(struct page_map_leaf *leaf, size_t index)
{
    if (unlikely(leaf == NULL))
        return NULL;
    /* P:page map entry acquire: with page_map_set */
    return load_acq(&leaf->spans[index]);
}

ARCA_INLINE struct span *page_map_find(uintptr_t address)
{
    size_t index;
    struct page_map_leaf *leaf = page_map_leaf_of(address, &index);
    return page_map_find_in(leaf, index);
}

/* Makes the leaves for an address range; false without memory.  Any thread. */
bool page_map_reserve(uintptr_t address, size_t bytes);

/* Enters span (or NULL) for count slices from address on; the leaves exist. */
void page_map_set(uintptr_t address, uint32_t count, struct span *span);

/* Enters where the bin of a pool's blocks is; before the first of them is handed out. */
void page_map_set_bin(const struct span *pool, unsigned bin_offset);

#endif
