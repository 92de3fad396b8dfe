/*
 * A directory: objects by name, without keeping them alive.
 *
 * It holds a weak reference to each, whose callback strikes the name out when the object is lost, whichever way it
 * died.  Any thread may call these functions; the locks are held for a few compares.
 */
#ifndef CHAT_DIRECTORY_H
#define CHAT_DIRECTORY_H

#include <arca/object.h>

#include <pthread.h>

enum { NAME_LENGTH_MAX = 31, DIRECTORY_STRIPES = 64, DIRECTORY_CHAINS = 512 };

struct directory {
    struct stripe {
        pthread_mutex_t lock;
        struct entry *chains[DIRECTORY_CHAINS];
    } stripes[DIRECTORY_STRIPES];
};

/* For a directory in static storage. */
void directory_init(struct directory *directory);

/* Owned, or NULL. */
void *directory_find(struct directory *directory, const char *name);

/* The same; if there is none, make(name) is called and its (owned) result entered, unless another thread was first.
 * NULL without memory. */
void *directory_find_or_make(struct directory *directory, const char *name, void *(*make)(const char *name));

#endif
