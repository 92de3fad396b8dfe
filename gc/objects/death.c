/* Dying. */
#include "gc/objects/death.h"

#include "base/log.h"
#include "front/objects.h"
#include "gc/objects/cell.h"
#include "gc/objects/count.h"
#include "gc/objects/debug.h"
#include "gc/objects/keeper.h"
#include "gc/objects/limbo.h"
#include "gc/objects/reserve.h"
#include "gc/objects/type.h"

/* Deaths of a thread into the limbo between two looks whether a collection needs help to come to its end: no more, or they
 * would be much to its eyes (DRAIN_FEW). */
#define HELP_EVERY 4096
/* So many come into it in one piece: it is a list of all threads. */
#define KEPT_AT_ONCE 64

static ARCA_TLS struct {
    void *pending; /* dead, waiting; the last one first */
    bool running;
    struct {
        void *first, *last;
        uint32_t count, since_help;
    } kept; /* on their way into the limbo, linked as they will be there */
} dying;

static void push_pending(void *object)
{
    uintptr_t kind = load_rlx(kind_of(object));
    if (kind_is_cell(kind)) {
        kind_cell(kind)->pending = dying.pending;
    } else {
        uintptr_t index = ((arca_type *)kind)->arca_private.index;
        store_rlx(kind_of(object), index << KIND_INDEX_SHIFT | (uintptr_t)dying.pending | KIND_PENDING);
    }
    dying.pending = object;
}

static void *pop_pending(void)
{
    void *object = dying.pending;
    uintptr_t kind = load_rlx(kind_of(object));
    if (kind_is_cell(kind)) {
        dying.pending = kind_cell(kind)->pending;
    } else {
        dying.pending = (void *)(kind & KIND_POINTER);
        store_rlx(kind_of(object), (uintptr_t)type_at((uint32_t)(kind >> KIND_INDEX_SHIFT)));
    }
    return object;
}

ARCA_COLD _Noreturn static void is_dead_already(const void *object)
{
    count_abort_dead("arca_release", object, "in a slot of a dying object and dead already (released too often)");
}

/* The unit of a slot of a dying object, or another that its death gives back.  True when it was the last one: the object's
 * turn to die has come. */
ARCA_INLINE bool drop_unit(void *object)
{
    if (!object_is_counted(object))
        return false;
    uint64_t word = sub_seq(word_of(object), WORD_ONE);
    if (likely((word & (WORD_IMMORTAL | WORD_COUNT)) == WORD_ONE))
        return true;
    if (unlikely(word_is_dead(word)))
        is_dead_already(object);
    return unlikely(word & WORD_HOT) && reserve_was_last(object, word);
}

static void drop_later(void *object)
{
    if (drop_unit(object))
        push_pending(object);
}

/* The last unit that was found is in hand until the dead object's block is free: what it is of comes from memory
 * meanwhile, and dies next without having been pending. */
ARCA_INLINE void clear_slot(arca_slot *slot, void *last)
{
    void **in_hand = last, *object = load_rlx(slot_word(slot));
    if (object == NULL)
        return;
    __builtin_prefetch(object, 1);
    store_rlx(slot_word(slot), NULL);
    if (*in_hand != NULL)
        drop_later(*in_hand);
    *in_hand = object;
}

ARCA_NOINLINE static void *clear_traversed(const arca_type *type, void *object)
{
    void *in_hand = NULL;
    type->traverse(object, clear_slot, &in_hand);
    return in_hand;
}

/* Returns the unit in hand, or NULL. */
ARCA_INLINE void *clear_slots(const arca_type *type, void *object)
{
    void *in_hand = NULL;
    type_visit_told(type, object, clear_slot, &in_hand);
    return type_traverses(type) ? clear_traversed(type, object) : in_hand;
}

static void call_back(struct cell *cell)
{
    struct arca_weak *weak;
    if (cell == NULL)
        return;
    while ((weak = cell_next_watcher(cell)) != NULL) {
        if (!load_rlx(&weak->severed))
            weak->callback(weak, weak->data);
        drop_later(weak);
    }
    drop_later(cell);
}

