/* What arenas meet in place of the kernel, and who has which of their slices. */
#ifndef ARCA_TEST_MODEL_ARENAS_H
#define ARCA_TEST_MODEL_ARENAS_H

#include "scheduler.h"

#include "arenas/arena.h"

#define MODEL_ARENAS 3

/* First in a setup: nothing is mapped. */
void model_arenas_begin(void);

/* A span that the calling thread has from now on, until it gives it back. */
void model_take(const struct span *span, bool zeroed);
void model_give(const struct span *span);

unsigned model_mapped_arenas(void);

#endif
