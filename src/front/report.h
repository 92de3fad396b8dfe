/* Figures: collected by walking the arenas. */
#ifndef ARCA_FRONT_REPORT_H
#define ARCA_FRONT_REPORT_H

#include "base/compiler.h"

struct report {
    size_t live_bytes;   /* blocks outside pools' free lists, and large blocks */
    size_t large_bytes;  /* of these, large */
    size_t large_blocks;
    size_t free_bytes;   /* carved and free */
    size_t dirty_bytes;
    size_t mapped_bytes; /* no less than what lives */
    size_t meta_bytes;
};

void report_collect(struct report *report);

/* What arca_stats_get() tells, exact at any size, and all else that is told. */
struct figures;
void report_figures(struct figures *figures);

/* A line at a time, without its end. */
void report_write(void (*line)(void *context, const char *text), void *context);

/* One JSON object, in parts, which may stand in lines of their own. */
void report_write_json(void (*part)(void *context, const char *text), void *context);

/* Lines on fd 2, no stdio. */
void report_print(void);
/* JSON in one line; false where not all of it was written. */
bool report_print_json(int fd);

/* As the options `stats` and `stats_file` have it. */
void report_exit(void);

#endif
