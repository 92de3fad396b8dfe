/* Samples and their table. */
#include "arenas/sample.h"

struct sites samples;

void sample_take(struct span *span, size_t bytes, const uintptr_t *stack, unsigned depth)
{
    span->sampled_bytes = bytes;
    span->site = sites_add(&samples, stack, depth, bytes);
}

void sample_grow(struct span *span, size_t bytes)
{
    sites_grow(&samples, span->site, bytes - span->sampled_bytes);
    span->sampled_bytes = bytes;
}

void sample_drop(struct span *span)
{
    sites_remove(&samples, span->site, span->sampled_bytes);
    span->site = SITE_NONE;
}

void sample_fork_child(void)
{
    sites_fork_child(&samples);
}
