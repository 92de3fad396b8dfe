/*
 * Shared heaps: each operation under the heap's lock.  Their records come in groups of whole pages, which are given back when
 * all of a group are destroyed; programs that have thousands of heaps for a moment do not keep them.
 *
 * Law: a record is HEAP_UNUSED, empty and in no entry, or that of a heap, in its entry, with its bit.
 *
 * Groups with nothing used keep their memory as long as free memory is held (option `purge`), so that a heap for each request
 * costs no system call.
 */
#include "arenas/large.h"
#include "arenas/meta.h"
#include "base/bits.h"
#include "base/log.h"
#include "heap/heap.h"

#include <string.h>

#define GROUP_HEAPS 8u
#define HEADERS 16 /* made at a time */
#define GROUP_ALL ((1u << GROUP_HEAPS) - 1)
#define GROUP_BYTES bits_round_up(GROUP_HEAPS * sizeof(struct heap), OS_PAGE_SIZE)

struct heap_group {
    struct heap *heaps;
    struct heap_group *all_next, *next, *prev;
    uint32_t used;  /* a bit each */
    uint32_t index; /* of the first among all heaps */
    uint32_t emptied_ms;
    bool cold;      /* its memory was given back */
    struct heap_entry entries[GROUP_HEAPS];
};

/* The order of their use: the fuller ones first, so that others become empty. */
static struct {
    struct lock lock;
    struct heap_group *all;
    struct heap_group *partial; /* some are used, some are not */
    _Atomic(struct heap_group *) warm; /* none is used; the last one to become so first */
    struct heap_group *cold;    /* any number */
    struct heap_group *headers; /* without records */
} shared_groups;

/* ---- records ------------------------------------------------------------------------------------------------------------ */

static void partial_add_locked(struct heap_group *group)
{
    group->prev = NULL;
    group->next = shared_groups.partial;
    if (shared_groups.partial != NULL)
        shared_groups.partial->prev = group;
    shared_groups.partial = group;
}

static void partial_remove_locked(struct heap_group *group)
{
    if (group->prev != NULL)
        group->prev->next = group->next;
    else
        shared_groups.partial = group->next;
    if (group->next != NULL)
        group->next->prev = group->prev;
}

static void cold_add_locked(struct heap_group *group)
{
    group->cold = true;
    group->next = shared_groups.cold;
    shared_groups.cold = group;
}

static void headers_leave(struct heap_group *first, unsigned count)
{
    lock_acquire(&shared_groups.lock);
    for (unsigned i = 0; i < count; i++) {
        first[i].next = shared_groups.headers;
        shared_groups.headers = &first[i];
    }
    lock_release(&shared_groups.lock);
}

/* Beside each other, not each on a page before its heaps. */
static struct heap_group *header_take(void)
{
    lock_acquire(&shared_groups.lock);
    struct heap_group *group = shared_groups.headers;
    if (group != NULL)
        shared_groups.headers = group->next;
    lock_release(&shared_groups.lock);
    if (group == NULL && (group = meta_create(HEADERS * sizeof *group)) != NULL)
        headers_leave(group + 1, HEADERS - 1);
    return group;
}

static struct heap_group *group_create(void)
{
    struct heap_group *group = header_take();
    char *heaps = group != NULL ? meta_create(GROUP_BYTES + OS_PAGE_SIZE) : NULL;
    if (heaps == NULL) {
        if (group != NULL)
            headers_leave(group, 1);
        return NULL;
    }
    group->heaps = (struct heap *)bits_round_up((uintptr_t)heaps, OS_PAGE_SIZE);
    group->index = heap_indices(GROUP_HEAPS);
    for (unsigned i = 0; i < GROUP_HEAPS; i++)
        heap_enter(&group->entries[i], NULL);
    return group;
}

/* A group that has one to spare, among the partial ones by now. */
static struct heap_group *group_find_locked(void)
{
    struct heap_group *group = shared_groups.partial;
    if (group != NULL)
        return group;
    if ((group = load_rlx(&shared_groups.warm)) != NULL) {
        store_rlx(&shared_groups.warm, group->next);
    } else if ((group = shared_groups.cold) != NULL) {
        shared_groups.cold = group->next;
        group->cold = false;
    } else {
        return NULL;
    }
    partial_add_locked(group);
    return group;
}

static struct heap *shared_take_locked(struct heap_entry **entry)
{
    struct heap_group *group = group_find_locked();
    if (group == NULL)
        return NULL;
    unsigned i = bits_lowest(~group->used);
    group->used |= 1u << i;
    if (group->used == GROUP_ALL)
        partial_remove_locked(group);
    struct heap *heap = &group->heaps[i];
    heap->group = group;
    *entry = &group->entries[i];
    return heap;
}

static struct heap *shared_take(struct heap_entry **entry)
{
    lock_acquire(&shared_groups.lock);
    struct heap *heap = shared_take_locked(entry);
    lock_release(&shared_groups.lock);
    struct heap_group *fresh = heap == NULL ? group_create() : NULL;
    if (fresh == NULL)
        return heap;
    lock_acquire(&shared_groups.lock);
    fresh->all_next = shared_groups.all;
    shared_groups.all = fresh;
    partial_add_locked(fresh);
    heap = shared_take_locked(entry);
    lock_release(&shared_groups.lock);
    return heap;
}

_Static_assert(GROUP_HEAPS * sizeof(struct heap) + OS_PAGE_SIZE <= OS_REMOVED_AT_ONCE,
               "a discard that is refused must have left each lock as it was");

