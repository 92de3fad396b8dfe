/* Callbacks and the garbage list. */
#include "gc/cycles/events.h"

#include "base/lock.h"
#include "gc/objects/fiber.h"

#include <errno.h>
#include <string.h>

#define CALLBACKS_MAX 16

struct listener {
    arca_gc_callback *callback;
    void *data;
};

static struct {
    struct lock lock;
    struct listener listeners[CALLBACKS_MAX];
    unsigned count;
} events;

_Atomic uint32_t events_debug;

/* The items are owned by the list and by no slot: so what they reach is not garbage.
 * Law: `count` items stand in a block for `capacity` or more at each moment: a fork may catch its change half way. */
static struct {
    struct lock lock;
    void **objects;
    size_t count, capacity;
} garbage;

/* On a copy: a callback may add and remove. */
void events_call(const struct arca_gc_event *event)
{
    struct listener listeners[CALLBACKS_MAX];
    lock_acquire(&events.lock);
    unsigned count = events.count;
    for (unsigned i = 0; i < count; i++)
        listeners[i] = events.listeners[i];
    lock_release(&events.lock);
    if (count == 0)
        return;
    bool private = fiber_set_private(true);
    fiber_rest();
    for (unsigned i = 0; i < count; i++)
        listeners[i].callback(event, listeners[i].data);
    fiber_set_private(private);
}

int arca_gc_add_callback(arca_gc_callback *callback, void *data)
{
    if (callback == NULL) { /* it would be called in another thread, long after */
        errno = EINVAL;
        return -1;
    }
    lock_acquire(&events.lock);
    bool room = events.count < CALLBACKS_MAX;
    if (room)
        events.listeners[events.count++] = (struct listener){ callback, data };
    lock_release(&events.lock);
    if (!room)
        errno = ENOMEM;
    return room ? 0 : -1;
}

int arca_gc_remove_callback(arca_gc_callback *callback, void *data)
{
    unsigned i = 0;
    lock_acquire(&events.lock);
    while (i < events.count && (events.listeners[i].callback != callback || events.listeners[i].data != data))
        i++;
    bool found = i < events.count;
    if (found) {
        events.count--;
        for (; i < events.count; i++)
            events.listeners[i] = events.listeners[i + 1];
    }
    lock_release(&events.lock);
    if (!found)
        errno = ENOENT;
    return found ? 0 : -1;
}

/* The old block is freed when it is the list's no more. */
static bool grow_locked(size_t more)
{
    void **old = garbage.objects, **objects;
    size_t wanted = garbage.count + more, capacity = 2 * garbage.capacity > wanted ? 2 * garbage.capacity : wanted;
    if (wanted <= garbage.capacity)
        return true;
    if ((objects = arca_malloc(capacity * sizeof *objects)) == NULL)
        return false;
    if (garbage.count != 0)
        memcpy(objects, old, garbage.count * sizeof *objects);
    fence_compiler(); /* the fork is the processor's half, here and below */
    garbage.objects = objects;
    fence_compiler();
    garbage.capacity = capacity;
    fence_compiler();
    arca_free(old);
    return true;
}

bool events_save(const struct set *set)
{
    lock_acquire(&garbage.lock);
    bool room = grow_locked(set->members);
    for (struct pass pass = set_pass(set, set->lost); room && pass_next(&pass);) {
        for (uint64_t bits = pass.group.objects; bits != 0; bits &= bits - 1) {
            void *object = group_object(&pass.group, bits);
            garbage.objects[garbage.count] = set->held != 0 ? object : arca_retain(object);
            fence_compiler();
            garbage.count++;
        }
    }
    lock_release(&garbage.lock);
    return room;
}

void arca_gc_garbage(arca_gc_visit *visit, void *context)
{
    lock_acquire(&garbage.lock);
    void **objects = garbage.objects;
    size_t count = garbage.count;
    garbage.count = 0;
    fence_compiler();
    garbage.capacity = 0;
    fence_compiler();
    garbage.objects = NULL;
    lock_release(&garbage.lock);
    bool go_on = visit != NULL;
    for (size_t i = 0; i < count; i++) {
        if (go_on)
            go_on = visit(objects[i], context);
        arca_release(objects[i]);
    }
    arca_free(objects);
}

void events_fork_child(void)
{
    lock_reset(&events.lock);
    lock_reset(&garbage.lock);
}
