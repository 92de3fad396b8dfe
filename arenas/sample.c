/* Samples and their table. */
#include "arenas/sample.h"

struct sites samples ARCA_SPARSE;

void sample_take(struct span *span, size_t bytes, unsigned weight, const uintptr_t *stack, unsigned depth)
{
    span->sample.bytes = bytes;
    span->sample.weight = (uint16_t)weight;
    span->site = sites_add_several(&samples, stack, depth, weight, weight * bytes);
}

void sample_grow(struct span *span, size_t bytes)
{
    sites_grow(&samples, span->site, span->sample.weight * (bytes - span->sample.bytes));
    span->sample.bytes = bytes;
}

void sample_drop(struct span *span)
{
    sites_remove_several(&samples, span->site, span->sample.weight, (size_t)span->sample.weight * span->sample.bytes);
    span->site = SITE_NONE;
}

void sample_fork_child(void)
{
    sites_fork_child(&samples);
}
