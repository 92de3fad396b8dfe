/*
 * The sampling heap profile: each byte that is asked for is the start of a sample with the same probability, one in
 * options.profile, so that large blocks are seen more often than small ones, and the whole is estimated without bias.
 *
 * Switched on by its option only: then malloc_fast_max is 0, and every request passes by profile_is_due().
 */
#ifndef ARCA_FRONT_PROFILE_H
#define ARCA_FRONT_PROFILE_H

#include "arca/arca.h"
#include "arenas/page_map.h"
#include "arenas/site.h"
#include "base/options.h"

/* Bytes to the thread's next sample; whatever it holds before the thread's first. */
extern ARCA_TLS int64_t profile_left;

/* Whether the request that has used them up is to be sampled: not when they had not been drawn yet. */
bool profile_draw(size_t bytes);

/* Counts a request; false when the bytes to the next sample are used up, and profile_draw() is to be asked. */
ARCA_INLINE bool profile_passes(size_t bytes)
{
    return (profile_left -= (int64_t)bytes) > 0;
}

/* Counts a request; true when it is to be sampled. */
ARCA_INLINE bool profile_is_due(size_t bytes)
{
    return unlikely(!profile_passes(bytes)) && profile_draw(bytes);
}

/* A large block, just allocated, that was due.  frame: of the function that the program called. */
void profile_take(void *block, size_t bytes, const void *frame);

/* A large block that has just been resized in place: counts as a new one. */
void profile_resize(struct span *span, size_t bytes, const void *frame);

/* Writes a table of sites in the form of gperftools; kind tells readers what the figures are.  0, or -1 with errno. */
int profile_write(const char *path, struct sites *sites, const char *kind, enum arca_profile_view view);

/* Writes what the option profile_file asks for. */
void profile_exit(void);

/* Once, after the options were read. */
void profile_start(void);

#endif
