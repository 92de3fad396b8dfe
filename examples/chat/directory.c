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

/* Owned, or NULL.  An entry whose object is lost is about to be struck out, and passed over. */
static void *find_locked(struct entry *entry, const char *name)
{
    void *object = NULL;
    for (; entry != NULL && object == NULL; entry = entry->next) {
        if (strcmp(entry->name, name) == 0)
            object = arca_weak_upgrade(entry->weak);
    }
    return object;
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
    void *object = find_locked(stripe->chains[where / DIRECTORY_STRIPES % DIRECTORY_CHAINS], name);
    pthread_mutex_unlock(&stripe->lock);
    return object;
}

/* Owned: the object of the entry, or the one that another thread has entered meanwhile. */
static void *enter(struct entry *entry, void *object)
{
    pthread_mutex_lock(&entry->stripe->lock);
    void *other = find_locked(*entry->chain, entry->name);
    if (other == NULL) {
        entry->next = *entry->chain;
        *entry->chain = entry;
    }
    pthread_mutex_unlock(&entry->stripe->lock);
    if (other == NULL)
        return object;
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
