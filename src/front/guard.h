/*
 * The debug hooks of the domains: a guarded block is
 *
 *     struct guard, its last bytes a fence | the bytes that the program asked for | a fence
 *
 * in a block of the domain's functions.  The last freed ones are kept back, filled, and looked at before they go.
 */
#ifndef ARCA_FRONT_GUARD_H
#define ARCA_FRONT_GUARD_H

#include "arca/domains.h"

/* frame: of the function that the program called. */
void *guard_malloc(enum arca_domain domain, const struct arca_functions *functions, size_t size, const void *frame);
void guard_free(enum arca_domain domain, const struct arca_functions *functions, void *block, const void *frame);
/* Aborts with a line when the block is not what a live block of the domain should be. */
void guard_check(enum arca_domain domain, const void *block, const char *function);
size_t guard_size(const void *block);

/* Once, before the first guarded block. */
void guard_start(void);

#endif
