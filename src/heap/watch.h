/*
 * What libarcagc's thread is woken by: memory of objects that was emptied, objects that have become many, and memory that
 * has become short.
 */
#ifndef ARCA_HEAP_WATCH_H
#define ARCA_HEAP_WATCH_H

#include "base/atomic.h"
#include "base/compiler.h"

/* A futex word: changes with each ring. */
extern _Atomic uint32_t watch_bell ARCA_SHARED(watch_bell);

/* Blocks for objects that are in use, or in bins, and their bytes: what waits for its heap was taken off when it was sent. */
extern _Atomic int64_t watch_blocks ARCA_SHARED(watch_blocks);
extern _Atomic int64_t watch_bytes ARCA_SHARED(watch_bytes);
/* Rings when one of them passes its limit, unless it is attended; births are called to wait while one is beyond what is
 * full. */
extern _Atomic int64_t watch_limit ARCA_SHARED(watch_limit);
extern _Atomic int64_t watch_full ARCA_SHARED(watch_full);
extern _Atomic int64_t watch_limit_bytes ARCA_SHARED(watch_limit_bytes);
extern _Atomic int64_t watch_full_bytes ARCA_SHARED(watch_full_bytes);
#define WATCH_BYTES_NEVER (INT64_MAX / 2) /* differences do not overflow */
/* Bytes of emptied spans that nobody has taken to return them (retired.h); births are called to wait while they are more
 * than the lead that is given. */
extern _Atomic int64_t watch_retired_bytes ARCA_SHARED(watch_retired_bytes);
extern _Atomic int64_t watch_lead_bytes ARCA_SHARED(watch_lead_bytes);

/* Looked at by each birth: not 0 when there is something for it to do. */
#define WATCH_CALL_START 1u /* the thread does not run */
#define WATCH_CALL_WAIT 2u
extern _Atomic uint32_t watch_call ARCA_SHARED(watch_call);

/* Looks at all that births may have to wait for again, after it was changed. */
void watch_judge(void) ARCA_SHARED(watch_judge);
/* By how many bytes births are ahead of who frees memory and who returns it, of what they may be; not above 0: they are not. */
int64_t watch_ahead_bytes(void) ARCA_SHARED(watch_ahead_bytes);

/* The thread looks at the limit by itself, soon: to wake it takes a birth tens of microseconds, where processors are
 * virtual. */
extern _Atomic bool watch_attended ARCA_SHARED(watch_attended);
/* No longer: rings when the limit was passed meanwhile. */
void watch_unattend(void) ARCA_SHARED(watch_unattend);

/* Changes with each batch of births or deaths. */
extern _Atomic uint32_t watch_turns ARCA_SHARED(watch_turns);
/* Set by who goes to sleep for as long as nothing happens: the next batch rings. */
extern _Atomic bool watch_asleep ARCA_SHARED(watch_asleep);

/* Memory is short, and objects may hold some of it: asked for by ringing, answered when what can be done is done.  Births
 * are called to wait in between.  To ask again meanwhile is in vain. */
extern _Atomic bool watch_asked ARCA_SHARED(watch_asked);
extern _Atomic uint32_t watch_asked_ms ARCA_SHARED(watch_asked_ms); /* since when */

void watch_ask(void);
void watch_answer(void) ARCA_SHARED(watch_answer);

void watch_ring(void) ARCA_SHARED(watch_ring);

/* Somebody outside wants a full collection; who does it takes it back. */
extern _Atomic bool watch_wanted ARCA_SHARED(watch_wanted);

/* What the collector has done.  It stands here, so that whoever tells how a process is doing need not have libarcagc. */
#define WATCH_GENERATIONS 3
struct watch_figures {
    _Atomic bool loaded; /* libarcagc is */
    struct watch_generation {
        _Atomic uint64_t collections, collected, uncollectable, found, aborted, microseconds;
    } generations[WATCH_GENERATIONS];
    _Atomic uint64_t longest_microseconds, waits;
};
extern struct watch_figures watch_figures ARCA_SHARED(watch_figures);

/* By whole batches: once a refill, once a flush. */
void watch_add(int64_t blocks, int64_t bytes);
/* So many more bytes are retired; below 0: have been taken. */
void watch_retire(int64_t bytes);

#endif
