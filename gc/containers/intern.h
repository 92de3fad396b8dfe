/*
 * The table of interned strings: one node inside each of them, which does not keep its string alive.
 *
 * A node is in the table from intern_enter to intern_leave, which its string calls when it dies; its weak reference
 * tells which of its finders came too late.  Of nodes with equal bytes the newest comes first, and only that one may
 * be alive.
 */
#ifndef ARCA_CONTAINERS_INTERN_H
#define ARCA_CONTAINERS_INTERN_H

#include <arca/object.h>

struct intern_node {
    struct intern_node *next; /* the table's */
    arca_weak *weak;          /* a unit, from before intern_enter to after intern_leave */
    uint32_t hash, length;
    char bytes[];
};

struct intern_key {
    const char *bytes;
    uint32_t hash, length;
};

/* The weak reference, owned, of the newest node with these bytes; unless there is none, or it is `dead`: then the
 * node, which may be NULL, enters, and the answer is NULL. */
arca_weak *intern_enter(const struct intern_key *key, struct intern_node *node, const arca_weak *dead);

/* Nothing happens if the node never entered. */
void intern_leave(struct intern_node *node);

#endif
