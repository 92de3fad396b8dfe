/* As object.h: what the server asks of the collector. */
#ifndef BOEHM_ARCA_GC_H
#define BOEHM_ARCA_GC_H

#include <arca/object.h>

#define ARCA_GC_GENERATIONS 3

/* Boehm's collector counts neither objects nor what it frees: only the collections are told. */
struct arca_gc_stats {
    size_t size;
    struct {
        uint64_t collections, collected;
    } generations[ARCA_GC_GENERATIONS];
    uint64_t longest_microseconds, waits;
    size_t blocks;
};

static inline int arca_gc_get_stats(struct arca_gc_stats *stats)
{
    stats->generations[0].collections = GC_get_gc_no();
    return 0;
}

static inline bool arca_gc_is_enabled(void)
{
    return !GC_is_disabled();
}

/* What has a destroy is freed by the collection after the one that found it.  What is free it would keep; asked so, it
 * gives it back. */
static inline long arca_gc_collect(int generation)
{
    (void)generation;
    GC_gcollect();
    GC_invoke_finalizers();
    GC_gcollect_and_unmap();
    GC_gcollect_and_unmap();
    return 0;
}

#endif
