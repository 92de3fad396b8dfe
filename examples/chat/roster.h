/*
 * A roster: objects in no order, read without a lock while others change it.
 *
 * Its storage is an array, an object of its own that never changes once it can be seen: whoever adds or removes builds
 * a new one and puts it in the old one's place.  A reader takes the array of that moment and keeps it as long as it
 * likes.  The roster is a field of an object, whose type declares `array` as a slot; the caller keeps that object alive.
 */
#ifndef CHAT_ROSTER_H
#define CHAT_ROSTER_H

#include <arca/object.h>

#include <pthread.h>

enum { ROSTER_MAX = 256 };

struct array {
    arca_var_object head;
    arca_slot items[];
};

struct roster {
    pthread_mutex_t lock; /* held while the array is replaced, not while one is built */
    arca_slot array;      /* struct array, or NULL: nobody */
};

/* Whether an item is still wanted: those that are not leave with the next change. */
typedef bool roster_wants(void *item);

void roster_init(struct roster *roster);
void roster_fini(struct roster *roster);

/* The item is borrowed; one that is there already is not added again.  0, or -1 with ENOSPC or ENOMEM. */
int roster_add(struct roster *roster, void *item, roster_wants *wants);
/* 0, also when it was not there, or -1 with ENOMEM. */
int roster_remove(struct roster *roster, void *item, roster_wants *wants);
void roster_clear(struct roster *roster);

/* Owned; NULL: nobody.  Its items may be borrowed as long as the array is kept. */
struct array *roster_snapshot(struct roster *roster);

/* An array of so many empty slots.  Owned, or NULL. */
struct array *array_new(size_t count);

#endif
