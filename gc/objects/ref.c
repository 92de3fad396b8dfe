/* Birth, and what retain and release leave to a function. */
#include "base/log.h"
#include "front/objects.h"
#include "gc/objects/count.h"
#include "gc/objects/death.h"
#include "gc/objects/debug.h"
#include "gc/objects/epoch.h"
#include "gc/objects/keeper.h"
#include "gc/objects/reserve.h"
#include "gc/objects/type.h"

#include <errno.h>
#include <string.h>

ARCA_INLINE void clear_body(void *block, size_t size)
{
    char *at = (char *)block + sizeof(arca_object);
    if (unlikely(size > 256)) {
        memset(at, 0, size - sizeof(arca_object));
        return;
    }
    for (char *end = (char *)block + size; at < end; at += BLOCK_ALIGN) /* blocks are multiples of it */
        memset(__builtin_assume_aligned(at, BLOCK_ALIGN), 0, BLOCK_ALIGN);
}

/* A block whose body is cleared, kind unset and count 0. */
ARCA_INLINE void *object_block(arca_type *type, size_t size)
{
    if (unlikely(!type_prepare(type))) {
        errno = ENOMEM;
        return NULL;
    }
    keeper_poke(size);
    void *block = unlikely(type_heap(type) != NULL) ? object_alloc_own(type_heap(type), size) : object_alloc(size);
    if (likely(block != NULL) && likely(size <= SMALL_MAX)) /* others are clear: who makes them knows whether they were */
        clear_body(block, size);
    return block;
}

/* I4: whoever sees the count sees kind and slots. */
ARCA_INLINE void *object_birth(arca_type *type, void *block)
{
    uint64_t version = load_rlx(word_of(block)) & ~(uint64_t)WORD_LOW;
    store_rlx(kind_of(block), (uintptr_t)type);
    store_rel(word_of(block), version + WORD_VERSION + type_hot(type) + WORD_ONE); /* P:birth release: kind and slots, to word_try_retain */
    return block;
}

void *arca_new(arca_type *type)
{
    void *block = object_block(type, type->size);
    return likely(block != NULL) ? object_birth(type, block) : NULL;
}

void *arca_new_var(arca_type *type, size_t count)
{
    if (unlikely(type->item_size == 0))
        log_abort("arca_new_var(): type '%s' has no variable part", type->name);
    arca_var_object *object = object_block(type, type_size(type, count));
    if (unlikely(object == NULL))
        return NULL;
    object->count = count;
    return object_birth(type, object);
}

arca_type *arca_type_of(const void *object)
{
    debug_check_known("arca_type_of", object);
    return object != NULL ? type_of(object) : NULL;
}

size_t arca_refcount(const void *object)
{
    debug_check_known("arca_refcount", object);
    if (object == NULL)
        return 0;
    uint64_t word = load_rlx(word_of(object));
    return word & WORD_IMMORTAL ? SIZE_MAX : word_count(word) - (word & WORD_HOT ? reserve_units(object) : 0);
}

bool arca_is_finalized(const void *object)
{
    debug_check_known("arca_is_finalized", object);
    return object != NULL && (load_rlx(word_of(object)) & WORD_FINALIZED);
}

/* ---- the unusual counts ------------------------------------------------------------------------------- */

void arca_make_immortal(void *object)
{
    if (object == NULL)
        return;
    debug_check_known("arca_make_immortal", object);
    if (word_is_dead(load_rlx(word_of(object))))
        count_abort_dead("arca_make_immortal", object, "the object is dead");
    if (!(type_of(object)->flags & ARCA_TYPE_IMMORTAL))
        log_abort("arca_make_immortal(): %p: type '%s' has no immortal objects", object, type_of(object)->name);
    if (object_is_counted(object))
        count_make_immortal(object);
}

/* word: as it was before the subtraction. */
void arca_private_released(void *object, uint64_t word)
{
    if (likely((word & (WORD_IMMORTAL | WORD_COUNT)) == WORD_ONE))
        death_begin(object);
    else if (word & WORD_IMMORTAL)
        count_recentre(object);
    else if (word_count(word) == 0)
        count_abort_dead("arca_release", object, "the object is dead already (released too often)");
    else if ((word & WORD_HOT) && reserve_was_last(object, word))
        death_begin(object);
}

bool arca_private_reserve_give(void *object)
{
    bool dead, given = reserve_give(object, &dead);
    if (unlikely(dead))
        death_begin(object);
    return given;
}

int arca_thread_attach(void)
{
    void *block = epoch_attach() ? object_alloc(sizeof(arca_object)) : NULL;
    if (block == NULL) {
        errno = ENOMEM;
        return -1;
    }
    object_free(block);
    return 0;
}
