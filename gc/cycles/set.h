/*
 * A set of objects that may be garbage, what is known of them while that is proved, and passes over them.
 *
 *   member    an object of the set that has not been dropped
 */
#ifndef ARCA_GC_SET_H
#define ARCA_GC_SET_H

#include "gc/cycles/carry.h"
#include "gc/cycles/scope.h"

struct cell;

struct set {
    struct scope *scope; /* whose units and notes are used once more: members are noted, with their words when they were read
                          * first; of one that is being dropped, the index of the one dropped before */
    struct part part;     /* of it, to which all else here is limited: a reference from elsewhere holds a member */
    size_t size, members; /* proposed; not dropped */
    uint64_t *lost;       /* of 64 indices each: the members */
    uint64_t *outward;    /* the same: they refer to what was not proposed */
    uint32_t *edges;      /* indices of those to whom; by whom they come from, in the order of its slots */
    size_t edge_capacity;
    struct carries carries;
    uint32_t last_dropped; /* whose edges have not been taken back; NO_INDEX: none */
    void **with_cell;      /* members that had one when they were last seen unchanged */
    struct cell **cells;   /* cut off from members, with the objects' units; newest last */
    size_t with_cell_count, cell_count, cell_capacity; /* of both together */
    bool finalize_due; /* one of them has a finalize to run */
    bool freeing;      /* what fork may catch half way (teardown.h) */
    bool by_pools;     /* pools that are garbage throughout are freed as such */
    bool read;         /* once at least */
    bool late;         /* two readings of a word were too far apart, or a version may have gone back */
    bool may_rest;     /* in this window */
    uint32_t open_ms;  /* since when it is open */
    uint32_t read_ms;  /* when the last readings of all words began */
    uint32_t looked;   /* at members, since the scan began */
    uint32_t held;     /* units of each member that the collector has */
};

/* References to members are looked at so many after they were read: their units are asked for. */
#define EDGES_AHEAD 32

/* Over what scope->found has in the part, which stays as it is; false without memory. */
bool set_open(struct set *set, struct scope *scope, const struct part *part);
void set_close(struct set *set);

/* scope->found forgets the members. */
void set_forget(const struct set *set);

/* A pass over objects of a set in the order of their addresses, those of 64 indices at a time.  Who comes next is asked for:
 * the processor's own foresight ends with the page. */
struct pass_place {
    size_t span;
    uint32_t index, first, end; /* the next 64; those of the span */
};

/* What it is at. */
struct group {
    uint32_t index, note; /* of the first of the 64; where their notes begin */
    uint64_t objects;     /* who of them, a bit each */
    uint64_t noted;       /* like these, perhaps more of them: whose notes are there */
    char *start;
    size_t block_size, ahead_bytes;
};

/* Groups whose objects are asked for before they are looked at. */
#define PASS_AHEAD 8

struct pass {
    struct group group;
    const struct scope *scope;
    const uint64_t *bits;           /* whose it is, as set->lost is */
    struct pass_place at, ahead;
    uint32_t part_first, to;
    uint32_t asked, passed;         /* groups */
    uint8_t counts[PASS_AHEAD];     /* of the objects of those that are asked for */
    uint32_t since;                 /* objects that it has passed since it was at a place to rest */
};

/* bits: like set->lost.  No place is given before the first pass_next. */
struct pass set_pass(const struct set *set, const uint64_t *bits);
bool pass_next(struct pass *pass);

/* The lowest of the bits. */
ARCA_INLINE void *group_object(const struct group *group, uint64_t bits)
{
    char *object = group->start + bits_lowest(bits) * group->block_size;
    __builtin_prefetch(object + group->ahead_bytes);
    return object;
}

/* So many objects are between two places to rest. */
ARCA_INLINE bool pass_may_rest(struct pass *pass, uint32_t every)
{
    if (likely(pass->since < every))
        return false;
    pass->since = 0;
    return true;
}

/* NO_INDEX is of no part. */
ARCA_INLINE bool set_covers(const struct set *set, uint32_t index)
{
    return index - set->part.first < set->part.end - set->part.first;
}

ARCA_INLINE uint64_t *set_lost(const struct set *set, uint32_t index)
{
    return &set->lost[(index - set->part.first) / 64];
}

ARCA_INLINE uint64_t *set_outward(const struct set *set, uint32_t index)
{
    return &set->outward[(index - set->part.first) / 64];
}

/* Whether the object was certified; any block for objects is allowed. */
ARCA_INLINE bool set_has(const struct set *set, const void *object)
{
    uint32_t index = scope_index(set->scope, object);
    return set_covers(set, index) && (*set_lost(set, index) & index_bit(index)) != 0;
}

#endif
