/*
 * Lists: a storage object in a slot, replaced when it is too small or too large.
 *
 * Law: slots[0 … length) of the storage are not NULL, all others are.  A change takes effect when length is written,
 * arca_list_set when the slot is.
 *
 * Changes hold the list's lock; they ask for memory before they take it and release what they took out after it.
 *
 *              | get                     | iterator             | a change
 *   append     | repeats with lock if    | behind its end       | lock
 *              | the length is not yet   |                      |
 *   set, pop   | free                    | copies the storage   | lock
 *   move       | get repeats with lock   | copies the storage   | lock
 *   replace    | free, in the old one    | holds the old one    | lock
 */
#include <arca/containers.h>

#include "base/lock.h"
#include "gc/containers/list.h"
#include "gc/objects/count.h"
#include "gc/objects/debug.h"

#include <errno.h>

struct list_items {
    arca_var_object var;
    _Atomic uint32_t edits; /* odd while items move */
    _Atomic uint32_t pins;  /* iterators; more only under the lock */
    arca_slot slots[];
};

struct arca_list {
    arca_object object;
    struct lock lock;
    _Atomic size_t length; /* written under the lock */
    arca_slot items;
};

static arca_type list_items_type = {
    .name = "arca_list storage",
    .size = sizeof(struct list_items),
    .item_size = sizeof(arca_slot),
    .flags = ARCA_TYPE_ITEM_SLOTS,
};

static const uint32_t list_slots[] = { offsetof(struct arca_list, items) };

static arca_type list_type = {
    .name = "arca_list",
    .size = sizeof(struct arca_list),
    .slots = list_slots,
    .slot_count = ARCA_ARRAY_LENGTH(list_slots),
};

/* ---- storage -------------------------------------------------------------------------------------------- */

#define EDIT_LONGEST 4096 /* slots moved in one edit: 2 to 6 µs */
#define ROOM_LEAST 16     /* slots that are not worth giving back */

static size_t items_room(const struct list_items *items)
{
    return items != NULL ? items->var.count : 0;
}

static struct list_items *items_create(size_t room)
{
    return arca_new_var(&list_items_type, room);
}

static bool items_is_wasteful(const struct list_items *items, size_t need)
{
    return items_room(items) > ROOM_LEAST && need < items_room(items) / 4;
}

static bool items_is_pinned(const struct list_items *items)
{
    return items != NULL && load_acq(&items->pins) != 0; /* P:list pin acquire: the iterator reads no more */
}

/* Readers that miss an item from here on find that out. */
static void items_edit_begin(struct list_items *items)
{
    store_rlx(&items->edits, load_rlx(&items->edits) + 1);
}

static void items_edit_end(struct list_items *items)
{
    store_rel(&items->edits, load_rlx(&items->edits) + 1); /* P:list edits release: all items are in place */
}

/* Items between an empty slot and another place move up by one, so that the empty slot is there.  In an edit their slots
 * may be written by plain code. */
static void items_move_hole(struct list_items *items, size_t hole, size_t to)
{
    while (hole != to) {
        size_t left = hole < to ? to - hole : hole - to;
        arca_edit_begin(items);
        for (size_t n = left < EDIT_LONGEST ? left : EDIT_LONGEST; n > 0; n--) {
            size_t next = hole < to ? hole + 1 : hole - 1;
            /* P:list move release: whoever loads the item sees that edits has changed */
            store_rel(slot_word(&items->slots[hole]), load_rlx(slot_word(&items->slots[next])));
            hole = next;
        }
        store_rel(slot_word(&items->slots[hole]), NULL);
        arca_edit_end(items);
    }
}

/* Fills a new storage.  The old one, which readers may look at, keeps its items until it dies. */
static void items_copy(struct list_items *fresh, struct list_items *old, size_t length)
{
    for (size_t i = 0; i < length; i++)
        arca_slot_put(&fresh->slots[i], unit_retain(arca_slot_borrow(&old->slots[i])));
}

/* ---- changes ---------------------------------------------------------------------------------------------- */

struct list_change {
    struct list_items *items;
    struct list_items *idle; /* a storage to be released, owned */
    size_t index, length;    /* length before the change */
};

