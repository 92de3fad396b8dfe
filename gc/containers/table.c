/* The storage of a map. */
#include "gc/containers/table.h"

#include <arca/containers.h>

#include "base/bits.h"
#include "gc/containers/hash.h"
#include "gc/objects/count.h"

#include <errno.h>

/* The index has a power of two of words of 4 bytes, at most 5/8 of them used. */
#define INDEX_LEAST ((size_t)8)
#define INDEX_MOST ((size_t)1 << 30)
#define ENTRIES_OF(index) ((index) / 8 * 5)
#define WORDS_OF(index) ((index) / 2 + 3 * ENTRIES_OF(index))
_Static_assert(sizeof(struct map_entry) == 3 * sizeof(uint64_t), "as WORDS_OF has it");
_Static_assert(sizeof(struct map_table) % sizeof(uint64_t) == 0, "the words are aligned");

/* The inverse of WORDS_OF, which is between 2 and 4 times its argument. */
static size_t index_size(const struct map_table *table)
{
    return (size_t)1 << (bits_width(table->var.count) - 2);
}

static _Atomic uint32_t *index_of(struct map_table *table)
{
    return (_Atomic uint32_t *)(table + 1);
}

size_t table_room(const struct map_table *table)
{
    return table != NULL ? ENTRIES_OF(index_size(table)) : 0;
}

struct map_entry *table_entry(struct map_table *table, size_t number)
{
    return (struct map_entry *)((uint64_t *)(table + 1) + index_size(table) / 2) + number;
}

static void table_traverse(void *object, arca_visit *visit, void *context)
{
    struct map_entry *entry = table_entry(object, 0);
    for (size_t left = table_room(object); left > 0; left--, entry++) {
        visit(&entry->key, context);
        visit(&entry->value, context);
    }
}

static arca_type table_type = {
    .name = "arca_map storage",
    .size = sizeof(struct map_table),
    .item_size = sizeof(uint64_t),
    .traverse = table_traverse,
};

struct map_table *table_create(size_t need)
{
    size_t index = INDEX_LEAST;
    while (index <= INDEX_MOST && ENTRIES_OF(index) < need + need / 2)
        index *= 2;
    if (index <= INDEX_MOST)
        return arca_new_var(&table_type, WORDS_OF(index));
    errno = ENOMEM;
    return NULL;
}

/* ---- keys ------------------------------------------------------------------------------------------------ */

static enum key_kind key_kind_of(const void *object)
{
    return arca_is_str(object) ? KEY_STR : arca_is_int(object) ? KEY_INT : KEY_OBJECT;
}

struct map_key table_key(const void *object)
{
    enum key_kind kind = key_kind_of(object);
    uint64_t hash = kind == KEY_STR   ? arca_str_hash(object)
                    : kind == KEY_INT ? hash_word((uint64_t)arca_int_value(object))
                                      : hash_word((uintptr_t)object);
    return (struct map_key){ object, hash, kind };
}

/* For two keys of one kind and hash. */
static bool key_is(const struct map_entry *entry, const struct map_key *key)
{
    switch (key->kind) {
    case KEY_INT:
        return true; /* hash_word is one to one */
    case KEY_STR:
        return arca_str_equal(arca_slot_borrow(&entry->key), key->object);
    default:
        return arca_slot_borrow(&entry->key) == key->object; /* not if it was cleared */
    }
}

/* ---- entries ----------------------------------------------------------------------------------------------- */

struct map_entry *table_find(struct map_table *table, const struct map_key *key)
{
    if (table == NULL)
        return NULL;
    _Atomic uint32_t *index = index_of(table);
    struct map_entry *entries = table_entry(table, 0);
    size_t mask = index_size(table) - 1;
    for (size_t i = key->hash & mask;; i = (i + 1) & mask) {
        uint32_t word = load_acq(&index[i]); /* P:map entry acquire: with table_add */
        if (word == 0)
            return NULL;
        struct map_entry *entry = &entries[word >> 2];
        if ((word & 3) == key->kind && entry->hash == key->hash && key_is(entry, key))
            return entry;
    }
}

void table_add(struct map_table *table, const struct map_key *key, void *owned_key, void *owned_value)
{
    _Atomic uint32_t *index = index_of(table);
    size_t mask = index_size(table) - 1, i = key->hash & mask;
    uint32_t number = table->used++;
    struct map_entry *entry = table_entry(table, number);
    entry->hash = key->hash;
    arca_slot_put(&entry->key, owned_key);
    arca_slot_put(&entry->value, owned_value);
    while (load_rlx(&index[i]) != 0)
        i = (i + 1) & mask;
    store_rel(&index[i], number << 2 | key->kind); /* P:map entry release: hash, key and value are in place */
}

void table_copy(struct map_table *table, struct map_table *from, size_t used)
{
    for (size_t i = 0; i < used; i++) {
        struct map_entry *entry = table_entry(from, i);
        void *object = arca_slot_borrow(&entry->key), *value = arca_slot_borrow(&entry->value);
        if (value == NULL)
            continue;
        struct map_key key = { object, entry->hash, key_kind_of(object) };
        table_add(table, &key, unit_retain(object), unit_retain(value));
    }
}
