/*
 * The collector of cycles: objects that keep each other alive, and that nobody else keeps alive, are found and freed
 * while every other thread keeps running.  The names and meanings are those of CPython's module gc, made thread-safe.
 *
 * An object is tracked when its type has slots and is not acyclic, and it is not immortal.  It is born into generation 0
 * and grows older with each collection of its generation that it survives.  Collections run by themselves, in a thread of
 * the library's own.
 *
 * One order for both ways to die, by count and by collection: weak references are cut off, finalize runs (once), what
 * it resurrected lives on, weak callbacks run, slots are cleared, destroy runs, the memory is free.
 *
 * NULL is no object: it is not tracked, nobody refers to it and it refers to nobody.  What is called back, and what is
 * filled in, is not NULL unless a function says so.
 *
 * Every function may be called from any thread, but those that collect, freeze or look for objects not inside a section of
 * liburcu's flavour bp; they wait for a collection that is under way.
 * finalize, destroy and callbacks of collected objects run in the thread that collects: with collector=inline in any that
 * makes objects, on a stack of one megabyte; a birth may then wait for sections of that flavour as well, and the start and
 * the end of a collection may be told in different threads.  What rule U8 says of finalize holds for all that is called
 * back here.
 */
#ifndef ARCA_GC_H
#define ARCA_GC_H

#include <arca/object.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ARCA_GC_GENERATIONS 3

/* Whether collections run by themselves; at start they do (option `collector`).  One that is under way when they are
 * disabled goes on to its end, for which arca_gc_collect waits. */
ARCA_API void arca_gc_enable(void);
ARCA_API void arca_gc_disable(void);
ARCA_API bool arca_gc_is_enabled(void);

/* Collects the generation and all younger ones, in the calling thread, and returns how many tracked objects it freed, without
 * those that died of it by their counts.  All that was garbage before the call is freed, but for what older or frozen garbage
 * refers to, and what finalize resurrects.  0 at once when called from a finalize, destroy or callback of a collection, or
 * from a visit of arca_gc_objects or arca_gc_referrers; -1 with EINVAL for a generation there is not, with ENOMEM when
 * memory was short: then some may be left. */
ARCA_API long arca_gc_collect(int generation);

/* Generation 0 is collected when the objects made since the last time, less those freed, come to thresholds[0], or in a
 * larger heap to as many for each 70,000 in it; 1 after more than thresholds[1] collections of 0; 2 after more than
 * thresholds[2] of 1, if a quarter of what it had has joined it.  Large objects count by their bytes as well, and
 * garbage that no births follow is looked for half a second later.  thresholds[0] = 0: none of that.  Default 700, 10, 10. */
ARCA_API void arca_gc_set_threshold(const unsigned thresholds[ARCA_GC_GENERATIONS]);
ARCA_API void arca_gc_get_threshold(unsigned thresholds[ARCA_GC_GENERATIONS]);
/* What is compared with them. */
ARCA_API void arca_gc_get_count(size_t counts[ARCA_GC_GENERATIONS]);

struct arca_gc_stats {
    size_t size; /* of this struct, set by the caller: later versions append */
    struct {
        uint64_t collections, collected, uncollectable; /* uncollectable: kept in the garbage list */
        uint64_t found, aborted; /* proposed; of them, not proved */
        uint64_t microseconds;
    } generations[ARCA_GC_GENERATIONS];
    uint64_t longest_microseconds; /* of one collection */
    uint64_t waits;                /* births that waited for the collector */
    size_t blocks;                 /* for objects, in use or cached by threads */
};

/* Fills in what stats->size covers; -1 with EINVAL for a size that is too small. */
ARCA_API int arca_gc_get_stats(struct arca_gc_stats *stats);

/* Calls visit for tracked objects of a generation (-1: of 0 to 2; 3: the frozen ones), each alive and borrowed for the
 * call.  Objects that are made, die or grow older meanwhile may be missed, and one that is just being made has all bytes
 * zero.  No collection begins meanwhile.  visit returns false to stop. */
typedef bool arca_gc_visit(void *object, void *context);
ARCA_API void arca_gc_objects(int generation, arca_gc_visit *visit, void *context);
/* The same for tracked objects (not frozen ones) that have the object in a slot. */
ARCA_API void arca_gc_referrers(const void *object, arca_gc_visit *visit, void *context);
/* And for what an object has in its slots, tracked or not; collections may begin and run meanwhile. */
ARCA_API void arca_gc_referents(void *object, arca_gc_visit *visit, void *context);

ARCA_API bool arca_gc_is_tracked(const void *object);
/* The generation of an object, 3 for a frozen one, -1 for one that is not tracked. */
ARCA_API int arca_gc_generation(const void *object);

/* Moves all tracked objects to a permanent generation that no collection looks at, and back to 2.  What they refer to is
 * kept alive.  Those for whose ages there is no memory stay where they are. */
ARCA_API void arca_gc_freeze(void);
ARCA_API void arca_gc_unfreeze(void);
ARCA_API size_t arca_gc_freeze_count(void);

/* Called before and after each collection, in the thread that collects and in the order in which they were added. */
struct arca_gc_event {
    bool start;
    int generation;
    size_t collected, uncollectable; /* at the stop */
    uint64_t microseconds;
};
typedef void arca_gc_callback(const struct arca_gc_event *event, void *data);
/* At most 16; -1 with ENOMEM beyond, with EINVAL for NULL. */
ARCA_API int arca_gc_add_callback(arca_gc_callback *callback, void *data);
/* The same pair again; -1 with ENOENT where it was not added.  It may be running, until a function that waits for
 * collections (arca_gc_freeze_count) has returned, called from outside of all that is called back. */
ARCA_API int arca_gc_remove_callback(arca_gc_callback *callback, void *data);

enum arca_gc_debug {
    ARCA_GC_DEBUG_STATS = 1,         /* a line on fd 2 for each collection */
    ARCA_GC_DEBUG_COLLECTABLE = 2,   /* a line for each object that is found */
    ARCA_GC_DEBUG_UNCOLLECTABLE = 4, /* a line for each that is kept as garbage */
    ARCA_GC_DEBUG_SAVEALL = 32,      /* what is found is finalised and then kept in the garbage list, not freed */
    ARCA_GC_DEBUG_LEAK = 38
};
ARCA_API void arca_gc_set_debug(unsigned flags);
ARCA_API unsigned arca_gc_get_debug(void);
/* Calls visit (if not NULL) for each object of the garbage list until it returns false, and empties the list: what was
 * not retained is dropped, and cycles among it are collected. */
ARCA_API void arca_gc_garbage(arca_gc_visit *visit, void *context);

#ifdef __cplusplus
}
#endif

#endif
