/* Slots: the orders and touches are those of the protocol; see header.h. */
#include "base/log.h"
#include "gc/objects/debug.h"
#include "gc/objects/epoch.h"
#include "gc/objects/header.h"
#include "gc/objects/reserve.h"

/* A slot that still holds a dead object after so many looks: no other thread is about to overwrite it. */
#define DEAD_LOOKS 10000000u

ARCA_COLD _Noreturn static void slot_is_dead(const arca_slot *slot, const void *object)
{
    log_abort("arca_slot_load(): %p: the slot holds the dead object %p (released too often)", (const void *)slot, object);
}

/* in_vain: a unit that a look has got of what was in the slot no longer, or NULL. */
ARCA_NOINLINE static void *load_closely(arca_slot *slot, void *in_vain)
{
    debug_check_slot("arca_slot_load", slot);
    arca_release(in_vain);
    for (unsigned looks = 0;;) {
        bool alive, there;
        epoch_enter_anyhow();
        void *object = object_look(slot_word(slot), true, &alive, &there);
        epoch_leave_anyhow();
        if (likely(alive && there) || object == NULL)
            return object;
        if (alive)
            arca_release(object);
        else if (there && ++looks == DEAD_LOOKS)
            slot_is_dead(slot, object);
    }
}

void *arca_slot_load(arca_slot *slot)
{
    bool alive, there;
    if (unlikely(debug_is_on()))
        return load_closely(slot, NULL);
    void *object = load_acq(slot_word(slot)); /* P:slot acquire: with every store into it */
    if (reserve_take(object))
        return object;
    if (unlikely(!epoch_is_attached()))
        return load_closely(slot, NULL);
    epoch_enter();
    object = object_look(slot_word(slot), false, &alive, &there);
    epoch_leave();
    if (likely(alive && there) || object == NULL)
        return object;
    return load_closely(slot, alive ? object : NULL);
}

ARCA_INLINE void store_as(const char *function, arca_slot *slot, void *object)
{
    debug_check_slot(function, slot);
    debug_check_object(function, object, NULL);
    arca_retain(object);
    unit_release(exchange_acqrel(slot_word(slot), object)); /* P:slot release: the object, to arca_slot_load */
}

ARCA_INLINE void *exchange_as(const char *function, arca_slot *slot, void *owned)
{
    debug_check_slot(function, slot);
    debug_check_object(function, owned, NULL);
    void *old = exchange_acqrel(slot_word(slot), owned); /* P:slot release: as in store_as */
    if (old != NULL)
        word_touch(old);
    return old;
}

ARCA_INLINE void put_as(const char *function, arca_slot *slot, void *owned)
{
    debug_check_slot(function, slot);
    debug_check_object(function, owned, NULL);
    if (unlikely(debug_is_on()) && load_rlx(slot_word(slot)) != NULL)
        log_abort("%s(): %p: the slot is not empty", function, (void *)slot);
    store_rel(slot_word(slot), owned); /* P:slot release: as in store_as */
}

void arca_slot_store(arca_slot *slot, void *object)
{
    store_as("arca_slot_store", slot, object);
}

void arca_slot_clear(arca_slot *slot)
{
    store_as("arca_slot_clear", slot, NULL);
}

void *arca_slot_take(arca_slot *slot)
{
    return exchange_as("arca_slot_take", slot, NULL);
}

void *arca_slot_exchange(arca_slot *slot, void *owned)
{
    return exchange_as("arca_slot_exchange", slot, owned);
}

void arca_slot_put(arca_slot *slot, void *owned)
{
    put_as("arca_slot_put", slot, owned);
}

void arca_slot_swap(arca_slot *a, arca_slot *b)
{
    void *first = exchange_as("arca_slot_swap", a, NULL), *second = exchange_as("arca_slot_swap", b, NULL);
    put_as("arca_slot_swap", a, second);
    put_as("arca_slot_swap", b, first);
}

void arca_edit_begin(void *object)
{
    debug_check_object("arca_edit_begin", object, NULL);
    epoch_enter_anyhow();
}

void arca_edit_end(void *object)
{
    debug_check_object("arca_edit_end", object, NULL);
    if (object != NULL)
        word_touch(object);
    epoch_leave_anyhow();
}
