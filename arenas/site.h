/*
 * Blocks counted by the call stack that allocated them.
 *
 *   site   a call stack, once; never removed, so that its number stays good
 *   sites  a table of them, of bounded size
 *
 * Law: Σ live of the sites = live of the table, and the same for peak and total.
 *
 * The peak is that of the whole table, and each site's share of it is known: while the table stands at its peak every
 * site's share is what it has; before it changes for the first time after one, a site keeps a copy.
 */
#ifndef ARCA_ARENAS_SITE_H
#define ARCA_ARENAS_SITE_H

#include "base/lock.h"
#include "base/unwind.h"

#define SITES_PER_CHUNK 64
#define SITE_CHUNKS 512
#define SITES_MAX (SITES_PER_CHUNK * SITE_CHUNKS)
#define SITE_BUCKETS 8192
#define SITE_NONE 0u

struct tally {
    uint64_t blocks, bytes;
};

struct tallies {
    struct tally live, peak, total;
};

struct site {
    struct tallies tallies; /* peak: valid for peak_version */
    uint64_t peak_version;
    uint64_t hash;
    uint32_t next; /* in its bucket */
    uint32_t depth;
    uintptr_t stack[UNWIND_MAX]; /* innermost first; fixed from the start */
};

struct sites {
    struct lock lock;
    _Atomic uint32_t count; /* sites have the numbers 1 to count */
    bool at_peak;
    uint64_t peak_version; /* of the last peak that has been left */
    struct tallies tallies;
    _Atomic(struct site *) chunks[SITE_CHUNKS];
    uint32_t buckets[SITE_BUCKETS];
};

/* depth: not 0.  The number of the block's site; SITE_NONE when there is no room for another, and nothing was counted. */
uint32_t sites_add(struct sites *sites, const uintptr_t *stack, unsigned depth, size_t bytes);
/* The same for several that are as large together. */
uint32_t sites_add_several(struct sites *sites, const uintptr_t *stack, unsigned depth, uint64_t blocks, size_t bytes);
void sites_remove_several(struct sites *sites, uint32_t number, uint64_t blocks, size_t bytes);
/* A block that was counted there has grown. */
void sites_grow(struct sites *sites, uint32_t number, size_t bytes);
/* A block that was counted there is gone. */
void sites_remove(struct sites *sites, uint32_t number, size_t bytes);

/* Starts the peak anew from what lives. */
void sites_reset_peak(struct sites *sites);
/* As if nothing had ever been counted; sites keep their numbers. */
void sites_forget(struct sites *sites);

/* A site's stack may be read without a lock; its tallies come from sites_copy(). */
const struct site *sites_get(const struct sites *sites, uint32_t number);

/* The tallies of sites 1 to capacity, as of one moment, and of the table; how many. */
uint32_t sites_copy(struct sites *sites, struct tallies *out, uint32_t capacity, struct tallies *all);

void sites_fork_child(struct sites *sites);

#endif
