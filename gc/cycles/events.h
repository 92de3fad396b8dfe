/* Who is told of collections, and what is kept of them. */
#ifndef ARCA_GC_EVENTS_H
#define ARCA_GC_EVENTS_H

#include "arca/gc.h"
#include "gc/cycles/certifier.h"

void events_call(const struct arca_gc_event *event);

/* Retains the members in the garbage list instead of their death; false without memory, then none is. */
bool events_save(const struct set *set);

void events_fork_child(void);

#endif
