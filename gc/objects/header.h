/*
 * The header of an object: its word and its kind.
 *
 *   word  [63:32] version, 31 immortal (the count then means nothing, and is not 0), 30 finalised, 29 hot, [28:0] count
 *   kind  alive: the type, or KIND_CELL + the weak cell that knows the type
 *         dying and waiting for its turn: KIND_PENDING + the next one + [63:48] the index of its type (a cell holds
 *         the link itself); in limbo: the next one; free: the free list's link
 *
 * Laws.  I1: count >= slots that hold the object + units in hands and operations under way.  I3: every increment
 * bumps the version, and so does every move of a unit out of a slot, so that the word has no value twice.  Nobody but
 * the thread that allocates it writes the word of a block whose count is 0.
 *
 *   operation     retain, release, touch     try_retain          birth                death
 *   retain …      the word's own order       –                   the pointer's way    needs the last unit
 *   try_retain    compare-and-swap           compare-and-swap    P:birth              fails at count 0
 */
#ifndef ARCA_GC_HEADER_H
#define ARCA_GC_HEADER_H

#include "arca/object.h"
#include "base/atomic.h"
#include "base/compiler.h"

#define WORD_ONE ARCA_PRIVATE_ONE
#define WORD_VERSION ARCA_PRIVATE_VERSION
#define WORD_IMMORTAL ((uint64_t)1 << 31)
#define WORD_FINALIZED ((uint64_t)1 << 30)
#define WORD_HOT ((uint64_t)ARCA_PRIVATE_HOT) /* threads may have units in reserve (reserve.h) */
#define WORD_COUNT (WORD_HOT - 1)
#define WORD_LOW UINT32_MAX

#define KIND_CELL ((uintptr_t)1)
#define KIND_PENDING ((uintptr_t)2)
#define KIND_INDEX_SHIFT 48
#define KIND_POINTER ((((uintptr_t)1 << KIND_INDEX_SHIFT) - 1) & ~(uintptr_t)15)

_Static_assert(sizeof(arca_object) == 16, "the header is two words");
_Static_assert(offsetof(arca_object, arca_kind) == sizeof(void *), "the kind lies where a free block has its link");

/* What weak references to an object share; lives as long as the object or one of them. */
struct cell {
    arca_object object;
    _Atomic(void *) target; /* NULL once the object is lost */
    arca_type *type;        /* of the object whose kind points here */
    void *pending;          /* link, while the object waits for its turn to die */
    struct arca_weak *watchers;
};

ARCA_INLINE _Atomic uint64_t *word_of(const void *object)
{
    return (_Atomic uint64_t *)(uintptr_t)&((const arca_object *)object)->arca_word;
}

ARCA_INLINE _Atomic uintptr_t *kind_of(const void *object)
{
    return (_Atomic uintptr_t *)(uintptr_t)&((const arca_object *)object)->arca_kind;
}

ARCA_INLINE _Atomic(void *) *slot_word(arca_slot *slot)
{
    return (_Atomic(void *) *)&slot->arca_target;
}

ARCA_INLINE uint32_t word_count(uint64_t word)
{
    return (uint32_t)(word & WORD_COUNT);
}

ARCA_INLINE bool word_is_dead(uint64_t word)
{
    return (word & (WORD_IMMORTAL | WORD_COUNT)) == 0;
}

ARCA_INLINE bool kind_is_cell(uintptr_t kind)
{
    return kind & KIND_CELL;
}

ARCA_INLINE struct cell *kind_cell(uintptr_t kind)
{
    return (struct cell *)(kind & ~KIND_CELL);
}

/* Of a living object. */
ARCA_INLINE arca_type *type_of(const void *object)
{
    uintptr_t kind = load_acq(kind_of(object)); /* P:weak cell acquire: with cell_of, the cell's fields */
    return kind_is_cell(kind) ? kind_cell(kind)->type : (arca_type *)kind;
}

/* False for one in static storage: it is immortal, and nobody writes its word. */
ARCA_INLINE bool object_is_counted(const void *object)
{
    return likely(((uintptr_t)object & 8) == 0);
}

/* A unit of an object that the caller does not own but may read: false when it is dead. */
ARCA_INLINE bool word_try_retain(void *object)
{
    if (!object_is_counted(object))
        return true;
    uint64_t word = load_rlx(word_of(object));
    do {
        if (unlikely(word_count(word) == 0))
            return false;
        /* P:birth acquire: with object_birth and with every release of a unit before */
    } while (unlikely(!cas_weak_acqrel(word_of(object), &word, word + WORD_VERSION + WORD_ONE)));
    if (unlikely((uint32_t)word - 1 >= ARCA_PRIVATE_COUNT_LIMIT - 1))
        arca_private_retained(object, word);
    return true;
}

/* The same of an object whose count has nothing unusual about it, while nobody else changes that; else false, and a
 * closer look tells.  It calls nobody: a function that does no more saves no registers. */
ARCA_INLINE bool word_try_retain_plain(void *object)
{
    if (unlikely(!object_is_counted(object)))
        return false;
    uint64_t word = load_rlx(word_of(object));
    /* P:birth acquire: as word_try_retain */
    return likely((uint32_t)word - 1 < ARCA_PRIVATE_COUNT_LIMIT - 1) &&
           likely(cas_acqrel(word_of(object), &word, word + WORD_VERSION + WORD_ONE));
}

/* In a section: what is at a place that others write to, NULL or an object.  *alive: and a unit of it for the caller; for
 * certain where he looks closely.  *there: it still was there then.  Without that the unit is of anything, since blocks
 * are reused at once. */
ARCA_INLINE void *object_look(_Atomic(void *) *place, bool closely, bool *alive, bool *there)
{
    void *object = load_acq(place); /* P:slot acquire: with every store into it. P:weak target acquire: with cell_sever */
    *alive = object != NULL && (closely ? word_try_retain(object) : word_try_retain_plain(object));
    *there = load_acq(place) == object; /* the same two */
    return object;
}

/* Gives back a unit that comes out of a slot: never into a reserve, so that it shows in the word (I2). */
ARCA_INLINE void unit_release(void *object)
{
    if (object == NULL || !object_is_counted(object))
        return;
    uint64_t word = sub_seq(word_of(object), WORD_ONE);
    if (unlikely((uint32_t)word - 2 >= ARCA_PRIVATE_COUNT_LIMIT - 2))
        arca_private_released(object, word);
}

/* A unit has been moved out of a slot: visible before it can be used anywhere else. */
ARCA_INLINE void word_touch(void *object)
{
    if (object_is_counted(object))
        add_rel(word_of(object), WORD_VERSION); /* P:touch release: the slot that was emptied, to who reads the word */
}

#endif
