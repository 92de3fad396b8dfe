/*
 * Whether memory is short: near `limit`, near a limit of the process' control groups or of its address space, or while the kernel counts that
 * processes stand still for want of it.
 *
 * Law: looked at in background rounds, and when claims have used up half of what was left to the nearest limit (the
 * arenas' alarm), so that a process that does neither pays nothing, and none can run into a limit unseen.
 */
#ifndef ARCA_FRONT_PRESSURE_H
#define ARCA_FRONT_PRESSURE_H

#include "base/compiler.h"

/* True when nothing is to be held back; libarcagc is asked too.  incoming: bytes that are claimed and not used yet.  By
 * the holder of the rounds. */
bool pressure_look(size_t incoming);

/* The same, several times a second at the most. */
bool pressure_look_sometimes(void);

/* What the last look said: memory is short, or so many bytes more, with what may have come since, may make it so. */
bool pressure_is_on(void);
bool pressure_is_near(size_t incoming);

#endif
