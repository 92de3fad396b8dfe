/* Threads come and go: the heap of a thread, from its first block to its last destructor. */
#ifndef ARCA_FRONT_THREAD_H
#define ARCA_FRONT_THREAD_H

#include "front/door.h"

/* Enters the calling thread's door with a heap behind it.  NULL, and not entered: the thread has ended
 * (thread_has_ended) or there is no memory for a heap. */
struct heap *thread_enter(void);

bool thread_has_ended(void);

/* The heap of blocks that are allocated by destructors of thread-local data after our own teardown; its lock
 * is held on return.  NULL without memory. */
struct heap *thread_late_heap_lock(void);

#endif
