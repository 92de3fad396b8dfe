/* Birth, parking, orphans and the child of a fork: who holds a heap when.  Shared ones: heap_shared.c. */
#include "heap/heap.h"

#include "arenas/arena.h"
#include "arenas/large.h"
#include "arenas/meta.h"
#include "base/stats.h"
#include "heap/retired.h"

_Atomic(struct heap_entry *) heaps_all;

static struct orphans {
    struct lock lock;
    struct heap *first; /* the last one first: its bins are warm */
    _Atomic uint32_t count;
} orphans[2]; /* by heap->objects */

void heap_init_bins(struct heap *heap)
{
    heap->grown_bytes = 0;
    for (unsigned class = 0; class < SIZE_CLASSES; class++) {
        heap->bins[class] = (struct bin){ .room = size_classes[class].bin_limit, .limit = size_classes[class].bin_limit, .batch = 1 };
        heap->flushed[class] = 0;
    }
}

uint32_t heap_indices(uint32_t count)
{
    static _Atomic uint32_t next;
    return add_rlx(&next, count);
}

void heap_init(struct heap *heap, uint32_t index, enum heap_state state, bool objects)
{
    heap_init_bins(heap);
    heap->objects = objects;
    heap->index = index;
    heap->now_ms = os_now_ms();
    store_rlx(&heap->state, (uint8_t)state);
}

void heap_enter(struct heap_entry *entry, struct heap *heap)
{
    struct heap_entry *first = load_rlx(&heaps_all);
    store_rlx(&entry->heap, heap);
    do {
        entry->next = first;
    } while (!cas_weak_rel(&heaps_all, &first, entry)); /* P:heap list release: with heap_first */
}

static struct heap *heap_create(bool objects)
{
    struct heap *heap = meta_create(sizeof *heap);
    if (heap == NULL)
        return NULL;
    heap_init(heap, heap_indices(1), HEAP_ORPHAN, objects);
    heap_enter(&heap->entry, heap);
    return heap;
}

static struct heap *orphan_adopt(struct orphans *list)
{
    if (load_rlx(&list->count) == 0)
        return NULL;
    lock_acquire(&list->lock);
    struct heap *heap = list->first;
    if (heap != NULL) {
        list->first = heap->orphan_next;
        sub_rlx(&list->count, 1u);
    }
    lock_release(&list->lock);
    return heap;
}

static void orphan_add_locked(struct orphans *list, struct heap *heap)
{
    heap->orphan_next = list->first;
    list->first = heap;
    add_rlx(&list->count, 1u);
}

/* The lock is held, and is released. */
static void open_door_locked(struct heap *heap, struct heap_door *door)
{
    if (load_rlx(&heap->state) == HEAP_DEAD) {
        lock_release(&heap->lock);
        door->own = NULL;
        return;
    }
    heap->now_ms = os_now_ms();
    heap->door = door;
    door->own = heap;
    store_rlx(&heap->swept, false);
    store_rlx(&heap->state, (uint8_t)HEAP_ACTIVE);
    store_rlx(&door->heap, heap);
    lock_release(&heap->lock);
}

bool heap_attach(struct heap_door *door, bool objects)
{
    struct heap *heap = orphan_adopt(&orphans[objects]);
    if (heap == NULL)
        heap = heap_create(objects);
    if (heap == NULL)
        return false;
    lock_acquire(&heap->lock);
    open_door_locked(heap, door);
    stats_add(threads_attached, 1);
    return door->own != NULL;
}

bool heap_resume(struct heap_door *door)
{
    struct heap *heap = door->own;
    if (!lock_try_or_want(&heap->lock))
        return false;
    open_door_locked(heap, door);
    return true;
}

void heap_await_sweep(struct heap *heap)
{
    lock_acquire(&heap->lock);
    lock_release(&heap->lock);
}

void heap_detach(struct heap_door *door)
{
    struct heap *heap = door->own;
    lock_acquire(&heap->lock); /* first: the sweeper may be opening the door again */
    store_rlx(&door->heap, &heap_sentinel);
    door->own = NULL;
    heap->door = NULL;
    store_rlx(&heap->state, (uint8_t)HEAP_ORPHAN);
    lock_release(&heap->lock);
    struct orphans *list = &orphans[heap->objects];
    lock_acquire(&list->lock);
    orphan_add_locked(list, heap);
    lock_release(&list->lock);
}

