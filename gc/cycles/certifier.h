/*
 * Proves that a set of objects is garbage, without stopping anybody: steps 1 to 7 of the protocol (docs/collector.md).
 *
 *   member    an object of the set that has not been dropped
 *   word      its header word when the set was read first
 *   internal  references to it from slots of members
 *
 * Law of what is left at the end: every member's count is internal (+ 1 where the collector holds a unit itself), and
 * its word did not change between two readings with all scans and a grace period in between.
 *
 *   state       the set holds
 *   proposed    anything
 *   read        living objects, with their words          (read_words)
 *   scanned     and the edges between them                 (scan_slots)
 *   balanced    and count = internal                       (shrink)
 *   certified   and nobody has had, or can get, a unit     (certifier_run)
 */
#ifndef ARCA_GC_CERTIFIER_H
#define ARCA_GC_CERTIFIER_H

#include "gc/cycles/scope.h"

struct cell;

struct set {
    const struct scope *scope;
    struct scope_kind seen;
    size_t size, members; /* proposed; not dropped */
    char *tables;         /* these seven are one block: */
    uint32_t *ranks;      /* of each word of scope->found: members before it */
    uint64_t *lost;       /* like scope->found: the members that were certified last */
    void **objects;       /* in the scope's order; the indices below are into it */
    uint64_t *words;      /* of one that is being dropped: the one dropped before */
    uint32_t *internal;
    uint32_t *first_edge; /* size + 1 of them */
    bool *dropped;
    uint32_t *edges;      /* to whom; by whom they come from, in the order of its slots */
    size_t edge_count, edge_capacity;
    uint32_t last_dropped; /* whose edges have not been taken back; NO_INDEX: none */
    struct cell **cells;   /* cut off from members, with the objects' units; newest last */
    size_t cell_count, cell_capacity;
    size_t with_cell;  /* members that have one, when they were last seen unchanged */
    bool finalize_due; /* one of them has a finalize to run */
    uint32_t held;     /* units of each member that the collector has */
};

/* Over scope->found, which stays as it is; false without memory. */
bool set_open(struct set *set, const struct scope *scope);
void set_close(struct set *set);

/* Whether the object was certified; any block for objects is allowed. */
ARCA_INLINE bool set_has(const struct set *set, const void *object)
{
    uint32_t index = scope_index(set->scope, object);
    return index != NO_INDEX && (set->lost[index / 64] & index_bit(index)) != 0;
}

/* Drops all that can not be proved garbage; what is left is lost to everybody else, its weak cells are cut off.
 * held: units of each member that the collector has itself.  False without memory: nothing is proved. */
bool certifier_run(struct set *set, uint32_t held);

#endif
