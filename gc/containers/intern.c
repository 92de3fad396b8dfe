/* The table of interned strings. */
#include "gc/containers/intern.h"

#include "base/lock.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#define BUCKETS_LEAST ((size_t)64)

static struct intern_node *first_buckets[BUCKETS_LEAST];

/* Whoever holds the lock calls nothing that takes another one or waits. */
static struct {
    struct lock lock;
    struct intern_node **buckets;
    size_t size; /* of buckets, a power of two */
    size_t count;
} interned = { LOCK_INIT, first_buckets, BUCKETS_LEAST, 0 };

/* A fork finds the table at rest: its lock is waited for, which is safe because its holder waits for nobody. */
static void intern_lock(void)
{
    lock_acquire(&interned.lock);
}

static void intern_unlock(void)
{
    lock_release(&interned.lock);
}

__attribute__((constructor)) static void intern_start(void)
{
    pthread_atfork(intern_lock, intern_unlock, intern_unlock);
}

static struct intern_node **bucket_of(uint32_t hash)
{
    return &interned.buckets[hash & (interned.size - 1)];
}

/* ---- size --------------------------------------------------------------------------------------------- */

static size_t size_wanted_locked(void)
{
    if (interned.count > interned.size)
        return interned.size * 2;
    if (interned.size > BUCKETS_LEAST && interned.count < interned.size / 8)
        return interned.size / 2;
    return interned.size;
}

/* Chains keep their order: of two nodes with equal bytes the newer stays in front. */
static void move_nodes_locked(struct intern_node **buckets, size_t size)
{
    struct intern_node **old = interned.buckets;
    size_t old_size = interned.size;
    interned.buckets = buckets;
    interned.size = size;
    for (size_t i = 0; i < old_size; i++) {
        for (struct intern_node *node = old[i], *next; node != NULL; node = next) {
            struct intern_node **end = bucket_of(node->hash);
            while (*end != NULL)
                end = &(*end)->next;
            next = node->next;
            node->next = NULL;
            *end = node;
        }
    }
}

/* Without memory the table stays as it is: slower or larger than need be.  A release comes by here, too, and no failure of
 * its own may show in errno. */
static void intern_resize(size_t size)
{
    int saved = errno;
    struct intern_node **fresh = arca_calloc(size, sizeof *fresh), **idle = fresh;
    errno = saved;
    if (fresh == NULL)
        return;
    intern_lock();
    if (size_wanted_locked() == size) {
        idle = interned.buckets;
        move_nodes_locked(fresh, size);
    }
    intern_unlock();
    if (idle != first_buckets)
        arca_free(idle);
}

/* Unlocks, too: memory is asked for outside. */
static void intern_finish(void)
{
    size_t wanted = size_wanted_locked();
    bool due = wanted != interned.size;
    intern_unlock();
    if (due)
        intern_resize(wanted);
}

/* ---- in and out ------------------------------------------------------------------------------------------ */

arca_weak *intern_enter(const struct intern_key *key, struct intern_node *node, const arca_weak *dead)
{
    intern_lock();
    struct intern_node *same = *bucket_of(key->hash);
    while (same != NULL && (same->hash != key->hash || same->length != key->length ||
                            memcmp(same->bytes, key->bytes, key->length) != 0))
        same = same->next;
    if (same != NULL && same->weak != dead) {
        arca_weak *weak = arca_retain(same->weak);
        intern_unlock();
        return weak;
    }
    if (node != NULL) {
        node->next = *bucket_of(key->hash);
        *bucket_of(key->hash) = node;
        interned.count++;
    }
    intern_finish();
    return NULL;
}

void intern_leave(struct intern_node *node)
{
    intern_lock();
    struct intern_node **place = bucket_of(node->hash);
    while (*place != NULL && *place != node)
        place = &(*place)->next;
    if (*place == node) {
        *place = node->next;
        interned.count--;
    }
    intern_finish();
}
