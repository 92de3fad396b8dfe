/* Binding and upgrading. */
#include "gc/objects/weak.h"

#include "gc/objects/cell.h"
#include "gc/objects/count.h"
#include "gc/objects/debug.h"
#include "gc/objects/epoch.h"
#include "gc/objects/reserve.h"

_Atomic uint32_t weak_certifying;
struct lock weak_lock;

static void weak_destroy(void *object)
{
    struct arca_weak *weak = object;
    if (weak->cell == NULL)
        return;
    if (weak->callback != NULL)
        cell_remove_watcher(weak->cell, weak);
    arca_release(weak->cell);
}

static arca_type weak_type = {
    .name = "arca_weak", .size = sizeof(struct arca_weak), .destroy = weak_destroy, .flags = ARCA_TYPE_ACYCLIC
};

/* The object's cell, owned, made if it has none; NULL without memory. */
static struct cell *cell_of(void *object)
{
    uintptr_t kind = load_acq(kind_of(object)); /* P:weak cell acquire: with the exchange below */
    if (kind_is_cell(kind))
        return arca_retain(kind_cell(kind));
    struct cell *cell = arca_new(&cell_type);
    if (cell == NULL)
        return NULL;
    cell->type = (arca_type *)kind;
    store_rlx(&cell->target, object);
    /* P:weak cell release: its fields, to type_of and other binders */
    if (cas_acqrel(kind_of(object), &kind, (uintptr_t)cell | KIND_CELL))
        return arca_retain(cell);
    arca_release(cell);
    return arca_retain(kind_cell(kind));
}

arca_weak *arca_weak_bind(void *object, arca_weak_callback *callback, void *data)
{
    if (object == NULL)
        return NULL;
    debug_check_object("arca_weak_bind", object, NULL);
    if (unlikely(word_is_dead(load_rlx(word_of(object)))))
        count_abort_dead("arca_weak_bind", object, "the object is dead");
    struct arca_weak *weak = arca_new(&weak_type);
    if (weak == NULL)
        return NULL;
    weak->callback = callback;
    weak->data = data;
    weak->cell = cell_of(object);
    if (weak->cell == NULL) {
        arca_release(weak);
        return NULL;
    }
    if (callback != NULL)
        cell_add_watcher(weak->cell, weak);
    return weak;
}

/* in_vain: a unit that a look has got of an object that was lost meanwhile, or NULL. */
ARCA_NOINLINE static void *upgrade_closely(arca_weak *weak, void *in_vain)
{
    bool alive, there;
    debug_check_object("arca_weak_upgrade", weak, &weak_type);
    arca_release(in_vain);
    if (weak == NULL || load_rlx(&weak->severed))
        return NULL;
    epoch_enter_anyhow();
    bool certifying = load_acq(&weak_certifying); /* P:certifying acquire: with the certifier */
    if (certifying)
        lock_acquire(&weak_lock);
    void *object = object_look(&weak->cell->target, true, &alive, &there);
    if (certifying)
        lock_release(&weak_lock);
    epoch_leave_anyhow();
    if (alive && there)
        return object;
    if (alive)
        arca_release(object);
    return NULL;
}

void *arca_weak_upgrade(arca_weak *weak)
{
    bool alive = false, there = false;
    if (unlikely(debug_is_on()) || unlikely(weak == NULL) || unlikely(load_rlx(&weak->severed)))
        return upgrade_closely(weak, NULL);
    void *object = load_acq(&weak->cell->target); /* P:weak target acquire: with cell_sever */
    if (object == NULL || reserve_take(object))
        return object;
    if (unlikely(!epoch_is_attached()))
        return upgrade_closely(weak, NULL);
    epoch_enter();
    if (likely(!load_acq(&weak_certifying))) /* P:certifying acquire: with the certifier */
        object = object_look(&weak->cell->target, false, &alive, &there);
    epoch_leave();
    if (likely(alive && there))
        return object;
    return upgrade_closely(weak, alive ? object : NULL);
}

void arca_weak_sever(arca_weak *weak)
{
    debug_check_object("arca_weak_sever", weak, &weak_type);
    if (weak == NULL)
        return;
    store_rlx(&weak->severed, true);
    if (weak->callback != NULL)
        cell_remove_watcher(weak->cell, weak);
}
