/*
 * What becomes of a certified set, in the one order of death: finalize once, a second look, weak callbacks, slots
 * cleared, destroy, blocks freed.  (Weak references were cut off with the certification.)
 */
#ifndef ARCA_GC_TEARDOWN_H
#define ARCA_GC_TEARDOWN_H

#include "gc/cycles/set.h"

/* Runs what finalizers are due and certifies again; what was resurrected is dropped.  False when there was no memory to
 * prove it garbage once more: then all of it lives on. */
bool teardown_finalize(struct set *set);

/* Calls back the weak references that were cut off, also those of what was resurrected. */
void teardown_call_back(struct set *set);

/* Frees the members; returns how many. */
size_t teardown_free(struct set *set);

/* In the child of a fork that caught that half way, in another thread: what was not freed refers to nothing any more, looks
 * held for ever, and is not destroyed a second time. */
void teardown_fork_child(const struct set *set);

#endif
