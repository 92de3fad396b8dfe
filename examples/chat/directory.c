#include "directory.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    struct entry *next;
    struct stripe *stripe;
    struct entry **chain;
    arca_weak *weak; /* owned */
    char name[NAME_LENGTH_MAX + 1];
};

void directory_init(struct directory *directory)
{
    for (int i = 0; i < DIRECTORY_STRIPES; i++)
        pthread_mutex_init(&directory->stripes[i].lock, NULL);
}

/* FNV-1a. */
static uint32_t hash(const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name != 0; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}

/* The weak reference of the newest entry, owned; NULL if there is none, or it is `lost`: older ones are lost as well.  The
 * caller upgrades it without the lock: that may end another object, whose callback then wants the lock. */
static arca_weak *find_locked(const struct entry *entry, const char *name, const arca_weak *lost)
{
    while (entry != NULL && strcmp(entry->name, name) != 0)
        entry = entry->next;
    return entry != NULL && entry->weak != lost ? arca_retain(entry->weak) : NULL;
}

static void free_entry(struct entry *entry)
{
    arca_release(entry->weak);
    free(entry);
}

/* The callback of an entry's weak reference. */
static void strike_out(arca_weak *weak, void *data)
{
    struct entry *entry = data, **link = entry->chain;
    (void)weak;
    pthread_mutex_lock(&entry->stripe->lock);
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    pthread_mutex_unlock(&entry->stripe->lock);
    free_entry(entry);
}

static struct entry *entry_new(struct directory *directory, const char *name, void *object)
{
    uint32_t where = hash(name);
    struct entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return NULL;
    entry->stripe = &directory->stripes[where % DIRECTORY_STRIPES];
    entry->chain = &entry->stripe->chains[where / DIRECTORY_STRIPES % DIRECTORY_CHAINS];
    strncpy(entry->name, name, NAME_LENGTH_MAX);
    entry->weak = arca_weak_bind(object, strike_out, entry);
    if (entry->weak == NULL) {
        free(entry);
        return NULL;
    }
    return entry;
}

void *directory_find(struct directory *directory, const char *name)
{
    uint32_t where = hash(name);
    struct stripe *stripe = &directory->stripes[where % DIRECTORY_STRIPES];
    pthread_mutex_lock(&stripe->lock);
    arca_auto arca_weak *weak = find_locked(stripe->chains[where / DIRECTORY_STRIPES % DIRECTORY_CHAINS], name, NULL);
    pthread_mutex_unlock(&stripe->lock);
    return weak != NULL ? arca_weak_upgrade(weak) : NULL;
}

/* The entry's place, unless there is one of its name that is not `lost`: that one's weak reference, owned. */
static arca_weak *try_enter(struct entry *entry, const arca_weak *lost)
{
    pthread_mutex_lock(&entry->stripe->lock);
    arca_weak *weak = find_locked(*entry->chain, entry->name, lost);
    if (weak == NULL) {
        entry->next = *entry->chain;
        *entry->chain = entry;
    }
    pthread_mutex_unlock(&entry->stripe->lock);
    return weak;
}

/* Owned: the object of the entry, or the one that another thread has entered meanwhile. */
static void *enter(struct entry *entry, void *object)
{
    void *other = NULL;
    for (arca_weak *lost = NULL, *weak; other == NULL; lost = weak) {
        weak = try_enter(entry, lost);
        arca_release(lost);
        if (weak == NULL)
            return object;
        other = arca_weak_upgrade(weak);
        if (other != NULL)
            arca_release(weak);
    }
    arca_weak_sever(entry->weak);
    free_entry(entry);
    arca_release(object);
    return other;
}

void *directory_find_or_make(struct directory *directory, const char *name, void *(*make)(const char *name))
{
    void *object = directory_find(directory, name);
    if (object != NULL)
        return object;
    /* Made before the lock is taken: a birth may collect, and so call strike_out. */
    object = make(name);
    struct entry *entry = object != NULL ? entry_new(directory, name, object) : NULL;
    if (entry == NULL) {
        arca_release(object);
        return NULL;
    }
    return enter(entry, object);
}