/* Locks the list for a change at *index (NULL: at the last, as it will be) that adds 1 item or 0; its storage has
 * room, and no iterator looks at items from index on.  False with ERANGE or ENOMEM, then not locked. */
static bool list_begin(arca_list *list, const size_t *index, size_t adds, struct list_change *change)
{
    struct list_items *fresh = NULL;
    int saved = errno; /* it may go on without the memory that it asks for */
    for (unsigned attempt = 0;; attempt++) {
        lock_acquire(&list->lock);
        struct list_items *items = arca_slot_borrow(&list->items);
        size_t length = load_rlx(&list->length), need = length + adds, at = index != NULL ? *index : need - 1;
        bool usable = items_room(items) >= need && !(at < length && items_is_pinned(items));
        bool wanted = !usable || items_is_wasteful(items, need);
        *change = (struct list_change){ items, fresh, at, length };
        if (at >= need) {
            errno = ERANGE;
            break;
        }
        if (wanted && items_room(fresh) >= need) {
            items_copy(fresh, items, length);
            change->items = fresh;
            change->idle = arca_slot_exchange(&list->items, fresh);
            return true;
        }
        if (usable && (!wanted || attempt > 0))
            return true;
        if (attempt > 0 && fresh == NULL) {
            errno = ENOMEM;
            break;
        }
        lock_release(&list->lock);
        arca_release(fresh);
        fresh = items_create(2 * need + 2);
        errno = saved;
    }
    lock_release(&list->lock);
    arca_release(fresh);
    return false;
}

static void list_end(arca_list *list, struct list_change *change)
{
    lock_release(&list->lock);
    arca_release(change->idle);
}

/* From here on arca_list_get sees an item more, or less. */
static void list_set_length(arca_list *list, size_t length)
{
    store_rel(&list->length, length); /* P:list length release: an appended item is in place */
}

static int list_add(arca_list *list, const size_t *index, void *item)
{
    struct list_change change;
    if (list == NULL || item == NULL) {
        errno = EINVAL;
        return -1;
    }
    arca_retain(item); /* before the lock: a hot one may want memory */
    if (!list_begin(list, index, 1, &change)) {
        arca_release(item);
        return -1;
    }
    struct list_items *items = change.items;
    bool moves = change.index < change.length;
    if (moves) {
        items_edit_begin(items);
        items_move_hole(items, change.length, change.index);
    }
    arca_slot_put(&items->slots[change.index], item);
    list_set_length(list, change.length + 1);
    if (moves)
        items_edit_end(items);
    list_end(list, &change);
    return 0;
}

static void *list_take(arca_list *list, const size_t *index)
{
    struct list_change change;
    if (list == NULL) {
        errno = EINVAL;
        return NULL;
    }
    if (!list_begin(list, index, 0, &change))
        return NULL;
    struct list_items *items = change.items;
    size_t last = change.length - 1;
    bool moves = change.index < last;
    if (moves)
        items_edit_begin(items);
    list_set_length(list, last);
    void *item = arca_slot_take(&items->slots[change.index]);
    if (moves) {
        items_move_hole(items, change.index, last);
        items_edit_end(items);
    }
    list_end(list, &change);
    return item;
}

int arca_list_append(arca_list *list, void *item)
{
    debug_check_object("arca_list_append", list, &list_type);
    debug_check_object("arca_list_append", item, NULL);
    return list_add(list, NULL, item);
}

int arca_list_insert(arca_list *list, size_t index, void *item)
{
    debug_check_object("arca_list_insert", list, &list_type);
    debug_check_object("arca_list_insert", item, NULL);
    return list_add(list, &index, item);
}

void *arca_list_remove(arca_list *list, size_t index)
{
    debug_check_object("arca_list_remove", list, &list_type);
    return list_take(list, &index);
}

void *arca_list_pop(arca_list *list)
{
    debug_check_object("arca_list_pop", list, &list_type);
    return list_take(list, NULL);
}

