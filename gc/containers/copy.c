/* Copies, shallow and deep. */
#include "gc/containers/list.h"
#include "gc/containers/map.h"
#include "gc/objects/debug.h"

#include <errno.h>

static bool is_container(const void *object)
{
    return arca_is_list(object) || arca_is_map(object);
}

static void *container_like(void *object)
{
    return arca_is_list(object) ? (void *)arca_list_new() : (void *)arca_map_new();
}

/* A deep copy under way: the copy of each container that was met, and these in the order in which they were met. */
struct copying {
    arca_map *copies; /* keeps the originals, too, so that no address comes twice */
    arca_list *met;
};

/* What stands for the object in the copy: owned.  A container's copy is empty until its turn comes. */
static void *stand_in(const struct copying *copying, void *object)
{
    if (!is_container(object))
        return arca_retain(object);
    void *copy = arca_map_get(copying->copies, object);
    if (copy != NULL)
        return copy;
    copy = container_like(object);
    if (copy != NULL && arca_map_set(copying->copies, object, copy) == 0 && arca_list_append(copying->met, object) == 0)
        return copy;
    arca_release(copy);
    return NULL;
}

static bool fill_list(const struct copying *copying, arca_list *copy, arca_list *original)
{
    arca_list_iterator each = arca_list_iterate(original);
    bool good = true;
    for (void *item; good && (item = arca_list_next(&each)) != NULL;) {
        arca_auto void *own = stand_in(copying, item);
        good = own != NULL && arca_list_append(copy, own) == 0;
    }
    arca_list_iterate_end(&each);
    return good;
}

static bool fill_map(const struct copying *copying, arca_map *copy, arca_map *original)
{
    arca_map_iterator each = arca_map_iterate(original);
    bool good = true;
    while (good && arca_map_next(&each)) {
        arca_auto void *key = stand_in(copying, each.key);
        arca_auto void *value = stand_in(copying, each.value);
        good = key != NULL && value != NULL && arca_map_set(copy, key, value) == 0;
    }
    arca_map_iterate_end(&each);
    return good;
}

/* Fills the copies one after the other, while more of them are met. */
static bool fill_all(const struct copying *copying)
{
    bool good = true;
    void *original;
    for (size_t i = 0; good && (original = arca_list_get(copying->met, i)) != NULL; i++) {
        arca_auto void *copy = arca_map_get(copying->copies, original);
        good = arca_is_list(original) ? fill_list(copying, copy, original) : fill_map(copying, copy, original);
        arca_release(original);
    }
    return good;
}

/* Cycles among copies that nobody will get. */
static void empty_all(const struct copying *copying)
{
    arca_map_iterator each = arca_map_iterate(copying->copies);
    while (arca_map_next(&each)) {
        if (arca_is_list(each.value))
            arca_list_clear(each.value);
        else
            arca_map_clear(each.value);
    }
}

void *arca_copy(void *object)
{
    debug_check_object("arca_copy", object, NULL);
    return arca_is_list(object)  ? (void *)list_copy(object)
           : arca_is_map(object) ? (void *)map_copy(object)
                                 : arca_retain(object);
}

void *arca_deep_copy(void *object)
{
    debug_check_object("arca_deep_copy", object, NULL);
    if (!is_container(object))
        return arca_retain(object);
    const struct copying copying = { arca_map_new(), arca_list_new() };
    void *copy = NULL;
    if (copying.copies != NULL && copying.met != NULL)
        copy = stand_in(&copying, object);
    if (copy == NULL || !fill_all(&copying)) {
        empty_all(&copying);
        arca_release(copy);
        copy = NULL;
    }
    arca_release(copying.met);
    arca_release(copying.copies);
    if (copy == NULL)
        errno = ENOMEM;
    return copy;
}
