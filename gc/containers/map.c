/*
 * Maps: a table in a slot, replaced when it is full, too large, or looked at by an iterator.
 *
 * Law: length is the number of entries of the table that have a value.
 *
 * Changes hold the map's lock; they ask for memory before they take it and release what they took out after it.
 * Readers own the table while they look at it, which after it was replaced stays as it was then.
 */
#include <arca/containers.h>

#include "base/lock.h"
#include "gc/containers/map.h"
#include "gc/containers/table.h"
#include "gc/objects/count.h"
#include "gc/objects/debug.h"

#include <errno.h>

#define DEAD_MOST 32 /* entries without a value, beyond as many as have one */

struct arca_map {
    arca_object object;
    struct lock lock;
    _Atomic uint32_t length; /* written under the lock; a table has fewer than 2^30 entries */
    arca_slot table;
};

_Static_assert(sizeof(struct arca_map) == 32, "as small as the integers beside it: survivors keep fewer pages");

static const uint32_t map_slots[] = { offsetof(struct arca_map, table) };

static arca_type map_type = {
    .name = "arca_map",
    .size = sizeof(struct arca_map),
    .slots = map_slots,
    .slot_count = ARCA_ARRAY_LENGTH(map_slots),
};

/* ---- changes ---------------------------------------------------------------------------------------------- */

struct map_change {
    struct map_table *table;
    struct map_table *idle;  /* a table to be released, owned */
    struct map_entry *entry; /* of the key, or NULL */
    size_t length;           /* before the change */
};

static bool table_is_pinned(struct map_table *table)
{
    return load_acq(&table->pins) != 0; /* P:map pin acquire: the iterator reads no more */
}

/* Locks the map for a change of the key's entry, which no iterator looks at, or for an entry more, for which there is
 * room.  False with ENOMEM, or if the change adds nothing and the key has no value; then not locked. */
static bool map_begin(arca_map *map, const struct map_key *key, bool adds, struct map_change *change)
{
    struct map_table *fresh = NULL;
    int saved = errno; /* it may go on without the memory that it asks for */
    for (unsigned attempt = 0;; attempt++) {
        lock_acquire(&map->lock);
        struct map_table *table = arca_slot_borrow(&map->table);
        struct map_entry *entry = table_find(table, key);
        size_t length = load_rlx(&map->length), need = length + adds;
        bool absent = entry == NULL || arca_slot_borrow(&entry->value) == NULL;
        bool usable = entry != NULL ? !table_is_pinned(table) : table != NULL && table->used < table_room(table);
        size_t dead = table != NULL ? table->used - length : 0;
        bool wanted = !usable || (!adds && dead + 1 > length - 1 + DEAD_MOST); /* without the key */
        *change = (struct map_change){ table, fresh, entry, length };
        if (absent && !adds)
            break;
        if (wanted && table_room(fresh) >= need) {
            table_copy(fresh, table, table != NULL ? table->used : 0);
            change->table = fresh;
            change->idle = arca_slot_exchange(&map->table, fresh);
            change->entry = table_find(fresh, key);
            return true;
        }
        if (usable && (!wanted || attempt > 0))
            return true;
        if (attempt > 0 && fresh == NULL) {
            errno = ENOMEM;
            break;
        }
        lock_release(&map->lock);
        arca_release(fresh);
        fresh = table_create(need);
        errno = saved;
    }
    lock_release(&map->lock);
    arca_release(fresh);
    return false;
}

static void map_end(arca_map *map, struct map_change *change, size_t length)
{
    store_rlx(&map->length, (uint32_t)length);
    lock_release(&map->lock);
    arca_release(change->idle);
}

int arca_map_set(arca_map *map, void *key, void *value)
{
    debug_check_object("arca_map_set", map, &map_type);
    debug_check_object("arca_map_set", key, NULL);
    debug_check_object("arca_map_set", value, NULL);
    struct map_change change;
    void *old = NULL;
    if (map == NULL || key == NULL || value == NULL) {
        errno = EINVAL;
        return -1;
    }
    const struct map_key searched = table_key(key);
    arca_retain(value); /* before the lock: a hot one may want memory */
    if (!map_begin(map, &searched, true, &change)) {
        arca_release(value);
        return -1;
    }
    if (change.entry != NULL)
        old = arca_slot_exchange(&change.entry->value, value);
    else
        table_add(change.table, &searched, unit_retain(key), value);
    map_end(map, &change, change.length + (old == NULL));
    arca_release(old);
    return 0;
}

void *arca_map_set_default(arca_map *map, void *key, void *value)
{
    debug_check_object("arca_map_set_default", map, &map_type);
    debug_check_object("arca_map_set_default", key, NULL);
    debug_check_object("arca_map_set_default", value, NULL);
    struct map_change change;
    if (map == NULL || key == NULL || value == NULL) {
        errno = EINVAL;
        return NULL;
    }
    void *present = arca_map_get(map, key);
    if (present != NULL)
        return present;
    const struct map_key searched = table_key(key);
    if (!map_begin(map, &searched, true, &change))
        return NULL;
    if (change.entry != NULL)
        present = unit_retain(arca_slot_borrow(&change.entry->value)); /* since then */
    if (present == NULL && change.entry != NULL)
        arca_slot_put(&change.entry->value, unit_retain(value));
    else if (present == NULL)
        table_add(change.table, &searched, unit_retain(key), unit_retain(value));
    map_end(map, &change, change.length + (present == NULL));
    return present != NULL ? present : arca_retain(value);
}

