/*
 * The background thread: keeps the clock, sweeps threads that sleep, gives memory back.
 *
 * Law: it exists only while there is something to give back, so that an idle process has no wake-ups; or for as long
 * as the process, where it serves somebody.
 *
 *   state     meaning                                  left by
 *   OFF       no thread                                background_poke(), once there is enough memory, in a child enough done
 *   STARTING  one is being made                        the poke that makes it
 *   RUNNING   in a round, or in a timed sleep          the thread, when nothing is left to do, or for a pause
 *   NONE      switched off or could not be started     –  (the pokes do its rounds)
 *
 * A poke that still sees RUNNING has published what it did before the thread looks for the last time: between
 * storing OFF and that look the thread makes every processor execute a barrier.
 */
#ifndef ARCA_FRONT_BACKGROUND_H
#define ARCA_FRONT_BACKGROUND_H

#include "arenas/arena.h"

enum background_state { BACKGROUND_OFF, BACKGROUND_STARTING, BACKGROUND_RUNNING, BACKGROUND_NONE };

extern _Atomic uint32_t background_state;

void background_poke_slow(size_t incoming);

/* At the end of each slow path, with the door left and no lock held.  incoming: bytes of a large block that was claimed. */
ARCA_INLINE void background_poke_for(size_t incoming)
{
    if (load_rlx(&background_state) != BACKGROUND_RUNNING || load_rlx(&arenas.alarm))
        background_poke_slow(incoming);
}

ARCA_INLINE void background_poke(void)
{
    background_poke_for(0);
}

/* Sweeps every heap that is not in use and gives back what is due after hold_ms; bytes given back. */
size_t background_round(uint32_t hold_ms);

/* Who sleeps for the thread between its rounds, if anybody: then it starts at once, and stays for as long as the
 * process.  Before the second thread exists. */
void background_serve(void (*wait)(uint32_t timeout_ms));

/* The process has come far enough to have threads. */
void background_allow(void);

/* For a call that the kernel allows to a process of one thread alone, or after which the thread may not be there: it goes, and
 * comes again where it may.  False, and nothing to resume, where there is none. */
bool background_pause(void);
void background_resume(void);

void background_fork_child(void);

#endif
