/* The table: chunks of sites, and a hash over their stacks. */
#include "arenas/site.h"

#include "arenas/meta.h"

#include <string.h>

static uint64_t hash_of(const uintptr_t *stack, unsigned depth)
{
    uint64_t hash = depth;
    for (unsigned i = 0; i < depth; i++)
        hash = (hash ^ stack[i]) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 32; /* the low bits of a product know the low bits of its factors only */
}

static struct site *site_at(const struct sites *sites, uint32_t number)
{
    /* P:site chunk acquire: with next_site_locked */
    return &load_acq(&sites->chunks[(number - 1) / SITES_PER_CHUNK])[(number - 1) % SITES_PER_CHUNK];
}

const struct site *sites_get(const struct sites *sites, uint32_t number)
{
    return site_at(sites, number);
}

static struct site *next_site_locked(struct sites *sites)
{
    uint32_t count = load_rlx(&sites->count);
    if (count == SITES_MAX)
        return NULL;
    if (count % SITES_PER_CHUNK == 0 && load_rlx(&sites->chunks[count / SITES_PER_CHUNK]) == NULL) {
        struct site *chunk = meta_create(SITES_PER_CHUNK * sizeof *chunk);
        if (chunk == NULL)
            return NULL;
        store_rel(&sites->chunks[count / SITES_PER_CHUNK], chunk); /* P:site chunk release: its zeros */
    }
    return site_at(sites, count + 1);
}

/* Entered last: a fork in the middle loses a number, no more. */
static uint32_t new_site_locked(struct sites *sites, const uintptr_t *stack, unsigned depth, uint64_t hash)
{
    struct site *site = next_site_locked(sites);
    if (site == NULL)
        return SITE_NONE;
    uint32_t *bucket = &sites->buckets[hash % SITE_BUCKETS];
    site->hash = hash;
    site->depth = depth;
    memcpy(site->stack, stack, depth * sizeof *stack);
    site->next = *bucket;
    uint32_t number = load_rlx(&sites->count) + 1;
    store_rel(&sites->count, number); /* P:site count release: the site's stack */
    *bucket = number;
    return number;
}

static uint32_t find_site_locked(struct sites *sites, const uintptr_t *stack, unsigned depth)
{
    uint64_t hash = hash_of(stack, depth);
    for (uint32_t number = sites->buckets[hash % SITE_BUCKETS]; number != SITE_NONE;) {
        const struct site *site = site_at(sites, number);
        if (site->hash == hash && site->depth == depth && memcmp(site->stack, stack, depth * sizeof *stack) == 0)
            return number;
        number = site->next;
    }
    return new_site_locked(sites, stack, depth, hash);
}

static void tally_change(struct tally *tally, int64_t blocks, int64_t bytes)
{
    tally->blocks += (uint64_t)blocks;
    tally->bytes += (uint64_t)bytes;
}

static void change_live_locked(struct sites *sites, struct site *site, int64_t blocks, int64_t bytes)
{
    uint64_t after = sites->tallies.live.bytes + (uint64_t)bytes;
    bool peak = after >= sites->tallies.peak.bytes;
    if (sites->at_peak && !peak) {
        sites->at_peak = false;
        sites->peak_version++;
    }
    if (!sites->at_peak && site->peak_version != sites->peak_version) {
        site->tallies.peak = site->tallies.live;
        site->peak_version = sites->peak_version;
    }
    tally_change(&site->tallies.live, blocks, bytes);
    tally_change(&sites->tallies.live, blocks, bytes);
    if (peak) {
        sites->tallies.peak = sites->tallies.live;
        sites->at_peak = true;
    }
}

uint32_t sites_add(struct sites *sites, const uintptr_t *stack, unsigned depth, size_t bytes)
{
    return sites_add_several(sites, stack, depth, 1, bytes);
}

uint32_t sites_add_several(struct sites *sites, const uintptr_t *stack, unsigned depth, uint64_t blocks, size_t bytes)
{
    lock_acquire(&sites->lock);
    uint32_t number = find_site_locked(sites, stack, depth);
    if (number != SITE_NONE) {
        struct site *site = site_at(sites, number);
        change_live_locked(sites, site, (int64_t)blocks, (int64_t)bytes);
        tally_change(&site->tallies.total, (int64_t)blocks, (int64_t)bytes);
        tally_change(&sites->tallies.total, (int64_t)blocks, (int64_t)bytes);
    }
    lock_release(&sites->lock);
    return number;
}

void sites_grow(struct sites *sites, uint32_t number, size_t bytes)
{
    lock_acquire(&sites->lock);
    struct site *site = site_at(sites, number);
    change_live_locked(sites, site, 0, (int64_t)bytes);
    tally_change(&site->tallies.total, 0, (int64_t)bytes);
    tally_change(&sites->tallies.total, 0, (int64_t)bytes);
    lock_release(&sites->lock);
}

void sites_remove(struct sites *sites, uint32_t number, size_t bytes)
{
    sites_remove_several(sites, number, 1, bytes);
}

void sites_remove_several(struct sites *sites, uint32_t number, uint64_t blocks, size_t bytes)
{
    lock_acquire(&sites->lock);
    change_live_locked(sites, site_at(sites, number), -(int64_t)blocks, -(int64_t)bytes);
    lock_release(&sites->lock);
}

void sites_reset_peak(struct sites *sites)
{
    lock_acquire(&sites->lock);
    sites->tallies.peak = sites->tallies.live;
    sites->at_peak = true;
    lock_release(&sites->lock);
}

void sites_forget(struct sites *sites)
{
    static const struct tallies none;
    lock_acquire(&sites->lock);
    for (uint32_t i = 1; i <= load_rlx(&sites->count); i++)
        site_at(sites, i)->tallies = none;
    sites->tallies = none;
    sites->at_peak = true;
    lock_release(&sites->lock);
}

uint32_t sites_copy(struct sites *sites, struct tallies *out, uint32_t capacity, struct tallies *all)
{
    lock_acquire(&sites->lock);
    uint32_t count = load_rlx(&sites->count);
    if (count > capacity)
        count = capacity;
    for (uint32_t i = 0; i < count; i++) {
        const struct site *site = site_at(sites, i + 1);
        out[i] = site->tallies;
        if (sites->at_peak || site->peak_version != sites->peak_version)
            out[i].peak = out[i].live;
    }
    *all = sites->tallies;
    lock_release(&sites->lock);
    return count;
}

void sites_fork_child(struct sites *sites)
{
    lock_reset(&sites->lock);
}
