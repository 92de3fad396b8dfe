/*
 * The thread that waits for grace periods, so that the memory of emptied object pools can leave.
 *
 *   state     meaning                                       left by
 *   OFF       no thread                                     the next birth
 *   RUNNING   it sleeps until spans are retired             fork
 *   NONE      it could not be started at next_try - 1 s     a birth after next_try; births wait for grace periods
 */
#ifndef ARCA_GC_RECLAIM_H
#define ARCA_GC_RECLAIM_H

#include "base/atomic.h"
#include "base/compiler.h"

enum reclaim_state { RECLAIM_OFF, RECLAIM_RUNNING, RECLAIM_NONE };

extern _Atomic uint32_t reclaim_state;

void reclaim_poke_slow(void);

/* At each birth. */
ARCA_INLINE void reclaim_poke(void)
{
    if (unlikely(load_rlx(&reclaim_state) != RECLAIM_RUNNING))
        reclaim_poke_slow();
}

#endif
