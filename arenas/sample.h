/*
 * The sampled blocks of the heap profile.
 *
 * A sample is a large block, whatever its size: so its span can tell what it is, and whoever frees it finds out on
 * the way that large blocks go anyway.
 */
#ifndef ARCA_ARENAS_SAMPLE_H
#define ARCA_ARENAS_SAMPLE_H

#include "arenas/site.h"
#include "arenas/span.h"

extern struct sites samples;

/* A live large block that is none yet becomes a sample that stands for so many like it, if there is room to remember it.  By its
 * owner. */
void sample_take(struct span *span, size_t bytes, unsigned weight, const uintptr_t *stack, unsigned depth);
/* It was passed by: so many of its bytes might have made it a sample, which would then have stood for so many.  profile.c goes by
 * that when it grows.  weight: 0, for all of its bytes. */
ARCA_INLINE void sample_pass(struct span *span, size_t bytes, uint32_t weight)
{
    span->sample.bytes = bytes;
    span->sample.weight = (uint16_t)weight;
}
/* It has grown to so many bytes. */
void sample_grow(struct span *span, size_t bytes);
/* It is none any more. */
void sample_drop(struct span *span);

void sample_fork_child(void);

#endif
