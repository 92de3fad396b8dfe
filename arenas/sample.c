/* Samples and their table. */
#include "arenas/sample.h"

struct sites samples ARCA_SPARSE;

void sample_take(struct span *span, size_t bytes, unsigned weight, const uintptr_t *stack, unsigned depth)
{
    span->sample.bytes = bytes & (((uint64_t)1 << 48) - 1);
    span->sample.weight = weight & SAMPLE_WEIGHT_MAX;
    span->site = sites_add_several(&samples, stack, depth, weight, weight * bytes);
}

void sample_grow(struct span *span, size_t bytes)
{
    sites_grow(&samples, span->site, span->sample.weight * (bytes - span->sample.bytes));
    span->sample.bytes = bytes & (((uint64_t)1 << 48) - 1);
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
