/*
 * How an object dies, of its last release: weak references cut off, finalize once, a second look at the count, weak
 * callbacks, slots cleared, destroy, block freed.
 *
 * In a loop, never by recursion: of the objects whose last unit was in a slot of a dying one, one dies next, and the others
 * wait for their turn in a list of the thread, linked through their kind, so that it needs no memory.  What user code
 * releases meanwhile joins the list.
 *
 * The unit of the slot that was cleared last is given back when the block is free already: until then it is a unit in the
 * thread's hands, as after a take (I1), and the slot that it was in belonged to a dead object, whose word has changed (I2).
 */
#ifndef ARCA_GC_DEATH_H
#define ARCA_GC_DEATH_H

#include "gc/objects/header.h"

/* The count has just become 0 by the caller's doing. */
void death_begin(void *object);

#endif
