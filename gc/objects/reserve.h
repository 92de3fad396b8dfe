/*
 * Units of hot objects (ARCA_TYPE_HOT) that a thread keeps in reserve: to retain one and to release it moves a unit between
 * the thread's hands and its reserve, and no other processor hears of it.
 *
 * (Sloppy counters: Boyd-Wickizer and others, An Analysis of Linux Scalability to Many Cores, OSDI 2010.)
 *
 * Law: what is in reserve is counted in its object's word, at each moment: a fork may catch a thread in the middle, whose
 * reserve the child empties, and so units come into the word first and leave it last.  So the object is alive, a load of it needs no section, and to
 * who certifies these are units in a thread's hands.  A unit that comes out of a slot goes into a reserve only by way of a
 * touch (I2): slots give back by unit_release().
 *
 * When the units that one thread has in reserve are all that there are, the object dies at once; when several threads
 * have some, once they are recalled (recall.h).
 *
 *   entries of   the thread                                recall
 *   a reserve    between reserve_enter, which marks it     marks it `closed`, has all processors pass a barrier, waits
 *                `busy`, and reserve_leave; not while it   until it is not `busy` (P:reserve busy), and opens it again
 *                is `closed`                               (P:reserve closed)
 */
#ifndef ARCA_GC_RESERVE_H
#define ARCA_GC_RESERVE_H

#include "gc/objects/header.h"

struct reserve {
    struct arca_private_reserve face; /* a place that is free has no object, NULL */
    uint32_t misses;
    _Atomic bool ended; /* its thread has; what is left is recalled, and then the record is freed */
    struct reserve *next;
};

/* Of all threads that have or had one: they come in front, and only a recall takes them off. */
extern _Atomic(struct reserve *) reserves;
/* There is something to recall. */
extern _Atomic bool reserves_due;

ARCA_INLINE _Atomic(void *) *reserve_object(struct reserve *reserve, size_t place)
{
    return (_Atomic(void *) *)&reserve->face.arca_objects[place];
}

/* False while it is closed. */
ARCA_INLINE bool reserve_enter(struct reserve *reserve)
{
    return arca_private_reserve_enter(&reserve->face);
}

ARCA_INLINE void reserve_leave(struct reserve *reserve)
{
    arca_private_reserve_leave(&reserve->face);
}

ARCA_INLINE _Atomic uint32_t *reserve_busy(struct reserve *reserve)
{
    return (_Atomic uint32_t *)&reserve->face.arca_busy;
}

ARCA_INLINE _Atomic uint32_t *reserve_closed(struct reserve *reserve)
{
    return (_Atomic uint32_t *)&reserve->face.arca_closed;
}

/* A unit of the object, which the caller need not have, out of the reserve.  False where there is none; of NULL. */
ARCA_INLINE bool reserve_take(void *object)
{
    return object != NULL && arca_private_reserve_take(arca_private_reserve_of(object), object);
}

/* A unit in the caller's hands goes into the reserve, if that has or had others of its object.  *dead: these were all that there
 * were, and are no more: the object's turn to die has come. */
bool reserve_give(void *object, bool *dead);

/* Of a hot object that the caller has a unit of: it may find some in reserve when it next wants one.  Nobody dies of it. */
void reserve_fill(void *object);

/* The caller has given a unit back by the word, which was that before.  True when all others were those in its reserve,
 * and are no more: the object's turn to die has come. */
bool reserve_was_last(void *object, uint64_t word);

/* How many units the calling thread has in reserve. */
uint32_t reserve_units(const void *object);

/* ---- for recall.c -------------------------------------------------------------------------------------- */

/* Gives the units of a place back and leaves it free.  True when they were the last. */
bool reserve_clear(struct reserve *reserve, size_t place);

/* Somebody shall recall. */
void reserves_call(void);

/* At the end of a thread that has a reserve. */
void reserve_set_end(void (*end)(void *reserve));
/* From now on the calling thread has none. */
void reserve_forgo(void);

#endif