int arca_list_set(arca_list *list, size_t index, void *item)
{
    debug_check_object("arca_list_set", list, &list_type);
    debug_check_object("arca_list_set", item, NULL);
    struct list_change change;
    if (list == NULL || item == NULL) {
        errno = EINVAL;
        return -1;
    }
    arca_retain(item);
    if (!list_begin(list, &index, 0, &change)) {
        arca_release(item);
        return -1;
    }
    void *old = arca_slot_exchange(&change.items->slots[index], item);
    list_end(list, &change);
    arca_release(old);
    return 0;
}

void arca_list_clear(arca_list *list)
{
    debug_check_object("arca_list_clear", list, &list_type);
    if (list == NULL)
        return;
    lock_acquire(&list->lock);
    list_set_length(list, 0);
    struct list_change change = { .idle = arca_slot_take(&list->items) };
    list_end(list, &change);
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

arca_list *arca_list_new(void)
{
    return arca_new(&list_type);
}

bool arca_is_list(const void *object)
{
    return object != NULL && arca_type_of(object) == &list_type;
}

size_t arca_list_length(const arca_list *list)
{
    debug_check_object("arca_list_length", list, &list_type);
    return list != NULL ? load_rlx(&list->length) : 0;
}

ARCA_NOINLINE static void *get_with_lock(arca_list *list, size_t index)
{
    lock_acquire(&list->lock);
    struct list_items *items = arca_slot_borrow(&list->items);
    void *item = index < load_rlx(&list->length) ? unit_retain(arca_slot_borrow(&items->slots[index])) : NULL;
    lock_release(&list->lock);
    return item;
}

void *arca_list_get(arca_list *list, size_t index)
{
    debug_check_object("arca_list_get", list, &list_type);
    if (list == NULL || index >= load_acq(&list->length)) /* P:list length acquire: with list_set_length */
        return NULL;
    struct list_items *items = arca_slot_load(&list->items);
    if (items == NULL)
        return NULL;
    uint32_t edits = load_acq(&items->edits); /* P:list edits acquire: with items_edit_end */
    void *item = index < items->var.count ? arca_slot_load(&items->slots[index]) : NULL;
    /* P:list move acquire: slot_load's; it comes after the item, and so do these. */
    bool moved = edits % 2 != 0 || load_rlx(&items->edits) != edits;
    /* An item may be there before the length says so: that of an append after a pop. */
    bool early = item != NULL && index >= load_rlx(&list->length);
    arca_release(items);
    if (likely(!moved && !early))
        return item;
    arca_release(item);
    return get_with_lock(list, index);
}

/* ---- iterators -------------------------------------------------------------------------------------------------- */

arca_list_iterator arca_list_iterate(arca_list *list)
{
    debug_check_object("arca_list_iterate", list, &list_type);
    arca_list_iterator iterator = { NULL, 0, 0 };
    if (list == NULL)
        return iterator;
    lock_acquire(&list->lock);
    struct list_items *items = arca_retain(arca_slot_borrow(&list->items));
    if (items != NULL)
        add_rlx(&items->pins, 1u);
    iterator = (arca_list_iterator){ items, 0, load_rlx(&list->length) };
    lock_release(&list->lock);
    return iterator;
}

void *arca_list_next(arca_list_iterator *iterator)
{
    if (iterator->arca_next < iterator->arca_end)
        return arca_slot_borrow(&((struct list_items *)iterator->arca_storage)->slots[iterator->arca_next++]);
    arca_list_iterate_end(iterator);
    return NULL;
}

void arca_list_iterate_end(arca_list_iterator *iterator)
{
    struct list_items *items = iterator->arca_storage;
    *iterator = (arca_list_iterator){ NULL, 0, 0 };
    if (items != NULL) {
        sub_rel(&items->pins, 1u); /* P:list pin release: with the change that overwrites items */
        arca_release(items);
    }
}

arca_list *list_copy(arca_list *list)
{
    arca_list *copy = arca_list_new();
    arca_list_iterator all = arca_list_iterate(list);
    if (copy != NULL && all.arca_end != 0) {
        struct list_items *items = items_create(all.arca_end);
        if (items != NULL) {
            items_copy(items, all.arca_storage, all.arca_end);
            store_rlx(&copy->length, all.arca_end);
            arca_slot_put(&copy->items, items);
        } else {
            arca_release(copy);
            copy = NULL;
        }
    }
    arca_list_iterate_end(&all);
    return copy;
}
