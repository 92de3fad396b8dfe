/*
 * Containers and values that are objects: list, map, string, integer, box; copies of them.
 *
 * Threads: every function may be called by any thread at any time on any container, without a lock of the caller's.
 * Each call takes effect at one instant, but a deep copy.  Changing a container takes its own small lock, which is not
 * held while memory is allocated, an object dies or code of the program runs; so does the start of an iterator or of a
 * copy.  Other reading takes none, but arca_list_get where it meets a change that is half done.  After a fork the child
 * may use the containers that no other thread was changing at that moment.
 *
 * References: items, keys and values are borrowed when they go in (the container takes a unit of its own) and owned
 * by the caller when they come out, but for iterators, which lend them.  NULL is no item, key or value.
 *
 * Errors: no memory is NULL or -1 with ENOMEM; an argument that is NULL where an object is needed, and an index out of
 * range, is NULL, false or -1, with EINVAL and ERANGE where something was to be changed.  In all of them nothing has
 * changed, contents and counts; where nothing failed errno is as it was, but for what destroys of the program's do to it.
 * NULL as a container to be read is an empty one, and one that has nothing to be cleared; an iterator is never NULL, a
 * zeroed one has ended.
 */
#ifndef ARCA_CONTAINERS_H
#define ARCA_CONTAINERS_H

#include <arca/object.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- integers -------------------------------------------------------------------------------------------- */

/* An immutable int64_t. */
typedef struct arca_int arca_int;

/* Owned.  From -5 to 256 always the same immortal object, and no memory is needed. */
ARCA_API arca_int *arca_int_new(int64_t value) __attribute__((warn_unused_result));
/* 0 for NULL. */
ARCA_API int64_t arca_int_value(const arca_int *integer);
ARCA_API bool arca_is_int(const void *object);

/* ---- strings ------------------------------------------------------------------------------------------------ */

/* Immutable bytes, any bytes, and a 0 behind them.  The hash is kept once it was asked for. */
typedef struct arca_str arca_str;

/* A copy of the bytes.  Owned.  bytes may be NULL if length is 0. */
ARCA_API arca_str *arca_str_new(const char *bytes, size_t length) __attribute__((warn_unused_result));

/* The one interned string of these bytes.  Owned.  It lives as long as somebody holds it, and is made anew after that.
 * Longer bytes than ARCA_STR_INTERN_MAX give a string of their own.  Takes a lock that all threads share.  bytes may be
 * NULL if length is 0. */
#define ARCA_STR_INTERN_MAX 64
ARCA_API arca_str *arca_str_intern(const char *bytes, size_t length) __attribute__((warn_unused_result));

/* Borrowed, good while the string lives; "" for NULL. */
ARCA_API const char *arca_str_bytes(const arca_str *string);
ARCA_API size_t arca_str_length(const arca_str *string);
/* Differs from process to process; 0 for NULL only. */
ARCA_API uint32_t arca_str_hash(const arca_str *string);
/* NULL equals NULL only. */
ARCA_API bool arca_str_equal(const arca_str *a, const arca_str *b);
/* < 0, 0, > 0 by unsigned bytes, a prefix first; NULL as "". */
ARCA_API int arca_str_compare(const arca_str *a, const arca_str *b);
ARCA_API bool arca_is_str(const void *object);

/* ---- boxes --------------------------------------------------------------------------------------------------- */

/* A pointer of the program's.  When the box dies destroy (if not NULL) is called with it, as a type's destroy is. */
typedef struct arca_box arca_box;

/* Owned.  Without memory destroy is not called. */
ARCA_API arca_box *arca_box_new(void *data, void (*destroy)(void *data)) __attribute__((warn_unused_result));
/* NULL for NULL. */
ARCA_API void *arca_box_data(const arca_box *box);
ARCA_API bool arca_is_box(const void *object);

/* ---- lists ---------------------------------------------------------------------------------------------------- */

/* Items by index, from 0 to length - 1. */
typedef struct arca_list arca_list;

/* An empty list.  Owned. */
ARCA_API arca_list *arca_list_new(void) __attribute__((warn_unused_result));
ARCA_API size_t arca_list_length(const arca_list *list);
/* Owned; NULL behind the end.  for (i = 0; (item = arca_list_get(list, i)) != NULL; i++) sees the list change as it
 * goes: where items before i come or go it may see one twice or not at all. */
ARCA_API void *arca_list_get(arca_list *list, size_t index) __attribute__((warn_unused_result));
/* Replaces an item.  0 or -1. */
ARCA_API int arca_list_set(arca_list *list, size_t index, void *item);
/* 0 or -1.  Constant time, on average. */
ARCA_API int arca_list_append(arca_list *list, void *item);
/* Before the item at index; index = length appends.  0 or -1.  Moves what is behind, a pointer each, in time that grows
 * with it, and other changes wait: a millisecond or two in front of a million. */