/* True when the object is dead again, with *late cut off: what was bound meanwhile. */
static bool finalize(void *object, arca_type *type, struct cell **late)
{
    uint64_t word = load_rlx(word_of(object));
    store_rel(word_of(object), (word & ~(uint64_t)WORD_LOW) + WORD_VERSION + WORD_FINALIZED + WORD_ONE);
    type->finalize(object);
    uint32_t units = word_count(sub_seq(word_of(object), WORD_ONE));
    if (unlikely(units == 0))
        log_abort("finalize(): %p: '%s' has released its object without retaining it", object, type->name);
    if (units != 1)
        return false;
    *late = cell_sever(object, &type);
    return true;
}

/* Those that were kept back, which must not be reused while the collector may look at them: it may be at its end. */
static void free_kept(void)
{
    void *first = dying.kept.first, *last = dying.kept.last;
    dying.kept.since_help += dying.kept.count;
    dying.kept.count = 0;
    if (limbo_is_active()) {
        limbo_push(first, last);
    } else {
        for (void *object = first, *next; object != NULL; object = next) {
            next = object != last ? limbo_next(object) : NULL;
            debug_free(object);
        }
    }
    if (dying.kept.since_help > HELP_EVERY - KEPT_AT_ONCE) {
        dying.kept.since_help = 0;
        keeper_help();
    }
}

ARCA_NOINLINE static void keep_readable(void *object)
{
    if (keeper_is_working()) {
        keeper_freed.blocks++;
        keeper_freed.bytes += (int64_t)span_block_bytes(object_span((uintptr_t)object));
    }
    if (dying.kept.count++ == 0)
        dying.kept.last = object;
    else
        limbo_link(object, dying.kept.first);
    dying.kept.first = object;
    if (dying.kept.count == KEPT_AT_ONCE)
        free_kept();
}

ARCA_INLINE void free_block(void *object)
{
    if (unlikely(limbo_is_active()))
        keep_readable(object);
    else
        debug_free(object);
}

/* Of an object that weak references or a finalize know of.  NULL when it was resurrected. */
ARCA_NOINLINE static arca_type *lose(void *object)
{
    arca_type *type;
    struct cell *cell = cell_sever(object, &type), *late = NULL;
    if (type->finalize != NULL && !(load_rlx(word_of(object)) & WORD_FINALIZED)) {
        if (!finalize(object, type, &late)) {
            call_back(cell); /* they are lost all the same (U9) */
            return NULL;
        }
    }
    call_back(late);
    call_back(cell);
    return type;
}

/* For one that may have been finalized: its block's word is that of a free one. */
static void forget_finalized(void *object)
{
    store_rlx(word_of(object), load_rlx(word_of(object)) & ~(uint64_t)WORD_LOW);
}

/* Of a type that is not plain, or with a weak cell.  Returns the unit in hand, or NULL. */
ARCA_NOINLINE static void *bury_told(void *object)
{
    arca_type *type = (arca_type *)load_rlx(kind_of(object));
    if (kind_is_cell((uintptr_t)type) || type->finalize != NULL) {
        type = lose(object);
        if (type == NULL)
            return NULL;
    }
    bool finalized = type->finalize != NULL;
    void *in_hand = clear_slots(type, object);
    if (type->destroy != NULL) {
        if (in_hand != NULL) /* user code shall find it given back */
            drop_later(in_hand);
        in_hand = NULL;
        type->destroy(object);
    }
    if (finalized)
        forget_finalized(object);
    free_block(object);
    return in_hand;
}

ARCA_INLINE void *bury(void *object)
{
    uintptr_t kind = load_rlx(kind_of(object));
    if (unlikely(kind_is_cell(kind)) || unlikely(!type_is_plain((arca_type *)kind)))
        return bury_told(object);
    void *in_hand = NULL;
    type_visit_plain((arca_type *)kind, object, clear_slot, &in_hand);
    free_block(object);
    return in_hand;
}

/* What is to die after the last one; NULL when nothing is left to be done. */
ARCA_NOINLINE static void *next_dead(void)
{
    if (dying.pending == NULL && dying.kept.count != 0)
        free_kept(); /* and helps the collector, which may release something */
    return dying.pending != NULL ? pop_pending() : NULL;
}

void death_begin(void *object)
{
    if (unlikely(dying.running)) {
        push_pending(object);
        return;
    }
    dying.running = true;
    do {
        void *in_hand = bury(object);
        if (in_hand != NULL && drop_unit(in_hand))
            object = in_hand;
        else if (likely(dying.pending == NULL) && likely(dying.kept.count == 0))
            break;
        else
            object = next_dead();
    } while (object != NULL);
    dying.running = false;
}
