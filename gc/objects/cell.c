/* Cutting weak references off. */
#include "gc/objects/cell.h"

struct lock cells_lock;

struct cell *cell_sever(void *object, arca_type **type)
{
    uintptr_t kind = load_rlx(kind_of(object));
    if (!kind_is_cell(kind)) {
        *type = (arca_type *)kind;
        return NULL;
    }
    struct cell *cell = kind_cell(kind);
    *type = cell->type;
    store_rel(&cell->target, NULL); /* P:weak target release: the object is lost, to arca_weak_upgrade */
    store_rlx(kind_of(object), (uintptr_t)cell->type);
    return cell;
}

static void unlink_locked(struct cell *cell, struct arca_weak *weak)
{
    if (weak->prev != NULL)
        weak->prev->next = weak->next;
    else
        cell->watchers = weak->next;
    if (weak->next != NULL)
        weak->next->prev = weak->prev;
    weak->listed = false;
}

struct arca_weak *cell_next_watcher(struct cell *cell)
{
    struct arca_weak *weak;
    lock_acquire(&cells_lock);
    while ((weak = cell->watchers) != NULL) {
        unlink_locked(cell, weak);
        /* One that is dying waits for the lock in its destroy, and so can still be read. */
        if (word_try_retain(weak))
            break;
    }
    lock_release(&cells_lock);
    return weak;
}

void cell_add_watcher(struct cell *cell, struct arca_weak *weak)
{
    lock_acquire(&cells_lock);
    weak->listed = true;
    weak->prev = NULL;
    weak->next = cell->watchers;
    if (cell->watchers != NULL)
        cell->watchers->prev = weak;
    cell->watchers = weak;
    lock_release(&cells_lock);
}

void cell_remove_watcher(struct cell *cell, struct arca_weak *weak)
{
    lock_acquire(&cells_lock);
    if (weak->listed)
        unlink_locked(cell, weak);
    lock_release(&cells_lock);
}

void cell_fork_child(void)
{
    lock_reset(&cells_lock);
}
