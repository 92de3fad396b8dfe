/* Start and fork of the process, in one place. */
#ifndef ARCA_FRONT_PROCESS_H
#define ARCA_FRONT_PROCESS_H

#include "base/os.h"

/* Before the first heap exists; cheap to call again.  Any thread. */
void process_start(void);

void process_after_fork_slow(void);

/* At the start of each slow path, with the door left: in the child of a fork, before any lock is taken and any
 * shared structure is relied on. */
ARCA_INLINE void process_after_fork(void)
{
    if (unlikely(os_fork_state() == OS_FORK_CHILD))
        process_after_fork_slow();
}

#endif
