/* What the slow paths of threads and of explicit heaps share. */
#ifndef ARCA_FRONT_SUPPLY_H
#define ARCA_FRONT_SUPPLY_H

#include "heap/heap.h"

/* Bins, parcels and what others returned, of the calling thread's heap. */
void supply_give_up_own(void);

/* Gives up what the calling thread caches and purges all that is free, so that a mapping may succeed. */
void supply_reclaim(void);

/* By the holder of the heap; NULL without memory. */
struct block *supply_block(struct heap *heap, unsigned class);

/* The size to ask of a class whose every block is aligned to align; 0 when there is none. */
size_t supply_aligned_size(size_t align, size_t size);

#endif
