/*
 * Emptied spans of objects, on their way back to their arenas.
 *
 * A thread may still read the header word of an object that is gone, if it read the pointer before: so what held
 * objects is unmapped, or used for anything else, only after a grace period that began when its last block was
 * free.  The grace periods are libarcagc's: it is woken (watch.h), takes the list, waits, returns the list.
 */
#ifndef ARCA_HEAP_RETIRED_H
#define ARCA_HEAP_RETIRED_H

#include "arenas/span.h"
#include "base/lock.h"

/* Held while header words must not be reset, that is while no page of objects may be purged. */
extern struct lock retired_window ARCA_SHARED(retired_window);
/* How often some were; changes under the lock. */
extern _Atomic uint32_t retired_purges ARCA_SHARED(retired_purges);

/* Spans in the list; their bytes are told to the watch. */
extern _Atomic uint32_t retired_count ARCA_SHARED(retired_count);

void retired_add(struct span *span);

/* All that is in the list, linked by next. */
struct span *retired_take(void) ARCA_SHARED(retired_take);

/* To their arenas; the grace period is over. */
void retired_return(struct span *list);

/* Spans that another thread had taken are lost. */
void retired_fork_child(void);

#endif
