/*
 * Blocks for objects: what libarcagc builds on.
 *
 * They come from pools of their own, in heaps of their own, one a thread and one a type that asks for it.  The first
 * word of a block is its header word: 0 when the block is carved, and then written by nobody but libarcagc, in
 * use or free.  It stays readable for a grace period after the block is freed, whatever happens to its pool.
 */
#ifndef ARCA_FRONT_OBJECTS_H
#define ARCA_FRONT_OBJECTS_H

#include "heap/heap.h"

/* All but the header word is undefined, but in a block that is no pool's (of more than SMALL_MAX), which reads as zeros;
 * 16-aligned.  NULL with ENOMEM. */
void *object_alloc(size_t size) ARCA_SHARED(object_alloc);

/* A block that object_alloc or object_alloc_own made.  The header word is as its next owner shall find it. */
void object_free(void *block) ARCA_SHARED(object_free);

/* Blocks that come in the order of their addresses: those of one pool go home in one piece, past the bins. */
struct object_batch {
    struct span *pool;
    struct block *first, *last;
    uint32_t count; /* starts as 0 */
};

void object_batch_free(struct object_batch *batch, void *const *blocks, size_t count) ARCA_SHARED(object_batch_free);
void object_batch_end(struct object_batch *batch) ARCA_SHARED(object_batch_end);

/* All blocks of a pool, each in use and reached by nobody: they are not written to, but the first one, and the pool goes as an
 * emptied one does.  Header words stay as they are, and are none any more. */
void object_free_pool(struct span *pool) ARCA_SHARED(object_free_pool);

/* Blocks of one type: their memory never goes to another while the type has any.  NULL without memory. */
struct heap *object_heap_create(void) ARCA_SHARED(object_heap_create);
void *object_alloc_own(struct heap *heap, size_t size) ARCA_SHARED(object_alloc_own);
/* In the child of a fork: the heap, or a new one where it is lost. */
struct heap *object_heap_after_fork(struct heap *heap) ARCA_SHARED(object_heap_after_fork);

/* The block for objects whose memory holds the address, or NULL; any value is allowed. */
void *object_find(uintptr_t address) ARCA_SHARED(object_find);
/* The span of objects that holds the address, or NULL. */
struct span *object_span(uintptr_t address) ARCA_SHARED(object_span);

/* Emptied spans of objects, linked by next, and their way to the arenas after a grace period. */
void object_return_retired(struct span *list) ARCA_SHARED(object_return_retired);

/* Calls visit for every span of objects, but the pools that object_free_pool() was given.  Blocks come and go meanwhile; no span
 * leaves while the caller is the one who calls object_return_retired(). */
void object_walk(void (*visit)(struct span *span, void *context), void *context) ARCA_SHARED(object_walk);

#endif
