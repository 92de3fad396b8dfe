/*
 * Memory for Arca's own records: heaps and arena descriptions.
 *
 * Law: a record is never unmapped or given to another type, so that racing readers of an old pointer
 * see a record of the same kind.  Records are handed out zeroed and are not taken back here; their
 * types keep their own lists of spares.
 */
#ifndef ARCA_ARENAS_META_H
#define ARCA_ARENAS_META_H

#include "base/compiler.h"

/* Cache-line aligned (page-aligned from 64 KiB on), zeroed; NULL without memory.  Any thread. */
void *meta_create(size_t bytes);

/* Bytes of address space taken for records. */
size_t meta_mapped(void);

/* In the child of a fork: forgets a chunk that a vanished thread was cutting. */
void meta_fork_child(void);

#endif