/* Strings and integers stay as keys: a reader may be comparing with them, and they hold on to nothing. */
void *arca_map_remove(arca_map *map, const void *key)
{
    debug_check_object("arca_map_remove", map, &map_type);
    debug_check_object("arca_map_remove", key, NULL);
    struct map_change change;
    if (map == NULL || key == NULL) {
        errno = EINVAL;
        return NULL;
    }
    const struct map_key searched = table_key(key);
    if (!map_begin(map, &searched, false, &change))
        return NULL;
    void *value = arca_slot_take(&change.entry->value);
    void *own_key = searched.kind == KEY_OBJECT ? arca_slot_take(&change.entry->key) : NULL;
    map_end(map, &change, change.length - 1);
    arca_release(own_key);
    return value;
}

void arca_map_clear(arca_map *map)
{
    debug_check_object("arca_map_clear", map, &map_type);
    if (map == NULL)
        return;
    lock_acquire(&map->lock);
    struct map_change change = { .idle = arca_slot_take(&map->table) };
    map_end(map, &change, 0);
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

arca_map *arca_map_new(void)
{
    return arca_new(&map_type);
}

bool arca_is_map(const void *object)
{
    return object != NULL && arca_type_of(object) == &map_type;
}

size_t arca_map_length(const arca_map *map)
{
    debug_check_object("arca_map_length", map, &map_type);
    return map != NULL ? load_rlx(&map->length) : 0;
}

void *arca_map_get(arca_map *map, const void *key)
{
    debug_check_object("arca_map_get", map, &map_type);
    debug_check_object("arca_map_get", key, NULL);
    struct map_table *table = map != NULL && key != NULL ? arca_slot_load(&map->table) : NULL;
    if (table == NULL)
        return NULL;
    const struct map_key searched = table_key(key);
    struct map_entry *entry = table_find(table, &searched);
    void *value = entry != NULL ? arca_slot_load(&entry->value) : NULL;
    arca_release(table);
    return value;
}

bool arca_map_contains(arca_map *map, const void *key)
{
    debug_check_object("arca_map_contains", map, &map_type);
    debug_check_object("arca_map_contains", key, NULL);
    struct map_table *table = map != NULL && key != NULL ? arca_slot_load(&map->table) : NULL;
    if (table == NULL)
        return false;
    const struct map_key searched = table_key(key);
    struct map_entry *entry = table_find(table, &searched);
    bool contained = entry != NULL && arca_slot_borrow(&entry->value) != NULL;
    arca_release(table);
    return contained;
}

/* ---- iterators -------------------------------------------------------------------------------------------------- */

arca_map_iterator arca_map_iterate(arca_map *map)
{
    debug_check_object("arca_map_iterate", map, &map_type);
    arca_map_iterator iterator = { NULL, NULL, NULL, 0, 0 };
    if (map == NULL)
        return iterator;
    lock_acquire(&map->lock);
    struct map_table *table = arca_retain(arca_slot_borrow(&map->table));
    if (table != NULL) {
        add_rlx(&table->pins, 1u);
        iterator.arca_storage = table;
        iterator.arca_end = table->used;
    }
    lock_release(&map->lock);
    return iterator;
}

bool arca_map_next(arca_map_iterator *iterator)
{
    while (iterator->arca_next < iterator->arca_end) {
        struct map_entry *entry = table_entry(iterator->arca_storage, iterator->arca_next++);
        iterator->key = arca_slot_borrow(&entry->key);
        iterator->value = arca_slot_borrow(&entry->value);
        if (iterator->value != NULL)
            return true;
    }
    arca_map_iterate_end(iterator);
    return false;
}

void arca_map_iterate_end(arca_map_iterator *iterator)
{
    struct map_table *table = iterator->arca_storage;
    *iterator = (arca_map_iterator){ NULL, NULL, NULL, 0, 0 };
    if (table != NULL) {
        sub_rel(&table->pins, 1u); /* P:map pin release: with the change that overwrites entries */
        arca_release(table);
    }
}

arca_map *map_copy(arca_map *map)
{
    arca_map *copy = arca_map_new();
    arca_map_iterator all = arca_map_iterate(map);
    if (copy != NULL && all.arca_end != 0) {
        struct map_table *table = table_create(all.arca_end);
        if (table != NULL) {
            table_copy(table, all.arca_storage, all.arca_end);
            store_rlx(&copy->length, table->used);
            arca_slot_put(&copy->table, table);
        } else {
            arca_release(copy);
            copy = NULL;
        }
    }
    arca_map_iterate_end(&all);
    return copy;
}
