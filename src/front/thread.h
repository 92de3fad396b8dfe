/* Threads come and go: the heap of a thread, from its first block to its last destructor. */
#ifndef ARCA_FRONT_THREAD_H
#define ARCA_FRONT_THREAD_H

#include "front/door.h"

/* Enters a door of the calling thread.  NULL, and not entered, when there is no heap behind it: the thread has
 * ended, has done too little to get one, or there is no memory; or it is being swept just now, which may last if who
 * sweeps has no processor. */
struct heap *thread_enter(struct heap_door *door);
/* The same; waits for a sweep. */
struct heap *thread_enter_after_sweep(struct heap_door *door);

/* The same of the thread's own, which it gets now if it may have one. */
struct heap *thread_enter_earned(void);

/* Gives the thread its heap now, if it may have one. */
bool thread_earn_heap(void);
/* The same for its objects, without waiting for a use to be proved. */
bool thread_earn_object_heap(void);

/* The heap of threads that have none (at hand); its lock is held on return.  NULL without memory. */
struct heap *thread_shared_heap_lock(bool objects);

#endif
