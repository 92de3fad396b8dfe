/*
 * A heap: the pools of one thread and the bins in front of them.
 *
 *   bin     a bounded LIFO list of free blocks of one class: what the fast paths touch, and all they touch; some may be
 *           borrowed, that is from pools of other threads
 *   door    a thread's way to its heap, in its thread-local memory
 *   parked  taken from a thread that does not look, so that its memory can be swept
 *
 * Law: Σ over pools of `used` = live blocks + blocks in bins, parcels and remote lists.
 *
 * Who may touch a heap (all but `remote`, which is for everybody):
 *
 *   state             holder
 *   HEAP_UNUSED       nobody: a record without a heap
 *   HEAP_ACTIVE       its thread, while door->busy
 *   HEAP_PARKING      nobody new: the thread may be finishing an operation
 *   HEAP_PARKED       who has the lock
 *   HEAP_ORPHAN       who has the lock (its thread has ended; a new one may adopt it)
 *   HEAP_SHARED       who has the lock (explicit heaps, and the heap of late frees)
 *   HEAP_DEAD         nobody: a fork caught it half way
 *
 * The door.  A thread stores busy = 1, then reads door->heap; after the operation it stores busy = 0.
 * The sweeper stores the sentinel to door->heap, makes every thread execute a barrier, then reads busy.
 * Either it reads 0: then each later operation reads the sentinel, finds its bins empty, and comes through
 * the slow path and the lock; and the release store of 0 hands over all that was done before (P:door).
 * Or it reads 1: then it gives the heap back and passes on.  The thread pays two plain stores an operation,
 * is never woken, and does not wait either: while its heap is being swept, it does without.
 */
#ifndef ARCA_HEAP_HEAP_H
#define ARCA_HEAP_HEAP_H

#include "base/lock.h"
#include "heap/block.h"
#include "heap/pool.h"
#include "heap/quarantine.h"
#include "heap/remote.h"
#include "heap/size_class.h"
#include "heap/span_cache.h"

#define POOL_BUCKETS 5
#define BUCKET_FULL (POOL_BUCKETS - 1) /* without room; the others have some */
#define BUCKET_NONE 0xff               /* in no list yet */

enum heap_state { HEAP_UNUSED, HEAP_ACTIVE, HEAP_PARKING, HEAP_PARKED, HEAP_ORPHAN, HEAP_SHARED, HEAP_DEAD };

/* A block's link leads to the block after the next: so the pops of a burst wait for two loads from memory at a
 * time, not for one after the other. */
struct bin {
    uintptr_t head, second; /* links */
    int32_t room;   /* limit - blocks in it: one instruction counts and tests on the fast path */
    uint16_t limit; /* grows while its thread overflows it, shrinks back with a sweep */
    uint16_t batch; /* blocks of the next refill: doubles, so that small users stay small */
};

_Static_assert(sizeof(struct bin) == BIN_BYTES, "size classes and the page map hold places of bins");

struct heap_door {
    _Atomic uint32_t busy;
    _Atomic(struct heap *) heap; /* own, or the sentinel */
    struct heap *own;            /* NULL before the first and after the last use */
    size_t asked;                /* its thread: counts bytes of requests, and overflows when one is to be looked at */
};

/* Where walks over all heaps find one.  It stays for ever, unlike the memory of a shared heap's record. */
struct heap_entry {
    _Atomic(struct heap *) heap; /* NULL while there is none */
    struct heap_entry *next;
};

