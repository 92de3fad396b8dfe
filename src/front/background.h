/*
 * The background thread: keeps the clock, sweeps threads that sleep, gives memory back.
 *
 * Law: it runs only while there is something to give back, so that an idle process has no wake-ups.
 *
 *   state    meaning                                  left by
 *   OFF      not started, or gone with a fork         background_poke(), once there is enough memory
 *   RUNNING  in a round, or in a timed sleep          the thread, when nothing is left to do
 *   ASLEEP   until somebody pokes                     background_poke()
 *   NONE     switched off or could not be started     –  (the pokes do its rounds)
 *
 * A poke that does not see ASLEEP published what it did before the thread looked again: the thread makes
 * every processor execute a barrier between the two.
 */
#ifndef ARCA_FRONT_BACKGROUND_H
#define ARCA_FRONT_BACKGROUND_H

#include "base/atomic.h"
#include "base/compiler.h"

enum background_state { BACKGROUND_OFF, BACKGROUND_STARTING, BACKGROUND_RUNNING, BACKGROUND_ASLEEP, BACKGROUND_NONE };

extern _Atomic uint32_t background_state;

void background_poke_slow(void);

/* At the end of each slow path, with the door left and no lock held. */
ARCA_INLINE void background_poke(void)
{
    if (load_rlx(&background_state) != BACKGROUND_RUNNING)
        background_poke_slow();
}

/* Sweeps every heap that is not in use and gives back what is due after hold_ms; bytes given back. */
size_t background_round(uint32_t hold_ms);

/* The process has come far enough to have threads. */
void background_allow(void);

void background_fork_child(void);

#endif
