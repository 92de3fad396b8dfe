/* Checks of debug=refs. */
#include "gc/objects/debug.h"

#include "base/lock.h"
#include "base/log.h"
#include "gc/objects/cell.h"
#include "gc/objects/count.h"
#include "gc/objects/epoch.h"
#include "gc/objects/type.h"

#define LATE_OBJECTS 4096

static struct {
    struct lock lock;
    void *objects[LATE_OBJECTS];
    unsigned next;
} late;

/* Where only traverse knows them all are looked at, but not in an object that is larger than this. */
#define TRAVERSED_BYTES (16u << 10)

struct search {
    const arca_slot *slot;
    bool found;
};

static void see_slot(arca_slot *slot, void *context)
{
    struct search *search = context;
    search->found |= slot == search->slot;
}

static bool slot_is_traversed(const void *object, const arca_type *type, size_t offset)
{
    struct search search = { (const arca_slot *)((const char *)object + offset), false };
    size_t count = type->item_size != 0 ? ((const arca_var_object *)object)->count : 0;
    if (type_size(type, count) > TRAVERSED_BYTES)
        return true;
    type->traverse((void *)object, see_slot, &search);
    return search.found;
}

static bool slot_is_declared(const void *object, const arca_type *type, size_t offset)
{
    for (size_t i = 0; i < type->slot_count; i++) {
        if (type->slots[i] == offset)
            return true;
    }
    if ((type->flags & ARCA_TYPE_ITEM_SLOTS) && offset >= type->size)
        return (offset - type->size) % sizeof(arca_slot) == 0 &&
               (offset - type->size) / sizeof(arca_slot) < ((const arca_var_object *)object)->count;
    return type->traverse != NULL && slot_is_traversed(object, type, offset);
}

/* One in static storage is not found, but its address and its header tell. */
static bool object_is_static(const void *object)
{
    return !object_is_counted(object) && object_find((uintptr_t)object) == NULL && (load_rlx(word_of(object)) & WORD_IMMORTAL);
}

void debug_check_known_slow(const char *function, const void *object)
{
    if (object != NULL && !object_is_static(object) && object_find((uintptr_t)object) != object)
        log_abort("%s(): %p: not an object", function, object);
}

void debug_check_slot_slow(const char *function, const arca_slot *slot)
{
    const char *object = object_find((uintptr_t)slot);
    if (object == NULL)
        log_abort("%s(): %p: a slot outside an object", function, (const void *)slot);
    if (word_count(load_rlx(word_of(object))) == 0)
        count_abort_dead(function, object, "one of its slots is used, but the object is dead");
    const arca_type *type = type_of(object);
    if (!slot_is_declared(object, type, (size_t)((const char *)slot - object)))
        log_abort("%s(): %p: not a slot of the object %p, which is of type '%s'", function, (const void *)slot,
                  (const void *)object, type->name);
}

void debug_check_object_slow(const char *function, const void *object, const arca_type *type)
{
    if (object == NULL)
        return;
    debug_check_known_slow(function, object);
    if (word_is_dead(load_rlx(word_of(object))))
        count_abort_dead(function, object, "the object is dead");
    if (type != NULL && type_of(object) != type)
        log_abort("%s(): %p: of type '%s', not '%s'", function, object, type_of(object)->name, type->name);
}

/* A copy of an object's memory in memory of malloc looks like one until here. */
void debug_free_late(void *object)
{
    if (object_find((uintptr_t)object) != object)
        log_abort("arca_release(): %p: not an object", object);
    lock_acquire(&late.lock);
    void *oldest = late.objects[late.next];
    late.objects[late.next] = object;
    late.next = (late.next + 1) % LATE_OBJECTS;
    lock_release(&late.lock);
    if (oldest != NULL)
        object_free(oldest);
}

void debug_fork_child(void)
{
    lock_reset(&late.lock);
}

/* ---- what is left at exit -------------------------------------------------------------------------- */

static uint32_t left[TYPES_MAX]; /* by type; written by one thread, at exit */

/* The cell of an immortal object stays with it, also when no weak reference is left. */
static bool cell_stays(struct cell *cell)
{
    epoch_enter_anyhow(); /* the object may be dying in another thread */
    void *object = load_acq(&cell->target); /* P:weak target acquire: with cell_sever */
    bool immortal = object != NULL && (load_rlx(word_of(object)) & WORD_IMMORTAL);
    epoch_leave_anyhow();
    return immortal;
}

/* Other threads may still run: a kind that is no type is a link of a dying object, and must not be followed. */
static void count_object(void *block)
{
    uint64_t word = load_rlx(word_of(block));
    if (word_count(word) == 0 || (word & WORD_IMMORTAL))
        return;
    uintptr_t kind = load_acq(kind_of(block)); /* P:weak cell acquire: with cell_of */
    if (kind & KIND_PENDING)
        return;
    const arca_type *type = kind_is_cell(kind) ? kind_cell(kind)->type : (const arca_type *)kind;
    if (type == &cell_type && cell_stays(block))
        return;
    for (uint32_t i = 1; i < type_count(); i++) {
        if (type_at(i) == type) { /* more than once where libraries came and went */
            left[i]++;
            return;
        }
    }
}

static void left_in_span(struct span *span, void *unused)
{
    (void)unused;
    if (load_rlx(&span->kind) == SPAN_OBJECT) {
        count_object((void *)span->start);
        return;
    }
    uint64_t uncarved = pool_uncarved(span);
    for (uint32_t i = 0; i < span->capacity; i++) {
        if (pool_is_carved(uncarved, span, i))
            count_object(pool_block(span, i));
    }
}

__attribute__((destructor(101))) static void report_left(void)
{
    if (!debug_is_on())
        return;
    object_walk(left_in_span, NULL);
    for (uint32_t i = 1; i < type_count(); i++) {
        if (left[i] != 0)
            log_line("debug=refs: %u object%s of type '%s' %s left", left[i], left[i] == 1 ? "" : "s", type_at(i)->name,
                     left[i] == 1 ? "is" : "are");
    }
}