struct heap {
    uint32_t sent;                /* blocks of objects to other heaps, not yet counted off */
    uint32_t grown_bytes;         /* by which bins have grown beyond their first limits */
    struct bin bins[SIZE_CLASSES]; /* not in the first place: that is what is called none, and a bin there is empty, since
                                    * these counts are no links */
    struct span *pools[SIZE_CLASSES][POOL_BUCKETS]; /* by fullness, warmest first */
    bool refilled[SIZE_CLASSES];  /* a bin was, since it overflowed last */
    uint32_t flushed[SIZE_CLASSES]; /* blocks that it gave up since it overflowed first after that */
    struct block *backlog;        /* drained from `remote`, not looked at yet */
    uint32_t sent_bytes;          /* of what was sent */
    uint32_t now_ms;              /* of the last slow operation */
    _Atomic uint32_t slow_ops;    /* counts them: tells the sweeper who is busy */
    uint32_t seen_slow_ops;       /* sweeper: value when it last judged, at seen_ms, whether the thread is idle */
    uint32_t seen_ms;
    bool idle;
    struct span *large;           /* HEAP_SHARED: its large blocks */
    struct span_cache spares;
    struct span *growing;         /* the large block behind which slices are held, or were (growth.h) */
    bool grows_far;               /* the last one that left it had become too large for a small block */
    struct parcel parcels[PARCELS];
    struct quarantine quarantine; /* of hardened blocks */

    /* What others read who free a block of ours, and what hardly ever changes. */
    uint32_t index ARCA_ALIGNED(ARCA_CACHE_LINE); /* among all heaps */
    bool explicit_heap;           /* made by arca_heap_create(): its blocks die with it */
    bool objects;                 /* of libarcagc: header words survive, emptied pools are retired first */
    struct lock lock;
    _Atomic uint8_t state;
    _Atomic bool swept;           /* nothing is cached and no pool has pages to give */
    struct heap_door *door;
    struct heap *orphan_next;
    struct heap_entry entry;      /* a shared heap's is its group's */
    struct heap_group *group;     /* of shared heaps (heap_shared.c) */
    _Atomic(struct heap *) stand_in; /* of an explicit heap that is HEAP_DEAD: where its blocks come from by now; or NULL */

    struct remote_list remote ARCA_ALIGNED(ARCA_CACHE_LINE);
};

/* Every bin is empty and no pool is owned: operations on it take the slow path. */
extern struct heap heap_sentinel;

_Static_assert(offsetof(struct heap, bins) == HEAP_BINS, "size classes and the page map hold places of bins");

ARCA_INLINE struct bin *bin_at(struct heap *heap, uintptr_t place)
{
    return (struct bin *)((char *)heap + place);
}

/* NULL when it is empty, or when its first link is broken (heap_refill). */
ARCA_INLINE struct block *bin_pop(struct bin *bin)
{
    struct block *block = block_at(bin->head);
    if (unlikely((intptr_t)block < 0)) /* the sign is that of the secret: no link */
        return NULL;
    bin->head = bin->second;
    bin->second = block->link;
    bin->room++;
    return block;
}

/* The same, of blocks that have marks: takes the mark off. */
ARCA_INLINE struct block *bin_take(struct bin *bin)
{
    uintptr_t link = bin->head;
    struct block *block = bin_pop(bin);
    if (likely(block != NULL)) {
        if (unlikely(block->mark != link))
            block_broken(block);
        block->mark = 0;
    }
    return block;
}

/* Asks for the block after the next, which is not known any earlier; of an empty bin for nothing. */
ARCA_INLINE void bin_ask(const struct bin *bin)
{
    __builtin_prefetch(block_at(bin->second), 1);
}

/* link: the block's.  Returns the room that is left; below 0 it has to be flushed. */
ARCA_INLINE int32_t bin_push_link(struct bin *bin, struct block *block, uintptr_t link)
{
    block->link = bin->second;
    bin->second = bin->head;
    bin->head = link;
    return --bin->room;
}

ARCA_INLINE int32_t bin_push(struct bin *bin, struct block *block)
{
    return bin_push_link(bin, block, block_mark(block));
}

ARCA_INLINE uint32_t bin_count(const struct bin *bin)
{
    return (uint32_t)(bin->limit - bin->room);
}

extern _Atomic(struct heap_entry *) heaps_all;

