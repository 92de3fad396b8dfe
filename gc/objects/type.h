/* Type descriptors: checked once, known by an index, and their slots. */
#ifndef ARCA_GC_TYPE_H
#define ARCA_GC_TYPE_H

#include "gc/objects/header.h"

struct heap;

/* Index 0 is nobody's. */
#define TYPES_MAX ((uint32_t)1 << (64 - KIND_INDEX_SHIFT))

bool type_prepare_slow(arca_type *type);

/* Plain: all that its objects own are the units of slots at its offsets, and nobody is told when they die. */
enum type_state { TYPE_NEW, TYPE_READY, TYPE_PLAIN };

ARCA_INLINE _Atomic uint32_t *type_state(arca_type *type)
{
    return (_Atomic uint32_t *)&type->arca_private.state;
}

/* Aborts with a line for a descriptor that is wrong; false without memory. */
ARCA_INLINE bool type_prepare(arca_type *type)
{
    return likely(load_acq(type_state(type)) != TYPE_NEW) || type_prepare_slow(type); /* P:type acquire: with register_locked */
}

/* Of one that has objects. */
ARCA_INLINE bool type_is_plain(arca_type *type)
{
    return load_rlx(type_state(type)) == TYPE_PLAIN;
}

/* By index; NULL where there is none (yet). */
arca_type *type_at(uint32_t index);
uint32_t type_count(void);

void type_fork_child(void);

/* NULL for a type that shares its blocks. */
ARCA_INLINE struct heap *type_heap(const arca_type *type)
{
    struct heap *const *heap = type->arca_private.heap;
    return unlikely(heap != NULL) ? *heap : NULL;
}

/* Bytes of an object with so many items; SIZE_MAX when that overflows. */
size_t type_size(const arca_type *type, size_t count);

/* It tells its slots itself. */
ARCA_INLINE bool type_traverses(const arca_type *type)
{
    return unlikely(type->traverse != NULL) && !(type->flags & ARCA_TYPE_ITEM_SLOTS);
}

/* Calls visit for each slot that an offset names; inlined, visit and all. */
ARCA_INLINE void type_visit_plain(const arca_type *type, void *object, arca_visit *visit, void *context)
{
    const uint32_t *slots = type->slots;
    for (size_t i = 0, count = type->slot_count; i < count; i++)
        visit((arca_slot *)((char *)object + slots[i]), context);
}

/* The same for each slot of an object of a type that does not tell them itself. */
ARCA_INLINE void type_visit_told(const arca_type *type, void *object, arca_visit *visit, void *context)
{
    type_visit_plain(type, object, visit, context);
    if (type->flags & ARCA_TYPE_ITEM_SLOTS) {
        arca_slot *items = (arca_slot *)((char *)object + type->size);
        for (size_t i = 0, count = ((arca_var_object *)object)->count; i < count; i++)
            visit(&items[i], context);
    }
}

/* The same of any type. */
ARCA_INLINE void type_visit(const arca_type *type, void *object, arca_visit *visit, void *context)
{
    type_visit_told(type, object, visit, context);
    if (type_traverses(type))
        type->traverse(object, visit, context);
}

/* As it stands in the words of its objects. */
ARCA_INLINE uint64_t type_hot(const arca_type *type)
{
    return (uint64_t)(type->flags & ARCA_TYPE_HOT) * (WORD_HOT / ARCA_TYPE_HOT);
}

/* Its objects can own references to others. */
ARCA_INLINE bool type_is_tracked(const arca_type *type)
{
    return !(type->flags & ARCA_TYPE_ACYCLIC) &&
           (type->slot_count != 0 || (type->flags & ARCA_TYPE_ITEM_SLOTS) || type->traverse != NULL);
}

#endif
