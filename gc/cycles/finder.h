/*
 * Proposes garbage: objects of the scope that nothing outside it seems to keep alive.
 *
 * It reads counts and slots while they change, and so may be wrong either way about what is in use; about what is
 * garbage, and so stands still, it is right.
 */
#ifndef ARCA_GC_FINDER_H
#define ARCA_GC_FINDER_H

#include "gc/cycles/scope.h"

struct found {
    void **objects;
    size_t count;
    size_t tracked; /* objects of the scope */
};

/* False without memory; found->objects is the caller's to free. */
bool finder_run(struct scope *scope, struct found *found);

/* Blocks that died are kept readable while a collection lasts; freed here, between two objects.  NULL: of no scope. */
void finder_drain(const struct scope *scope);

#endif
