#include "roster.h"

#include <errno.h>

static arca_type array_type = {
    .name = "array", .size = sizeof(struct array), .item_size = sizeof(arca_slot), .flags = ARCA_TYPE_ITEM_SLOTS
};

struct array *array_new(size_t count)
{
    return arca_new_var(&array_type, count);
}

void roster_init(struct roster *roster)
{
    pthread_mutex_init(&roster->lock, NULL);
}

void roster_fini(struct roster *roster)
{
    pthread_mutex_destroy(&roster->lock);
}

struct array *roster_snapshot(struct roster *roster)
{
    return arca_slot_load(&roster->array);
}

/* Borrows the items of `from` that stay, and `add`; returns how many there are, -1 if too many. */
static int select_items(const struct array *from, void *add, const void *remove, roster_wants *wants, void **items)
{
    int count = 0;
    for (size_t i = 0; from != NULL && i < from->head.count; i++) {
        void *item = arca_slot_borrow(&from->items[i]);
        if (item != add && item != remove && wants(item))
            items[count++] = item;
    }
    if (add == NULL)
        return count;
    if (count == ROSTER_MAX)
        return -1;
    items[count++] = add;
    return count;
}

/* The slots of an object that nobody else can see are filled with put. */
static struct array *array_of(void **items, int count)
{
    struct array *array = array_new((size_t)count);
    for (int i = 0; array != NULL && i < count; i++)
        arca_slot_put(&array->items[i], arca_retain(items[i]));
    return array;
}

/* Takes the unit of the new array; false if another change came first. */
static bool publish(struct roster *roster, const struct array *expected, struct array *array)
{
    pthread_mutex_lock(&roster->lock);
    bool first = arca_slot_borrow(&roster->array) == expected;
    if (first)
        array = arca_slot_exchange(&roster->array, array);
    pthread_mutex_unlock(&roster->lock);
    arca_release(array); /* outside the lock: what dies with it may be much */
    return first;
}

static int change(struct roster *roster, void *add, const void *remove, roster_wants *wants)
{
    for (;;) {
        arca_auto struct array *old = roster_snapshot(roster);
        void *items[ROSTER_MAX];
        int count = select_items(old, add, remove, wants, items);
        if (count < 0) {
            errno = ENOSPC;
            return -1;
        }
        struct array *array = count > 0 ? array_of(items, count) : NULL;
        if (array == NULL && count > 0)
            return -1;
        if (publish(roster, old, array))
            return 0;
    }
}

int roster_add(struct roster *roster, void *item, roster_wants *wants)
{
    return change(roster, item, NULL, wants);
}

int roster_remove(struct roster *roster, void *item, roster_wants *wants)
{
    return change(roster, NULL, item, wants);
}

void roster_clear(struct roster *roster)
{
    pthread_mutex_lock(&roster->lock);
    struct array *old = arca_slot_take(&roster->array);
    pthread_mutex_unlock(&roster->lock);
    arca_release(old);
}
