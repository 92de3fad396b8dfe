/* Who is told of collections, and what is kept of them. */
#ifndef ARCA_GC_EVENTS_H
#define ARCA_GC_EVENTS_H

#include "arca/gc.h"
#include "gc/cycles/set.h"

/* Of enum arca_gc_debug. */
extern _Atomic uint32_t events_debug;

void events_call(const struct arca_gc_event *event);

/* Keeps the members in the garbage list instead of their death, with the collector's unit of each or a new one; false
 * without memory, then none is kept. */
bool events_save(const struct set *set);

void events_fork_child(void);

#endif
