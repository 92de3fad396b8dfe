/*
 * The part of Arca's interface that the server uses, over Boehm's collector: put before Arca's own headers, it makes
 * the same sources a program of that collector, for a comparison.
 *
 * References are plain pointers, retain and release do nothing, and weak references are disappearing links.  What the
 * server gets by calloc may hold references and so becomes a root, malloc is for bytes (see connection.c).
 */
#ifndef BOEHM_ARCA_OBJECT_H
#define BOEHM_ARCA_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define GC_THREADS /* pthread_create becomes the collector's */
#include <gc.h>

#define calloc(count, size) GC_MALLOC_UNCOLLECTABLE((count) * (size))
#define malloc(size) GC_MALLOC_ATOMIC_UNCOLLECTABLE(size)
#define realloc(block, size) GC_REALLOC(block, size)
#undef strdup
#define strdup(text) strcpy(GC_MALLOC_ATOMIC_UNCOLLECTABLE(strlen(text) + 1), text)
#define free(block) GC_FREE(block)

typedef struct arca_type arca_type;
typedef struct arca_weak arca_weak;

typedef struct arca_object {
    arca_type *type;
    arca_weak *watcher; /* the weak reference with a callback; the server has at most one */
} arca_object;

typedef struct arca_var_object {
    arca_object object;
    size_t count;
} arca_var_object;

typedef struct arca_slot {
    void *target;
} arca_slot;

enum arca_type_flags { ARCA_TYPE_ACYCLIC = 1, ARCA_TYPE_ITEM_SLOTS = 8 };

struct arca_type {
    const char *name;
    size_t size;
    const uint32_t *slots;
    size_t slot_count, item_size;
    void (*destroy)(void *object);
    unsigned flags;
};

typedef void arca_weak_callback(arca_weak *weak, void *data);

#define arca_auto

void *arca_new_var(arca_type *type, size_t count);
arca_weak *arca_weak_bind(void *object, arca_weak_callback *callback, void *data);
void *arca_weak_upgrade(arca_weak *weak);
void arca_weak_sever(arca_weak *weak);
int arca_thread_attach(void);

static inline void *arca_new(arca_type *type)
{
    return arca_new_var(type, 0);
}

static inline arca_type *arca_type_of(const void *object)
{
    return ((const arca_object *)object)->type;
}

static inline void *arca_retain(void *object)
{
    return object;
}

static inline void arca_release(void *object)
{
    (void)object;
}

static inline void *arca_slot_borrow(const arca_slot *slot)
{
    return __atomic_load_n(&slot->target, __ATOMIC_ACQUIRE);
}

static inline void *arca_slot_load(arca_slot *slot)
{
    return arca_slot_borrow(slot);
}

static inline void *arca_slot_exchange(arca_slot *slot, void *object)
{
    return __atomic_exchange_n(&slot->target, object, __ATOMIC_ACQ_REL);
}

static inline void *arca_slot_take(arca_slot *slot)
{
    return arca_slot_exchange(slot, NULL);
}

static inline void arca_slot_store(arca_slot *slot, void *object)
{
    __atomic_store_n(&slot->target, object, __ATOMIC_RELEASE);
}

static inline void arca_slot_put(arca_slot *slot, void *object)
{
    arca_slot_store(slot, object);
}

static inline void arca_slot_clear(arca_slot *slot)
{
    arca_slot_store(slot, NULL);
}

#endif
