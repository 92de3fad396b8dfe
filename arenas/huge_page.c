/* When huge pages pay; faulting them in and breaking them up. */
#include "arenas/huge_page.h"

#include "base/options.h"

/* 32 MiB: before, the rest of a huge page shows in what the process takes. */
#define WORTH_SLICES 512

/* 512 small pages take 400 to 600 us, a huge page 90 to 150, unless the host of a virtual machine has taken the free
 * memory away and finds it again small page by small page: 4 to 5 ms. */
#define DEAR_US 500

/* What is claimed by small pages before the next try; doubles, so that tries take a few per cent at most. */
#define PAUSE_SLICES_MIN (16 * HUGE_PAGE_SLICES)
#define PAUSE_SLICES_MAX (512 * HUGE_PAGE_SLICES)

/* Hints: a lost update costs or saves a try. */
static struct {
    _Atomic bool grown;
    _Atomic uint32_t pause_slices, left_slices;
} huge;

bool huge_page_worth(size_t used_slices)
{
    if (!options.huge_pages || load_rlx(&huge.left_slices) != 0)
        return false;
    if (!load_rlx(&huge.grown) && used_slices >= WORTH_SLICES)
        store_rlx(&huge.grown, true);
    return load_rlx(&huge.grown);
}

void huge_page_pass(uint32_t slices)
{
    uint32_t left = load_rlx(&huge.left_slices);
    if (left != 0)
        store_rlx(&huge.left_slices, left > slices ? left - slices : 0u);
}

void huge_page_judge(bool dear)
{
    uint32_t pause = 0;
    if (dear) {
        pause = load_rlx(&huge.pause_slices) * 2;
        pause = pause < PAUSE_SLICES_MIN ? PAUSE_SLICES_MIN : pause > PAUSE_SLICES_MAX ? PAUSE_SLICES_MAX : pause;
    }
    store_rlx(&huge.pause_slices, pause);
    store_rlx(&huge.left_slices, pause);
}

void huge_page_fault(struct huge_pages *pages, const struct span *span)
{
    uint32_t first = (uint32_t)((span->start - pages->base) / HUGE_PAGE_SIZE), count = span->slices / HUGE_PAGE_SLICES;
    uint64_t took_us = os_populate_huge((void *)span->start, span_bytes(span));
    huge_page_judge(took_us > (uint64_t)count * DEAR_US);
    for (uint32_t i = first; i < first + count; i++)
        or_rlx(&pages->whole, 1u << i);
}

void huge_page_break(struct huge_pages *pages, const struct os_range *range)
{
    uintptr_t from = (uintptr_t)range->address, to = from + range->bytes;
    if (load_rlx(&pages->whole) == 0) /* as in all arenas that are smaller than one */
        return;
    for (uintptr_t page = from & -HUGE_PAGE_SIZE; page < to; page += HUGE_PAGE_SIZE) {
        uint32_t bit = 1u << (page - pages->base) / HUGE_PAGE_SIZE;
        if (!(load_rlx(&pages->whole) & bit) || !(and_rlx(&pages->whole, ~bit) & bit))
            continue;
        if (page < from || page + HUGE_PAGE_SIZE > to)
            os_break_huge_page((void *)page);
    }
}
