/* Writing the page map. */
#include "arenas/page_map.h"

_Atomic(struct page_map_leaf *) page_map_root[1u << PAGE_MAP_ROOT_BITS] ARCA_SPARSE;
struct page_map_leaf page_map_first ARCA_SPARSE ARCA_ALIGNED(OS_PAGE_SIZE); /* so that its pages can be counted */

/* Where no program's memory is: no address is in the region. */
#define NO_BASE ((uintptr_t)1 << 63)
_Atomic uintptr_t page_map_first_base = NO_BASE;

#define LEAF_SHIFT (SLICE_SHIFT + PAGE_MAP_LEAF_BITS)

static bool is_first_region(uintptr_t region)
{
    uintptr_t base = region << LEAF_SHIFT, none = NO_BASE;
    return cas_acq(&page_map_first_base, &none, base) || none == base;
}

bool page_map_reserve(uintptr_t address, size_t bytes)
{
    if ((address + bytes - 1) >> PAGE_MAP_ADDRESS_BITS)
        return false;
    for (uintptr_t i = address >> LEAF_SHIFT; i <= (address + bytes - 1) >> LEAF_SHIFT; i++) {
        if (is_first_region(i) || load_acq(&page_map_root[i]) != NULL)
            continue;
        struct page_map_leaf *leaf = os_map(sizeof *leaf, OS_PAGE_SIZE), *expected = NULL;
        if (leaf == NULL)
            return false;
        /* P:page map leaf release: its zeros, to page_map_leaf_of */
        if (!cas_acqrel(&page_map_root[i], &expected, leaf))
            os_unmap(leaf, sizeof *leaf); /* another thread was first */
    }
    return true;
}

void page_map_set(uintptr_t address, uint32_t count, struct span *span)
{
    for (uint32_t i = 0; i < count; i++, address += SLICE_SIZE)
        /* P:page map entry release: with page_map_find */
        store_rel(&page_map_leaf_of(address)->spans[page_map_slice_of(address)], span);
}

void page_map_set_bins(const struct span *pool, uint64_t pages, unsigned bin)
{
    for (; pages != 0; pages &= pages - 1) {
        uintptr_t address = pool->start + bits_lowest(pages) * OS_PAGE_SIZE;
        store_rlx(&page_map_leaf_of(address)->bins[page_map_page_of(address)], (uint16_t)bin);
    }
}
