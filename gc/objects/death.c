/* Dying. */
#include "gc/objects/death.h"

#include "base/log.h"
#include "front/objects.h"
#include "gc/objects/cell.h"
#include "gc/objects/debug.h"
#include "gc/objects/keeper.h"
#include "gc/objects/limbo.h"
#include "gc/objects/type.h"

/* Deaths of a thread into the limbo between two looks whether a collection needs help to come to its end. */
#define HELP_EVERY 4096

static ARCA_TLS struct {
    void *pending; /* dead, waiting; the last one first */
    bool running;
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

/* The unit of a slot of a dying object, or another that its death gives back. */
static void drop_unit(void *object)
{
    if (!object_is_counted(object))
        return;
    uint64_t word = sub_seq(word_of(object), WORD_ONE);
    if (unlikely(word & WORD_IMMORTAL))
        return;
    if (unlikely(word_count(word) == 0))
        log_abort("release(): %p: in a slot of a dying object and dead already (released too often)", object);
    if (word_count(word) == 1)
        push_pending(object);
}

ARCA_INLINE void clear_slot(arca_slot *slot, void *unused)
{
    (void)unused;
    void *object = load_rlx(slot_word(slot));
    if (object != NULL) {
        store_rlx(slot_word(slot), NULL);
        drop_unit(object);
    }
}

static void call_back(struct cell *cell)
{
    struct arca_weak *weak;
    if (cell == NULL)
        return;
    while ((weak = cell_next_watcher(cell)) != NULL) {
        if (!load_rlx(&weak->severed))
            weak->callback(weak, weak->data);
        drop_unit(weak);
    }
    drop_unit(cell);
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

static void keep_readable(void *object)
{
    static ARCA_TLS uint32_t kept;
    if (keeper_is_working()) {
        keeper_freed.blocks++;
        keeper_freed.bytes += (int64_t)span_block_bytes(object_span((uintptr_t)object));
    }
    limbo_push(object);
    if (++kept % HELP_EVERY == 0)
        keeper_help();
}

static void free_block(void *object)
{
    uint64_t word = load_rlx(word_of(object));
    if (word & WORD_FINALIZED)
        store_rlx(word_of(object), word & ~(uint64_t)WORD_LOW);
    if (unlikely(limbo_is_active()))
        keep_readable(object);
    else
        debug_free(object);
}

static void bury(void *object)
{
    arca_type *type;
    struct cell *cell = cell_sever(object, &type), *late = NULL;
    if (unlikely(type->finalize != NULL) && !(load_rlx(word_of(object)) & WORD_FINALIZED)) {
        if (!finalize(object, type, &late)) {
            call_back(cell); /* they are lost all the same (U9) */
            return;
        }
    }
    call_back(late);
    call_back(cell);
    type_visit(type, object, clear_slot, NULL);
    if (type->destroy != NULL)
        type->destroy(object);
    free_block(object);
}

void death_begin(void *object)
{
    if (dying.running) {
        push_pending(object);
        return;
    }
    dying.running = true;
    bury(object);
    while (dying.pending != NULL)
        bury(pop_pending());
    dying.running = false;
}
