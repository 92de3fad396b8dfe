/*
 * Memory for Arca's own records: heaps and arena descriptions.
 *
 * Law: a record is never unmapped or given to another type, so that racing readers of an old pointer
 * see a record of the same kind.  Records are handed out zeroed and are not taken back here; their
 * types keep their own lists of spares.
 */
#ifndef ARCA_ARENAS_META_H
#define ARCA_ARENAS_META_H

#include "base/atomic.h"
#include "base/compiler.h"

/* Cache-line aligned (page-aligned from 64 KiB on), zeroed; NULL without memory.  Any thread. */
void *meta_create(size_t bytes);

/* What small records are cut from.  A record of 64 KiB and more has a mapping of its own: those are the arenas', which
 * have a list. */
struct meta_chunk {
    struct meta_chunk *next;
    size_t bytes;
} ARCA_ALIGNED(ARCA_CACHE_LINE);

extern _Atomic(struct meta_chunk *) meta_chunks;

/* Bytes of address space taken for records. */
size_t meta_mapped(void);

/* In the child of a fork: forgets a chunk that a vanished thread was cutting. */
void meta_fork_child(void);

#endif
