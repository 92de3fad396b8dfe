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

void *hardened_malloc(size_t size);
/* True when it is a block of a hardened pool, and is freed now.  False: it may be anything else, or misuse. */
bool hardened_free_fast(void *block);

/* Aligned to align, a power of two; NULL with ENOMEM. */
void *hardened_alloc(size_t align, size_t size);
/* A hardened large block; the door is left. */
void hardened_free_large(struct span *span);

/* The size that was asked for; aborts when the block was overrun. */
size_t hardened_size(const char *function, const struct span *span, const void *block);
/* The same, of a block of a hardened pool.  False: it may be anything else, or misuse. */
bool hardened_size_fast(const char *function, const void *block, size_t *size);
/* True when the block is large enough for another size, and has it now. */
bool hardened_resize(struct span *span, void *block, size_t size);

#endif