ARCA_INLINE struct heap_entry *heap_first(void)
{
    return load_acq(&heaps_all); /* P:heap list acquire: with heap_enter */
}

/* The heap there, or at the next place that has one, and goes on; NULL at the end.  A shared one may be destroyed meanwhile, and
 * then is of no state that is looked into. */
ARCA_INLINE struct heap *heap_next(struct heap_entry **at)
{
    struct heap *heap = NULL;
    for (; *at != NULL && heap == NULL; *at = (*at)->next)
        heap = load_acq(&(*at)->heap); /* P:heap entry acquire: with heap_create_shared */
    return heap;
}

ARCA_INLINE struct heap *door_enter(struct heap_door *door)
{
    store_rlx(&door->busy, 1u);
    fence_compiler(); /* the processor's half: os_barrier() in the sweeper */
    return load_rlx(&door->heap);
}

ARCA_INLINE void door_leave(struct heap_door *door)
{
    store_rel(&door->busy, 0u); /* P:door release: with heap_park_finish */
}

/* ---- life ---------------------------------------------------------------------------------- */

/* An orphan, or a new heap, open at this door; false without memory.  The door is not entered. */
bool heap_attach(struct heap_door *door, bool objects);
/* Opens the door again after a sweep, or leaves it without a heap when that was lost in a fork.  False while the sweep
 * lasts, which then makes haste. */
bool heap_resume(struct heap_door *door);
/* Until no sweep that has begun is left. */
void heap_await_sweep(struct heap *heap);
/* The thread ends: its heap becomes an orphan with its bins as they are. */
void heap_detach(struct heap_door *door);

struct heap *heap_create_shared(bool explicit_heap, bool objects);
/* Frees every block of an explicit heap at once. */
void heap_destroy_shared(struct heap *heap);
/* Gives back the records that have been unused for so long; how many bytes. */
size_t heap_shared_trim(uint32_t now_ms, uint32_t hold_ms);
bool heap_shared_has_work(void);
void heap_shared_fork_child(void);

/* The making of one, for heap_shared.c: a zeroed record; numbers; its place in the walks. */
void heap_init(struct heap *heap, uint32_t index, enum heap_state state, bool objects);
void heap_init_bins(struct heap *heap);
uint32_t heap_indices(uint32_t count);
void heap_enter(struct heap_entry *entry, struct heap *heap);

/* ---- operations by the holder ---------------------------------------------------------------- */

/* A block of the bin, or NULL. */
ARCA_INLINE struct block *heap_pop(struct heap *heap, unsigned class)
{
    return heap->objects ? bin_pop(&heap->bins[class]) : bin_take(&heap->bins[class]);
}

ARCA_INLINE void heap_note_slow_op(struct heap *heap)
{
    heap->now_ms = os_now_ms();
    bump_rlx(&heap->slow_ops, 1u);
}
/* No slices are held behind a large block any more. */
void heap_cut_growing(struct heap *heap);

/* Pops a block of a class whose bin is empty, and fills the bin; NULL without memory. */
struct block *heap_refill(struct heap *heap, unsigned class);
/* A marked block of one of its pools comes back. */
void heap_put(struct heap *heap, struct span *pool, struct block *block);
/* A chain of blocks of one of its pools goes back to it. */
void heap_put_run(struct heap *heap, struct block *first);
/* All blocks of one of its pools, each of which was outside, and none of which anybody can reach. */
void heap_put_pool(struct heap *heap, struct span *pool);
/* A bin has overflowed: lets it grow, or moves its older half to the pools, or of a large one a part. */
void heap_flush(struct heap *heap, unsigned class);
/* A block of another heap whose pool is not exclusive: into the bin, to be reused here, while there is room, of which
 * the sentinel has none.  So a thread that inherits the blocks of another works with them and does not make both heaps
 * grow. */
