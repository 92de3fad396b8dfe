/*
 * Giving free slices back to the system.
 *
 * Law: every purge is decided under the arena lock and done outside it; slices on their way out
 * belong to the purger (SPAN_PURGING), so that nobody can claim them half purged.
 */
#ifndef ARCA_ARENAS_PURGE_H
#define ARCA_ARENAS_PURGE_H

#include "base/compiler.h"

/* Purges slices that have been unused for hold_ms at now_ms, and unmaps arenas that are empty for
 * that long, but for one.  Returns the bytes given back.  Any thread, one at a time. */
size_t purge_free_slices(uint32_t now_ms, uint32_t hold_ms);

/* In the child of a fork: the purger may have been another thread. */
void purge_fork_child(void);

/* There are free slices to purge, other than those that the kernel refused to take. */
bool purge_has_work(void);

#endif
