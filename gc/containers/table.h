/*
 * The storage of a map: entries in the order in which they were added, and an index of them by hash.
 *
 *   index    open addressing, linear; a word is the entry's number and the kind of its key, or 0
 *   entry    added once, with hash and key; from then on its key may only be cleared.  A value of NULL: absent
 *
 * Law: entries [0, used) are in the index, each key at most once; used ≤ room < words of the index.
 * Writers hold the map's lock, or have a table that nobody else has.  Readers own or borrow the table and look at any
 * time: a key that they find has that entry and no other while the table is in use.
 */
#ifndef ARCA_CONTAINERS_TABLE_H
#define ARCA_CONTAINERS_TABLE_H

#include <arca/object.h>

#include "base/atomic.h"
#include "base/compiler.h"

struct map_table {
    arca_var_object var;   /* words of 8 bytes: the index, then the entries */
    _Atomic uint32_t pins; /* iterators; more only under the lock */
    uint32_t used;         /* the writers' */
};

struct map_entry {
    uint64_t hash;
    arca_slot key, value;
};

/* How keys are compared. */
enum key_kind { KEY_INT = 1, KEY_STR, KEY_OBJECT };

struct map_key {
    const void *object;
    uint64_t hash;
    enum key_kind kind;
};

struct map_key table_key(const void *object);

/* With room for that many entries and about half as many again.  Owned; NULL with ENOMEM. */
struct map_table *table_create(size_t need);

/* Entries; NULL has none. */
size_t table_room(const struct map_table *table);
struct map_entry *table_entry(struct map_table *table, size_t number);

/* NULL if there is none; of no table, too. */
struct map_entry *table_find(struct map_table *table, const struct map_key *key);

/* Takes both units over.  There is room, and no entry of the key. */
void table_add(struct map_table *table, const struct map_key *key, void *owned_key, void *owned_value);

/* Adds those of the first `used` entries of another table that have a value, which nobody takes out meanwhile. */
void table_copy(struct map_table *table, struct map_table *from, size_t used);

#endif
