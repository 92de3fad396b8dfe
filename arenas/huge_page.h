/*
 * Huge pages: 2 MiB that the kernel faults in, and takes back, as one, for a fraction of what 512 small pages cost.
 *
 * Law: the kernel makes none of its own accord where it was forbidden to; a bit of `whole` is set by who faults
 * the page in, before anybody can give a part of it back, and cleared by who gives back the first part of it.
 */
#ifndef ARCA_ARENAS_HUGE_PAGE_H
#define ARCA_ARENAS_HUGE_PAGE_H

#include "arenas/span.h"

#define HUGE_PAGE_SLICES 32
#define HUGE_PAGE_SIZE ((uintptr_t)HUGE_PAGE_SLICES << SLICE_SHIFT)

struct huge_pages {
    uintptr_t base; /* a multiple of HUGE_PAGE_SIZE */
    _Atomic uint32_t whole;
};

/* A process that has had so many slices in use is large enough, and huge pages cost what they should. */
bool huge_page_worth(size_t used_slices);
/* Memory was claimed without, though it was worth a look. */
void huge_page_pass(uint32_t slices);
/* What a huge page has just cost decides on the next. */
void huge_page_judge(bool dear);

/* Faults in a span that consists of huge pages. */
void huge_page_fault(struct huge_pages *pages, const struct span *span);

/* Before a range goes back to the system: a huge page that it cuts is broken up, or the kernel would keep all of it
 * until memory is short. */
void huge_page_break(struct huge_pages *pages, const struct os_range *range);

#endif
