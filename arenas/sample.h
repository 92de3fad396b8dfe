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

#define SAMPLE_WEIGHT_MAX UINT16_MAX

/* A live large block that is none yet becomes a sample that stands for so many like it, if there is room to remember it.  By its
 * owner. */
void sample_take(struct span *span, size_t bytes, unsigned weight, const uintptr_t *stack, unsigned depth);
/* It has become none, though so many bytes of it might have, of every so-manieth: what profile.c weighs when it grows.  every:
 * 0, for all that it has. */
ARCA_INLINE void sample_pass(struct span *span, size_t bytes, uint32_t every)
{
    span->sample.bytes = bytes & (((uint64_t)1 << 48) - 1);
    span->sample.weight = every & SAMPLE_WEIGHT_MAX;
}
/* It has grown to so many bytes. */
void sample_grow(struct span *span, size_t bytes);
/* It is none any more. */
void sample_drop(struct span *span);

void sample_fork_child(void);

#endif
