/*
 * A thread gets its heap with its first block and leaves it behind, bins and all, when it ends.
 *
 * The key's destructor may run before others that still free and allocate.  Frees then go straight to the
 * blocks' heaps; blocks come from one shared heap with a lock.  The key is not set again, so that the last
 * round of destructors leaks nothing.
 */
#include "front/thread.h"

#include "base/lock.h"
#include "front/process.h"

#include <pthread.h>

static pthread_key_t key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static bool key_made;

static ARCA_TLS bool ended;

static void thread_end(void *unused)
{
    (void)unused;
    ended = true;
    if (thread_door.own != NULL)
        heap_detach(&thread_door);
}

static void make_key(void)
{
    key_made = pthread_key_create(&key, thread_end) == 0;
}

static bool heap_behind_door(void)
{
    if (thread_door.own != NULL) {
        heap_resume(&thread_door);
        return true;
    }
    if (ended)
        return false;
    process_start();
    if (!heap_attach(&thread_door))
        return false;
    pthread_once(&key_once, make_key);
    if (key_made)
        pthread_setspecific(key, &thread_door); /* may call malloc: the door is open and not entered */
    return true;
}

struct heap *thread_enter(void)
{
    for (;;) {
        struct heap *heap = door_enter(&thread_door);
        if (likely(heap != &heap_sentinel))
            return heap;
        door_leave(&thread_door);
        if (!heap_behind_door())
            return NULL;
    }
}

bool thread_has_ended(void)
{
    return ended;
}

struct heap *thread_late_heap_lock(void)
{
    static _Atomic(struct heap *) late;
    struct heap *heap = load_acq(&late); /* P:late heap acquire: with the release below */
    if (heap == NULL) {
        struct heap *fresh = heap_create_shared(false), *expected = NULL;
        if (fresh == NULL)
            return NULL;
        /* P:late heap release: the heap's fields.  The loser's heap stays for the next explicit one. */
        if (atomic_compare_exchange_strong_explicit(&late, &expected, fresh, memory_order_acq_rel, memory_order_acquire))
            heap = fresh;
        else {
            heap_destroy_shared(fresh);
            heap = expected;
        }
    }
    lock_acquire(&heap->lock);
    return heap;
}
