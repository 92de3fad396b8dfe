/* Figures: collected by walking the arenas under their lock. */
#ifndef ARCA_FRONT_REPORT_H
#define ARCA_FRONT_REPORT_H

#include "base/compiler.h"

struct report {
    size_t live_bytes;   /* blocks outside pools' free lists, and large blocks */
    size_t large_bytes;  /* of these, large */
    size_t large_blocks;
    size_t free_bytes;   /* carved and free */
    size_t dirty_bytes;
    size_t mapped_bytes;
    size_t meta_bytes;
};

void report_collect(struct report *report);

/* Lines on fd 2, no stdio. */
void report_print(void);

#endif