bool heap_park_begin(struct heap *heap)
{
    bool parking = false;
    if (load_rlx(&heap->state) != HEAP_ACTIVE || !lock_try(&heap->lock))
        return false;
    if (load_rlx(&heap->state) == HEAP_ACTIVE) {
        store_rlx(&heap->state, (uint8_t)HEAP_PARKING);
        store_rlx(&heap->door->heap, &heap_sentinel);
        parking = true;
    }
    lock_release(&heap->lock);
    return parking;
}

bool heap_park_finish(struct heap *heap, bool barrier)
{
    if (!lock_try(&heap->lock))
        return false;
    switch (load_rlx(&heap->state)) {
    case HEAP_PARKING:
        if (barrier && load_acq(&heap->door->busy) == 0) { /* P:door acquire: with door_leave */
            store_rlx(&heap->state, (uint8_t)HEAP_PARKED);
            return true;
        }
        store_rlx(&heap->door->heap, heap);
        store_rlx(&heap->state, (uint8_t)HEAP_ACTIVE);
        break;
    case HEAP_PARKED:
    case HEAP_ORPHAN:
    case HEAP_SHARED:
        return true;
    default:
        break;
    }
    lock_release(&heap->lock);
    return false;
}

/* ---- fork ------------------------------------------------------------------------------------------ */

/* The other threads are gone.  A heap that none of them was changing is an orphan now (unless we can not be sure
 * that its thread is gone); one that was caught half way is set aside for good, with all that it holds. */
static struct heap_door *door_of(const struct heap *heap, struct heap_door *const doors[], unsigned door_count)
{
    for (unsigned i = 0; i < door_count; i++) {
        if (doors[i]->own == heap)
            return doors[i];
    }
    return NULL;
}

static void reset_lists(void)
{
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(orphans); i++) {
        orphans[i].first = NULL;
        store_rlx(&orphans[i].count, 0u);
        lock_reset(&orphans[i].lock);
    }
}

static void fork_child_heap(struct heap *heap, struct heap_door *own, bool alone)
{
    enum heap_state state = load_rlx(&heap->state);
    bool caught = lock_is_held(&heap->lock);
    if (own == NULL && (state == HEAP_ACTIVE || state == HEAP_PARKING))
        caught |= heap->door != NULL && load_rlx(&heap->door->busy) != 0;
    lock_reset(&heap->lock);
    if (caught || state == HEAP_DEAD) {
        store_rlx(&heap->state, (uint8_t)HEAP_DEAD);
        if (own != NULL) {
            own->own = NULL;
            store_rlx(&own->heap, &heap_sentinel);
        }
    } else if (own != NULL) {
        heap->now_ms = os_now_ms();
        store_rlx(&heap->swept, false); /* it may have been parked, with nothing left to sweep */
        store_rlx(&heap->state, (uint8_t)HEAP_ACTIVE);
        store_rlx(&own->heap, heap);
    } else if (state != HEAP_SHARED && (alone || state == HEAP_ORPHAN)) {
        heap->door = NULL;
        store_rlx(&heap->state, (uint8_t)HEAP_ORPHAN);
        orphan_add_locked(&orphans[heap->objects], heap);
    }
}

/* Behind the block that it grows; of one that was caught, too. */
static uint32_t held_room(const struct heap *heap)
{
    const struct span *span = heap->growing;
    return span != NULL && load_rlx(&span->holder) == heap->index + 1 ? arena_room(span) : 0;
}

void heap_fork_child(struct heap_door *const doors[], unsigned door_count, bool alone)
{
    size_t room = 0;
    reset_lists();
    heap_shared_fork_child();
    retired_fork_child();
    struct heap_entry *at = heap_first();
    for (struct heap *heap; (heap = heap_next(&at)) != NULL;) {
        fork_child_heap(heap, door_of(heap, doors, door_count), alone);
        room += held_room(heap);
    }
    store_rlx(&arenas.room_slices, room); /* a thread may have been between a block's size and the count */
}
