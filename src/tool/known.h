/* What is known of processes from earlier looks: where their statistics page lies, and what their arenas held. */
#ifndef ARCA_TOOL_KNOWN_H
#define ARCA_TOOL_KNOWN_H

#include "tool/snapshot.h"

/* Who was not looked at for so long is forgotten. */
#define KNOWN_MS 120000

struct known {
    int pid;
    uint64_t looked_ms; /* 0: not worth to be known */
    uintptr_t address; /* of the page, which was this; 0: it must be found */
    struct stats_page page;
    uint64_t events; /* counted by then: fewer are another life's */
    struct ledger ledger;
};

struct acquaintances {
    struct known *items;
    size_t count, capacity;
};

/* An entry for a process, empty for a stranger; NULL without memory.  Good until the next call. */
struct known *known_of(struct acquaintances *all, int pid);
/* Nothing is kept of it. */
void known_leave(struct known *known);

/* As snapshot_find_page(). */
bool known_find_page(struct known *known, struct process *process, struct stats_page *page);
/* As snapshot_renew(), of the process whose page that is. */
bool known_take(struct known *known, struct process *process, const struct stats_page *page, struct snapshot *snapshot);

#endif
