/*
 * The sampling heap profile: each byte that is asked for is the start of a sample with the same probability, one in
 * options.profile, so that large blocks are seen more often than small ones, and the whole is estimated without bias.  Of a
 * thread that asks for so much that it is seen every few microseconds, fewer, which stand for several each.
 *
 * Switched on by its option only: then malloc_fast_max is 0, and the bytes to a thread's next sample are what it has credit
 * for: small requests pay on the fast path, and only the one that finds too little, and large ones, pass by here.
 */
#ifndef ARCA_FRONT_PROFILE_H
#define ARCA_FRONT_PROFILE_H

#include "arca/arca.h"
#include "arenas/page_map.h"
#include "arenas/sample.h"
#include "base/options.h"

/* Counts a request that has not paid, and renews the credit; true when it is to be sampled. */
bool profile_is_due(size_t bytes);
/* The same for large requests, which leave the credit as it is. */
extern ARCA_TLS uint64_t profile_beyond; /* the credit: bytes to the thread's next sample; 0 at first */
ARCA_INLINE bool profile_large_is_due(size_t bytes)
{
    if (unlikely(bytes > profile_beyond))
        return profile_is_due(bytes);
    profile_beyond -= bytes;
    return false;
}
/* Bytes to the thread's next sample. */
uint64_t profile_left(void);

/* A large block, just allocated, that was due.  frame: of the function that the program called. */
void profile_take(void *block, size_t bytes, const void *frame);
/* One that was not. */
extern ARCA_TLS uint32_t profile_thin; /* the mean gap is so many times the option; 0: once */
ARCA_INLINE void profile_pass(const void *block, size_t bytes)
{
    sample_pass(page_map_find((uintptr_t)block), bytes, profile_thin);
}
ARCA_INLINE void profile_large(void *block, size_t bytes, const void *frame)
{
    if (profile_large_is_due(bytes))
        profile_take(block, bytes, frame);
    else
        profile_pass(block, bytes);
}

/* A large block that has just been resized in place, from so many usable bytes.  What it has grown by counts as a
 * request, and a sample stays one: so a block is a sample as often as one that had its size at once.  One that has become
 * smaller counts as a new one. */
void profile_resize(struct span *span, size_t before, size_t bytes, const void *frame);

/* Writes a table of sites in the form of gperftools; kind tells readers what the figures are.  0, or -1 with errno. */
int profile_write(const char *path, struct sites *sites, const char *kind, enum arca_profile_view view);

/* Writes what the option profile_file asks for. */
void profile_exit(void);

/* Once, after the options were read. */
void profile_start(void);

#endif
