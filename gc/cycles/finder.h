/*
 * Proposes garbage: objects of the scope that nothing outside it seems to keep alive.
 *
 * It reads counts and slots while they change, and so may be wrong either way about what is in use; about what is
 * garbage, and so stands still, it is right.
 */
#ifndef ARCA_GC_FINDER_H
#define ARCA_GC_FINDER_H

#include "gc/cycles/scope.h"

/* What it proposes is left in scope->found.  False without memory. */
bool finder_run(struct scope *scope);

/* Objects between two looks at the limbo. */
#define DRAIN_EVERY 1024

/* Blocks that died are kept readable while a collection lasts; freed here, between two objects.  scope: while something
 * is being found, so that the blocks' next lives are not of this collection; else NULL.  Returns how many. */
size_t finder_drain(struct scope *scope);

#endif
