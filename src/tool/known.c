/* Keeping it, and noticing that it is another program's: a process may become one, and its number another process'. */
#include "tool/known.h"

#include "tool/room.h"

#include <string.h>

static void forget(struct known *known)
{
    ledger_forget(&known->ledger);
    *known = (struct known){ .pid = known->pid, .looked_ms = known->looked_ms };
}

void known_leave(struct known *known)
{
    forget(known);
    known->looked_ms = 0;
}

static void forget_strangers(struct acquaintances *all, uint64_t now_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < all->count; i++) {
        if (all->items[i].looked_ms != 0 && now_ms - all->items[i].looked_ms < KNOWN_MS)
            all->items[kept++] = all->items[i];
        else
            forget(&all->items[i]);
    }
    all->count = kept;
}

struct known *known_of(struct acquaintances *all, int pid)
{
    uint64_t now_ms = os_clock_ms();
    for (size_t i = 0; i < all->count; i++) {
        if (all->items[i].pid == pid) {
            all->items[i].looked_ms = now_ms;
            return &all->items[i];
        }
    }
    forget_strangers(all, now_ms);
    if (!make_room(&all->items, all->count, &all->capacity, sizeof *all->items))
        return NULL;
    struct known *known = &all->items[all->count++];
    *known = (struct known){ .pid = pid, .looked_ms = now_ms };
    return known;
}

bool known_find_page(struct known *known, struct process *process, struct stats_page *page)
{
    if (known->address != 0 && process_read(process, (void *)known->address, page, sizeof *page) &&
        memcmp(page, &known->page, sizeof *page) == 0)
        return snapshot_knows_page(process, page);
    forget(known);
    *page = (struct stats_page){ .size = 0 };
    bool found = snapshot_find_page(process, page, &known->address);
    known->page = *page;
    return found;
}

static uint64_t events_of(const struct snapshot *snapshot)
{
    return snapshot->figures.stats.arenas_mapped + snapshot->figures.stats.threads_attached;
}

/* A page without arenas may be that of a second copy of the library: it is looked for again. */
bool known_take(struct known *known, struct process *process, const struct stats_page *page, struct snapshot *snapshot)
{
    bool done = snapshot_renew(process, page, &known->ledger, snapshot);
    if (done && events_of(snapshot) < known->events) {
        snapshot_free(snapshot);
        ledger_forget(&known->ledger);
        done = snapshot_renew(process, page, &known->ledger, snapshot);
    }
    known->events = events_of(snapshot);
    if (!done || known->ledger.count == 0)
        forget(known);
    return done;
}
