/*
 * One collection: found by the finder, proved by the certifier in parts and as a whole, disposed of.
 *
 * Law: at most one at a time (keeper_exclusively), and between collector_activate and collector_deactivate.
 */
#ifndef ARCA_GC_COLLECTION_H
#define ARCA_GC_COLLECTION_H

#include <stdbool.h>
#include <stddef.h>

struct outcome {
    size_t found, collected, uncollectable, tracked;
    bool failed; /* memory was short */
};

void collection_run(unsigned generation, struct outcome *outcome);

/* To user code that the caller's collection calls: the object is lost, whatever its count says. */
bool collection_has_lost(const void *object);

/* What the fork cut is forgotten, with what it was freeing. */
void collection_fork_child(void);

#endif