ARCA_INLINE bool bin_borrow(struct bin *bin, struct block *block)
{
    if (bin->room <= 0)
        return false;
    bin_push(bin, block);
    return true;
}
ARCA_INLINE struct parcel *heap_parcel(struct heap *heap, const struct heap *destination)
{
    return &heap->parcels[destination->index % PARCELS];
}
/* A block of another heap, not of objects: into a parcel that need not leave; else false.  The sentinel has none. */
ARCA_INLINE bool heap_send_along(struct heap *heap, struct heap *destination, struct block *block, uint32_t block_size)
{
    return parcel_try(heap_parcel(heap, destination), &destination->remote, block, block_size);
}
/* Keeps count of what was sent. */
void heap_sent(struct heap *heap, bool left, uint32_t block_size);
/* A block of another heap: into a parcel, which leaves when it is full.  True when one left. */
ARCA_INLINE bool heap_send(struct heap *heap, struct heap *destination, struct block *block, uint32_t block_size)
{
    bool left = parcel_add(heap_parcel(heap, destination), &destination->remote, block, block_size);
    if (unlikely(left | heap->objects))
        heap_sent(heap, left, block_size);
    return left;
}
/* heap_take_back() where the bin is full. */
void heap_take_back_slow(struct heap *heap, struct block *block);
/* A marked block of any heap, of malloc's, to its bin or to its heap. */
ARCA_INLINE void heap_take_back(struct heap *heap, uintptr_t class, struct block *block)
{
    if (likely(heap->bins[class].room > 0))
        bin_push(&heap->bins[class], block);
    else
        heap_take_back_slow(heap, block);
}
/* Others have freed blocks of its that it has not looked at. */
bool heap_has_remote(struct heap *heap);
/* Looks at them, while nobody wants the heap. */
void heap_take_remote(struct heap *heap);
/* Bins, parcels, spare spans and what is held behind a large block, but not what others returned. */
void heap_flush_bins(struct heap *heap);
/* All that can be given up: bins, parcels, what others returned.  False: its thread came back first. */
bool heap_flush_all(struct heap *heap);
/* A large block of a shared heap, so that it can be destroyed with it. */
void heap_add_large(struct heap *heap, struct span *span);
void heap_remove_large(struct heap *heap, struct span *span);

/* ---- anybody --------------------------------------------------------------------------------- */

/* One block home without a parcel. */
void heap_push_remote(struct heap *heap, struct block *block, uint32_t block_size);
/* All blocks of a pool of objects, by way of its first one.  pool->lost tells. */
void heap_push_remote_pool(struct heap *heap, struct span *pool);
/* A chain of blocks for objects, all of one size. */
void heap_push_remote_run(struct heap *heap, struct block *first, struct block *last, uint32_t count, uint32_t block_size);

/* ---- the sweeper ------------------------------------------------------------------------------ */

/* First half of parking a heap of a thread; true when heap_park_finish is owed after a barrier. */
bool heap_park_begin(struct heap *heap);
/* True when the heap is parked, orphaned or shared, and its lock is now held by the caller.  barrier: every
 * thread has executed one since heap_park_begin. */
bool heap_park_finish(struct heap *heap, bool barrier);

/* Cached blocks to their pools when the heap was idle since the last visit, at since_ms; then whole pages inside
 * pools that have been unused for hold_ms go back to the system.  The lock is held.  Stops early when the thread
 * is back.  Returns bytes given back by trimming. */
size_t heap_sweep_locked(struct heap *heap, uint32_t now_ms, uint32_t since_ms, uint32_t hold_ms);

/* Worth a visit: something may be cached or have come from others. */
bool heap_needs_sweep(struct heap *heap);

/* ---- checks, fork ----------------------------------------------------------------------------- */

/* Walks the pools of a heap whose holder calls. */
void heap_check(struct heap *heap);

/* In the child of a fork; the doors are the calling thread's.  alone: no other heap has a thread any more. */
void heap_fork_child(struct heap_door *const doors[], unsigned door_count, bool alone);

#endif