ARCA_API int arca_list_insert(arca_list *list, size_t index, void *item);
/* The item, owned, or NULL with ERANGE.  Moves what is behind, as insert does: a list is no queue, but for a short one.  While
 * an iterator looks at the list, ENOMEM is possible. */
ARCA_API void *arca_list_remove(arca_list *list, size_t index) __attribute__((warn_unused_result));
/* The same with the last item; NULL with ERANGE when the list is empty. */
ARCA_API void *arca_list_pop(arca_list *list) __attribute__((warn_unused_result));
ARCA_API void arca_list_clear(arca_list *list);
ARCA_API bool arca_is_list(const void *object);

/* A snapshot: next gives the items that the list had when iterate was called, in their order, whatever anybody does
 * to the list meanwhile.  The list may even die.  It costs nothing, but the first change that overwrites what an
 * iterator looks at copies the list's storage, which is then the iterator's alone.
 *
 *   arca_list_iterator each = arca_list_iterate(list);
 *   for (void *item; (item = arca_list_next(&each)) != NULL;)
 *       …                              an early exit: arca_list_iterate_end(&each)
 *
 * One thread at a time uses an iterator; it is not copied. */
typedef struct arca_list_iterator {
    void *arca_storage;
    size_t arca_next, arca_end;
} arca_list_iterator;

ARCA_API arca_list_iterator arca_list_iterate(arca_list *list);
/* Borrowed, good until the iterator ends; NULL at the end, which ends the iterator. */
ARCA_API void *arca_list_next(arca_list_iterator *iterator);
/* Needed only before next has returned NULL, harmless otherwise. */
ARCA_API void arca_list_iterate_end(arca_list_iterator *iterator);

/* ---- maps ------------------------------------------------------------------------------------------------------ */

/* Keys are objects: strings are equal by content, integers by value, all others are equal to themselves only.
 * Values are objects.  Removed strings and integers may be kept as keys for a while, at most as many as there are
 * keys in use and 32 more; other keys are released at once. */
typedef struct arca_map arca_map;

/* An empty map.  Owned. */
ARCA_API arca_map *arca_map_new(void) __attribute__((warn_unused_result));
/* How many keys have a value; a change under way may count or not. */
ARCA_API size_t arca_map_length(const arca_map *map);
/* Owned; NULL if the key has no value. */
ARCA_API void *arca_map_get(arca_map *map, const void *key) __attribute__((warn_unused_result));
ARCA_API bool arca_map_contains(arca_map *map, const void *key);
/* 0 or -1.  Replaces the key's value, but not an equal key that is there already. */
ARCA_API int arca_map_set(arca_map *map, void *key, void *value);
/* The key's value, which is the given one if it had none: of threads that fill a map at once all get the same.  Owned. */
ARCA_API void *arca_map_set_default(arca_map *map, void *key, void *value) __attribute__((warn_unused_result));
/* The value, owned; NULL if the key has none, which leaves errno alone.  While an iterator looks at the map, ENOMEM is
 * possible. */
ARCA_API void *arca_map_remove(arca_map *map, const void *key) __attribute__((warn_unused_result));
ARCA_API void arca_map_clear(arca_map *map);
ARCA_API bool arca_is_map(const void *object);

/* A snapshot, as a list's iterator is.  The order is that in which keys were set first; one that was removed and set
 * again may have its old place.
 *
 *   arca_map_iterator each = arca_map_iterate(map);
 *   while (arca_map_next(&each))
 *       … each.key, each.value …       an early exit: arca_map_iterate_end(&each)
 */
typedef struct arca_map_iterator {
    void *key, *value; /* borrowed, good until the iterator ends */
    void *arca_storage;
    size_t arca_next, arca_end;
} arca_map_iterator;

ARCA_API arca_map_iterator arca_map_iterate(arca_map *map);
/* False at the end, which ends the iterator. */
ARCA_API bool arca_map_next(arca_map_iterator *iterator);
ARCA_API void arca_map_iterate_end(arca_map_iterator *iterator);

/* ---- copies ---------------------------------------------------------------------------------------------------- */

/* A new list or map with the same items, keys and values: a snapshot.  Any other object is not copied but retained.
 * Owned; NULL for NULL. */
ARCA_API void *arca_copy(void *object) __attribute__((warn_unused_result));

/* A copy of the object and of all lists and maps that it reaches through lists and maps, keys included.  What was
 * reached on two ways or in a cycle is copied once and is so again in the copy; all other objects are shared.  Each
 * list and map is copied as it is at one instant, not all of them at the same one.  Not recursive: any depth will do.
 * Owned; NULL for NULL. */
ARCA_API void *arca_deep_copy(void *object) __attribute__((warn_unused_result));

#ifdef __cplusplus
}
#endif

#endif
