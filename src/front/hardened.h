/*
 * Blocks of a process that wants misuse to be noticed: the options hardened, guard, quarantine, zero, junk.
 *
 * The fast paths are closed: malloc_fast_max is 0, and no address is the start of a block to free_fast() in a
 * hardened span.  Explicit heaps and objects go their usual ways.
 */
#ifndef ARCA_FRONT_HARDENED_H
#define ARCA_FRONT_HARDENED_H

#include "arenas/span.h"
#include "heap/harden.h"
#include "heap/size_class.h"

void *hardened_malloc(size_t size);
/* Frees a block of a hardened pool; what may be anything else, or misuse, is passed on. */
void hardened_free(void *address, void (*otherwise)(void *address));

/* Aligned to align, a power of two; NULL with ENOMEM. */
void *hardened_alloc(size_t align, size_t size);
/* A hardened large block; the door is left. */
void hardened_free_large(struct span *span);

/* The size that was asked for; aborts when the block was overrun. */
size_t hardened_size(const char *function, const struct span *span, const void *block);
/* The same, of a block of a hardened pool.  False: it may be anything else, or misuse. */
bool hardened_size_fast(const char *function, const void *block, size_t *size);

/* The block, with another size; NULL when it had better move. */
void *hardened_resize_large(struct span *span, size_t size);
/* The same of a block of a hardened pool, in its place.  False: it may be anything else, too, or misuse. */
bool hardened_resize_fast(void *block, size_t size);

/* For a block that grows again and again, GROWING_MIN to GROWING_MAX bytes now: it has room to be nearly twice as large. */
#define GROWING_MIN ((size_t)64)
#define GROWING_MAX (SMALL_MAX / 2)
void *hardened_alloc_growing(size_t size, size_t room);

#endif
