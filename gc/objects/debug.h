/*
 * What debug=refs adds: slots are looked up before they are written, and so are objects that are given to a function;
 * dead objects are reused late so that their header still says that they are dead, and the objects that are left at
 * exit are listed by type.
 */
#ifndef ARCA_GC_DEBUG_H
#define ARCA_GC_DEBUG_H

#include "base/options.h"
#include "front/objects.h"
#include "gc/objects/header.h"

ARCA_INLINE bool debug_is_on(void)
{
    return options.debug == DEBUG_REFS;
}

void debug_check_slot_slow(const char *function, const arca_slot *slot);

/* Aborts with a line for a slot that does not lie in a living object. */
ARCA_INLINE void debug_check_slot(const char *function, const arca_slot *slot)
{
    if (unlikely(debug_is_on()))
        debug_check_slot_slow(function, slot);
}

void debug_check_object_slow(const char *function, const void *object, const arca_type *type);

/* Aborts with a line for what is no living object, or, where a type is named, one of another.  NULL passes. */
ARCA_INLINE void debug_check_object(const char *function, const void *object, const arca_type *type)
{
    if (unlikely(debug_is_on()))
        debug_check_object_slow(function, object, type);
}

void debug_check_known_slow(const char *function, const void *object);

/* The same for what need not be alive: a destroy may ask what its own object is. */
ARCA_INLINE void debug_check_known(const char *function, const void *object)
{
    if (unlikely(debug_is_on()))
        debug_check_known_slow(function, object);
}

void debug_free_late(void *object);

/* Frees the block of a dead object; with debug=refs after some thousands of others. */
ARCA_INLINE void debug_free(void *object)
{
    if (unlikely(debug_is_on()))
        debug_free_late(object);
    else
        object_free(object);
}

void debug_fork_child(void);

#endif
