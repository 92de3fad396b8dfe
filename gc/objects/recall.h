/*
 * What threads have in reserve of hot objects is taken back: a tenth of a second after some came into a reserve, so that
 * who is kept by nothing else dies, and before a collection that is asked for or that memory is short for: it would take them for
 * references.  The same after finalizers of a collection, which may have used whom others of it are to finalize.
 *
 * Law: there is one recall at a time, of who is at work (keeper.h).  What is due is recalled: a reserve that is open again
 * says so again when it is filled, and one that comes on the list meanwhile.
 */
#ifndef ARCA_GC_RECALL_H
#define ARCA_GC_RECALL_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stdint.h>

/* Of who is at work; who dies of it dies here. */
void reserve_recall(void);

/* The same when it is time, or at once, at each round of the library's thread; and how long that may sleep. */
void recall_when_due(bool at_once);
uint32_t recall_pause_ms(void);

/* At the end of a thread, of its reserve. */
void recall_end_of_thread(void *reserve);

/* The threads that the child does not have have ended. */
void recall_fork_child(void);

#endif
