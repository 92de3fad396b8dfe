/* Cutting weak references off. */
#include "gc/objects/cell.h"

struct lock cells_lock;
struct cells_change cells_change;

arca_type cell_type = { .name = "arca_weak_cell", .size = sizeof(struct cell), .flags = ARCA_TYPE_ACYCLIC };

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

/* One store decides whether it is in the list, by `next` links: the rest follows from them. */
static void begin_change(struct cell *cell, struct arca_weak *weak)
{
    cells_change.weak = weak;
    fence_compiler(); /* the fork is the processor's half */
    cells_change.cell = cell;
    fence_compiler();
}

static void end_change(void)
{
    fence_compiler();
    cells_change.cell = NULL;
}

static void unlink_locked(struct cell *cell, struct arca_weak *weak)
{
    begin_change(cell, weak);
    if (weak->prev != NULL)
        weak->prev->next = weak->next;
    else
        cell->watchers = weak->next;
    if (weak->next != NULL)
        weak->next->prev = weak->prev;
    weak->listed = false;
    end_change();
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
    begin_change(cell, weak);
    if (cell->watchers != NULL)
        cell->watchers->prev = weak;
    cell->watchers = weak;
    end_change();
    lock_release(&cells_lock);
}

void cell_remove_watcher(struct cell *cell, struct arca_weak *weak)
{
    lock_acquire(&cells_lock);
    if (weak->listed)
        unlink_locked(cell, weak);
    lock_release(&cells_lock);
}

static void repair(struct cell *cell, struct arca_weak *changed)
{
    struct arca_weak *before = NULL;
    changed->listed = false;
    for (struct arca_weak *weak = cell->watchers; weak != NULL; before = weak, weak = weak->next) {
        weak->prev = before;
        weak->listed = true;
    }
}

void cell_fork_child(void)
{
    if (cells_change.cell != NULL)
        repair(cells_change.cell, cells_change.weak);
    cells_change.cell = NULL;
    lock_reset(&cells_lock);
}
