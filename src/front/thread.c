/*
 * A thread gets a heap of its own once it has allocated a little, or freed a little that others had allocated, and
 * leaves it behind, bins and all, when it ends.
 *
 * Before, and again in destructors of thread-local data that run after our own, its blocks come from one
 * shared heap with a lock: threads that hardly allocate cost nothing, and the last round of destructors leaks
 * nothing, since the key is not set again.
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
    if (object_door.own != NULL)
        heap_detach(&object_door);
}

static void make_key(void)
{
    key_made = pthread_key_create(&key, thread_end) == 0;
}

/* Slow operations without a heap before a thread other than the first gets its own. */
#define EARN_OPERATIONS 32

static _Atomic bool first_thread_served;
static ARCA_TLS uint8_t earned;

/* A heap only for a thread whose end we shall hear of: else its door would be left hanging. */
static bool end_is_known(void)
{
    static ARCA_TLS bool asked, known;
    if (!asked) {
        asked = true; /* first: pthread_setspecific() may call malloc */
        pthread_once(&key_once, make_key);
        known = key_made && pthread_setspecific(key, &thread_door) == 0;
    }
    return known;
}

bool thread_earn_heap(void)
{
    if (ended || thread_door.own != NULL)
        return false;
    process_start();
    if (!end_is_known())
        return false;
    if (earned < EARN_OPERATIONS && (load_rlx(&first_thread_served) || exchange_rlx(&first_thread_served, true))) {
        earned++;
        return false;
    }
    return heap_attach(&thread_door, false);
}

bool thread_earn_object_heap(void)
{
    if (ended || object_door.own != NULL)
        return false;
    process_start();
    return end_is_known() && heap_attach(&object_door, true);
}

struct heap *thread_enter(struct heap_door *door)
{
    for (;;) {
        struct heap *heap = door_enter(door);
        if (likely(heap != &heap_sentinel))
            return heap;
        door_leave(door);
        if (door->own == NULL || !heap_resume(door))
            return NULL;
    }
}

struct heap *thread_enter_after_sweep(struct heap_door *door)
{
    struct heap *heap;
    while ((heap = thread_enter(door)) == NULL && door->own != NULL)
        heap_await_sweep(door->own);
    return heap;
}

struct heap *thread_enter_earned(void)
{
    struct heap *heap = thread_enter(&thread_door);
    return heap == NULL && thread_earn_heap() ? thread_enter(&thread_door) : heap;
}

struct heap *thread_shared_heap_lock(bool objects)
{
    static _Atomic(struct heap *) shared[2];
    for (;;) {
        struct heap *heap = load_acq(&shared[objects]); /* P:shared heap acquire: with the release below */
        if (heap == NULL || load_rlx(&heap->state) == HEAP_DEAD) { /* never made, or lost in a fork */
            struct heap *fresh = heap_create_shared(false, objects);
            if (fresh == NULL)
                return NULL;
            /* P:shared heap release: the heap's fields */
            if (!cas_acqrel(&shared[objects], &heap, fresh))
                heap_destroy_shared(fresh); /* another thread was first */
            continue;
        }
        lock_acquire(&heap->lock);
        if (load_rlx(&heap->state) == HEAP_SHARED)
            return heap;
        lock_release(&heap->lock); /* lost in a fork while we waited */
    }
}
