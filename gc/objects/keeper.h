/*
 * The library's own thread: it waits for grace periods, so that the memory of emptied object pools can leave, and
 * does the collector's work.
 *
 *   state     meaning                                          left by
 *   OFF       no thread                                        the next birth
 *   RUNNING   it sleeps until the bell rings                   fork
 *   NONE      there is none, by option or for lack of memory   a birth, a second later; births do its work meanwhile,
 *                                                              in parts (fiber.h)
 */
#ifndef ARCA_GC_KEEPER_H
#define ARCA_GC_KEEPER_H

#include "base/atomic.h"
#include "base/compiler.h"
#include "heap/watch.h"

enum keeper_state { KEEPER_OFF, KEEPER_RUNNING, KEEPER_NONE };

extern _Atomic uint32_t keeper_state;

void keeper_poke_slow(size_t size);

/* At each birth of an object of so many bytes. */
ARCA_INLINE void keeper_poke(size_t size)
{
    if (unlikely(load_rlx(&watch_call) != 0))
        keeper_poke_slow(size);
}

/* At some deaths: what they leave behind waits for the end of work that rests, and there may be no more births. */
void keeper_help(void);

/* What the collector does, a floor higher: once, before the first birth. */
struct keeper_work {
    void (*work)(void);      /* after each ring of the bell, in the thread or in a birth */
    void (*wait)(void);      /* in a birth, with WATCH_CALL_WAIT */
    uint32_t (*pause_ms)(void); /* after it, in the thread, until it is due again if nothing rings; OS_FOREVER: never */
    void (*fork_child)(bool cut); /* cut: another thread was at work */
};
void keeper_set_work(const struct keeper_work *work);

/* At work, between two parts of it: memory that waits to be returned is, where it is much. */
void keeper_return_much(void);

/* True in the thread, and in a birth that does its work. */
bool keeper_is_working(void);

/* What who is at work has freed since the program began, or has let die.  Of who is at work. */
struct keeper_freed {
    int64_t blocks, bytes;
};
extern struct keeper_freed keeper_freed;

/* At work: somebody waits for its end.  What begins anew had better be left for later. */
bool keeper_is_wanted(void);

/* Runs job(context) with nobody else at work, in the calling thread; false, and not run, when the caller is at work
 * already. */
bool keeper_exclusively(void (*job)(void *context), void *context);

#endif
