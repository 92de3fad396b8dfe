/*
 * Where the memory of arenas comes from: the system, or a source that the program has set.
 *
 * Law: an arena goes back to the source that it came from; sources are never forgotten.
 */
#ifndef ARCA_ARENAS_SOURCE_H
#define ARCA_ARENAS_SOURCE_H

#include "arca/domains.h"

#include "base/atomic.h"
#include "base/os.h"

/* NULL: the system. */
extern _Atomic(const struct arca_arena_source *) arena_source;

/* source: what arena_source was. */
void *source_map(const struct arca_arena_source *source, size_t bytes, size_t align);
void source_unmap(const struct arca_arena_source *source, void *address, size_t bytes);

#endif
