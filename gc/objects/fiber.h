/*
 * Long work in short parts: it runs on a stack of its own, and rests there until somebody goes on with it, in any thread.
 *
 * Law: everything here is done by who holds the keeper's lock.  The work keeps no address of thread-local memory, and no
 * lock that others wait for, across fiber_rest.
 */
#ifndef ARCA_GC_FIBER_H
#define ARCA_GC_FIBER_H

#include "base/compiler.h"

#include <stdint.h>

#define FIBER_TO_THE_END UINT64_MAX

/* Begins with the work, or goes on with what rests, for about so much of the thread's time.  True when it is done;
 * always, where there is no memory for a stack. */
bool fiber_run(void (*work)(void), uint64_t microseconds);

/* The same with what rests, by somebody who may neither wait for others nor run the program's code: it rests before that. */
void fiber_help(uint64_t microseconds);
/* In the work: whether what follows is of that kind, after the next rest.  Returns whether it was before. */
bool fiber_set_private(bool private);
bool fiber_must_rest(void);

/* There is work that was begun. */
bool fiber_is_resting(void);

/* Microseconds that all work has rested. */
uint64_t fiber_rested_us(void);

/* In the work: where it can rest, when its time is over.  Elsewhere nothing. */
bool fiber_time_is_over(void);
void fiber_rest(void);

/* In the work: it is to come to its end in one piece. */
bool fiber_is_hurried(void);

/* The same, often: a look at the clock is not free. */
#define FIBER_LOOK_EVERY 512
ARCA_INLINE void fiber_rest_sometimes(size_t step)
{
    if (unlikely(step % FIBER_LOOK_EVERY == 0))
        fiber_rest();
}

/* In the child of a fork.  cut: another thread was running it.  True when what was begun is lost. */
bool fiber_fork_child(bool cut);

#endif
