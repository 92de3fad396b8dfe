/* Start and fork of the process, in one place. */
#ifndef ARCA_FRONT_PROCESS_H
#define ARCA_FRONT_PROCESS_H

#include "base/compiler.h"

/* Before the first heap exists; cheap to call again.  Any thread. */
void process_start(void);

/* In the child of a fork, before anything of the parent's is relied on; cheap to call, and called again by the
 * fork handler. */
void process_after_fork(void);

#endif
