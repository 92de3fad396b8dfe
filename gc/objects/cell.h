/*
 * Weak cells: what weak references to one object share.  This file cuts them off when the object dies; weak.c makes
 * and reads them.
 *
 * Law: an object's kind points to its cell, with a unit of it, from the first weak reference on until the object is
 * lost; then the cell's target is NULL, for ever.
 *
 *   operation   upgrade                                        sever (who has the object's last unit)
 *   upgrade     –                                              P:weak target; a target that is read before is dead by
 *                                                              its count
 *   watchers    –                                              cells_lock
 */
#ifndef ARCA_GC_CELL_H
#define ARCA_GC_CELL_H

#include "base/lock.h"
#include "gc/objects/header.h"

struct arca_weak {
    arca_object object;
    struct cell *cell; /* a unit of it */
    arca_weak_callback *callback;
    void *data;
    _Atomic bool severed;
    bool listed; /* among the cell's watchers: under cells_lock */
    struct arca_weak *next, *prev;
};

extern arca_type cell_type;

/* Of all cells: the list of watchers is touched when a weak reference with a callback is made, dies or is called. */
extern struct lock cells_lock;

/* What is linked or unlinked under the lock: a fork may catch it half way. */
struct cells_change {
    struct cell *cell; /* NULL: nothing */
    struct arca_weak *weak;
};
extern struct cells_change cells_change;

/* The cell of a dying object, cut off from it, with the object's unit; NULL where it has none.  *type is the object's. */
struct cell *cell_sever(void *object, arca_type **type);

/* The next one to call back, newest first, owned; NULL after the last. */
struct arca_weak *cell_next_watcher(struct cell *cell);

void cell_add_watcher(struct cell *cell, struct arca_weak *weak);
void cell_remove_watcher(struct cell *cell, struct arca_weak *weak);

/* Finishes what another thread was changing. */
void cell_fork_child(void);

#endif