/* Who has come upon a heap in a walk may be waiting for its lock: it is there still, and says that there is nothing. */
static void group_give_back(struct heap_group *group)
{
    for (unsigned i = 0; i < GROUP_HEAPS; i++)
        lock_acquire(&group->heaps[i].lock);
    bool gone = os_discard(group->heaps, GROUP_BYTES);
    for (unsigned i = 0; i < GROUP_HEAPS; i++) {
        if (gone)
            lock_wake(&group->heaps[i].lock); /* it is free, by the zeros */
        else
            lock_release(&group->heaps[i].lock);
    }
}

static void shared_leave(struct heap *heap)
{
    struct heap_group *group = heap->group;
    lock_acquire(&shared_groups.lock);
    if (group->used == GROUP_ALL)
        partial_add_locked(group);
    group->used &= ~(1u << (heap - group->heaps));
    if (group->used == 0) {
        partial_remove_locked(group);
        group->emptied_ms = heap->now_ms;
        group->next = load_rlx(&shared_groups.warm);
        store_rlx(&shared_groups.warm, group);
    }
    lock_release(&shared_groups.lock);
}

/* Those that have been empty for so long, out of their list. */
static struct heap_group *warm_take(uint32_t now_ms, uint32_t hold_ms)
{
    struct heap_group *group, *before = NULL;
    lock_acquire(&shared_groups.lock);
    for (group = load_rlx(&shared_groups.warm); group != NULL; before = group, group = group->next) {
        if ((int32_t)(now_ms - group->emptied_ms) >= (int32_t)hold_ms)
            break;
    }
    if (group != NULL && before != NULL)
        before->next = NULL;
    else if (group != NULL)
        store_rlx(&shared_groups.warm, NULL);
    lock_release(&shared_groups.lock);
    return group;
}

size_t heap_shared_trim(uint32_t now_ms, uint32_t hold_ms)
{
    size_t bytes = 0;
    struct heap_group *next;
    for (struct heap_group *group = warm_take(now_ms, hold_ms); group != NULL; group = next) {
        next = group->next;
        group_give_back(group);
        lock_acquire(&shared_groups.lock);
        cold_add_locked(group);
        lock_release(&shared_groups.lock);
        bytes += GROUP_BYTES;
    }
    return bytes;
}

bool heap_shared_has_work(void)
{
    return load_rlx(&shared_groups.warm) != NULL;
}

/* A fork may have caught any of it half way.  Heaps that are used are known by their bits alone; in a group without one
 * nothing is worth keeping. */
static void group_fork_child(struct heap_group *group)
{
    if (group->used == GROUP_ALL)
        return;
    if (group->used != 0) {
        partial_add_locked(group);
        return;
    }
    if (!group->cold) {
        for (unsigned i = 0; i < GROUP_HEAPS; i++)
            store_rlx(&group->entries[i].heap, NULL);
        memset((void *)group->heaps, 0, GROUP_BYTES);
    }
    cold_add_locked(group);
}

void heap_shared_fork_child(void)
{
    lock_reset(&shared_groups.lock);
    shared_groups.partial = shared_groups.cold = shared_groups.headers = NULL;
    store_rlx(&shared_groups.warm, NULL);
    for (struct heap_group *group = shared_groups.all; group != NULL; group = group->all_next)
        group_fork_child(group);
}

/* ---- heaps -------------------------------------------------------------------------------------------------------------- */

struct heap *heap_create_shared(bool explicit_heap, bool objects)
{
    struct heap_entry *entry;
    struct heap *heap = shared_take(&entry);
    if (heap == NULL)
        return NULL;
    lock_acquire(&heap->lock); /* a sweeper may have known the one before */
    heap_init(heap, heap->group->index + (uint32_t)(heap - heap->group->heaps), HEAP_SHARED, objects);
    heap->explicit_heap = explicit_heap;
    store_rlx(&heap->swept, false);
    lock_release(&heap->lock);
    store_rel(&entry->heap, heap); /* P:heap entry release: with heap_next */
    return heap;
}

void heap_add_large(struct heap *heap, struct span *span)
{
    span->prev = NULL;
    span->next = heap->large;
    if (heap->large != NULL)
        heap->large->prev = span;
    heap->large = span;
    store_rlx(&span->heap, heap);
}

void heap_remove_large(struct heap *heap, struct span *span)
{
    if (span->prev != NULL)
        span->prev->next = span->next;
    else
        heap->large = span->next;
    if (span->next != NULL)
        span->next->prev = span->prev;
    store_rlx(&span->heap, NULL);
}

static void destroy_pools(struct heap *heap)
{
    for (unsigned class = 0; class < SIZE_CLASSES; class++) {
        for (unsigned bucket = 0; bucket < POOL_BUCKETS; bucket++) {
            struct span *next;
            for (struct span *pool = heap->pools[class][bucket]; pool != NULL; pool = next) {
                next = pool->next;
                pool_return(pool, heap->now_ms);
            }
            heap->pools[class][bucket] = NULL;
        }
    }
    heap_init_bins(heap);
}

void heap_destroy_shared(struct heap *heap)
{
    lock_acquire(&heap->lock);
    if (load_rlx(&heap->state) == HEAP_UNUSED)
        log_abort("arca_heap_destroy(): %p: not a heap (destroyed before)", (void *)heap);
    if (load_rlx(&heap->state) != HEAP_SHARED) { /* caught by a fork: nothing in it can be trusted */
        lock_release(&heap->lock);
        return;
    }
    heap->now_ms = os_now_ms();
    while (heap->large != NULL) {
        struct span *span = heap->large;
        heap_remove_large(heap, span);
        large_destroy(span, heap->now_ms);
    }
    destroy_pools(heap);
    store_rlx(&heap->group->entries[heap - heap->group->heaps].heap, NULL);
    fence_compiler(); /* a child of a fork takes what has an entry for a heap */
    store_rlx(&heap->state, (uint8_t)HEAP_UNUSED);
    lock_release(&heap->lock);
    shared_leave(heap);
}
