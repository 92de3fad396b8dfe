/*
 * How an object dies, of its last release: weak references cut off, finalize once, a second look at the count, weak
 * callbacks, slots cleared, destroy, block freed.
 *
 * In a loop, never by recursion: objects whose last unit was in a slot of a dying one wait for their turn in a list
 * of the thread, linked through their kind, so that it needs no memory.  What user code releases meanwhile joins the list.
 */
#ifndef ARCA_GC_DEATH_H
#define ARCA_GC_DEATH_H

#include "gc/objects/header.h"

/* The count has just become 0 by the caller's doing. */
void death_begin(void *object);

#endif
