/* Which arenas a look goes through. */
#include "tool/ledger.h"

#include "base/os.h"
#include "tool/room.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A quarter of what a look a second may take: the rest is for all that is not an arena.  A minute's is kept, which is enough for
 * 8 GiB at once; the first look is free. */
#define SHARE 4000
#define CREDIT_MAX_US ((int64_t)60 * 1000000 / SHARE)

/* The sum may be wrong by so much: half of what is promised.  The kernel's own total is as wrong as the second. */
#define TOLERATED_PART 100
#define TOLERATED_BYTES ((uint64_t)4 << 20)

static uint64_t processor_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t resident_of(const struct usage *usage)
{
    return usage->live + usage->slack + usage->spare + usage->dirty + usage->meta;
}

void ledger_begin(struct ledger *ledger, uint64_t kernel_bytes)
{
    uint64_t now_ms = os_clock_ms(), since_ms = now_ms - ledger->now_ms;
    if (ledger->look != 0)
        ledger->credit_us += (int64_t)(since_ms * 1000 / SHARE);
    ledger->credit_us = ledger->credit_us < CREDIT_MAX_US ? ledger->credit_us : CREDIT_MAX_US;
    ledger->now_ms = now_ms;
    ledger->kernel_bytes = kernel_bytes;
    ledger->look++;
    ledger->hint = ledger->met = 0;
    ledger->used_since = 0;
    ledger->started_us = processor_us();
}

/* They are met in the order of the last look, but for new ones. */
static struct ledger_entry *find(struct ledger *ledger, const struct arena *record)
{
    for (size_t i = 0; i < ledger->count; i++) {
        size_t at = (ledger->hint + i) % ledger->count;
        if (ledger->entries[at].record == record) {
            ledger->hint = at + 1;
            return &ledger->entries[at];
        }
    }
    return NULL;
}

static struct ledger_entry *add(struct ledger *ledger, const struct arena *record)
{
    if (!make_room(&ledger->entries, ledger->count, &ledger->capacity, sizeof *ledger->entries))
        return NULL;
    struct ledger_entry *entry = &ledger->entries[ledger->count++];
    memset(entry, 0, sizeof *entry);
    entry->record = record;
    return entry;
}

static uint32_t distance(uint32_t a, uint32_t b)
{
    return a > b ? a - b : b - a;
}

static uint32_t used_of(const struct arena *arena)
{
    return arena->slices - arena->free_slices;
}

bool ledger_meet(struct ledger *ledger, const struct arena *record, const struct arena *head)
{
    struct ledger_entry *entry = find(ledger, record);
    bool is_new = entry == NULL;
    if (is_new && (entry = add(ledger, record)) == NULL)
        return false;
    if (entry->look == ledger->look)
        return false;
    entry->look = ledger->look;
    ledger->met++;
    entry->due = is_new || entry->base != head->base || entry->slices != head->slices;
    entry->used_now = used_of(head);
    ledger->used_since += (int64_t)entry->used_now - entry->used;
    entry->changed = distance(entry->used, entry->used_now) + distance(entry->dirty, head->dirty_slices);
    return true;
}

static uint64_t urgency(const struct ledger *ledger, const struct ledger_entry *entry)
{
    return entry->due ? UINT64_MAX : ((uint64_t)entry->changed + 1) * (ledger->now_ms - entry->seen_ms + 1);
}

static int more_urgent_first(const void *a, const void *b, void *ledger)
{
    uint64_t first = urgency(ledger, *(struct ledger_entry *const *)a), second = urgency(ledger, *(struct ledger_entry *const *)b);
    return first < second ? 1 : first > second ? -1 : 0;
}

bool ledger_sort(struct ledger *ledger)
{
    struct ledger_entry **order = ledger->met == ledger->count ? realloc(ledger->order, (ledger->count + 1) * sizeof *order) : NULL;
    if (order == NULL)
        return false;
    ledger->order = order;
    ledger->next = 0;
    ledger->resident = 0;
    for (size_t i = 0; i < ledger->count; i++) {
        order[i] = &ledger->entries[i];
        ledger->resident += resident_of(&order[i]->usage);
    }
    qsort_r(order, ledger->count, sizeof(struct ledger_entry *), more_urgent_first, ledger);
    return true;
}

static bool may_be_wrong(const struct ledger *ledger)
{
    int64_t tolerated = (int64_t)(ledger->kernel_bytes / TOLERATED_PART + TOLERATED_BYTES);
    int64_t resident = (int64_t)(ledger->kernel_bytes - ledger->resident) - ledger->others, used = tolerated >> SLICE_SHIFT;
    return resident > tolerated || resident < -tolerated || ledger->used_since > used || ledger->used_since < -used;
}

static void pay(struct ledger *ledger)
{
    uint64_t now_us = processor_us();
    ledger->credit_us -= (int64_t)(now_us - ledger->started_us);
    ledger->started_us = now_us;
}

struct ledger_entry *ledger_next(struct ledger *ledger)
{
    pay(ledger);
    if (ledger->next == ledger->count) {
        ledger->others = (int64_t)(ledger->kernel_bytes - ledger->resident); /* all was seen now */
        return NULL;
    }
    struct ledger_entry *next = ledger->order[ledger->next];
    if (!next->due && ledger->next != 0 && ledger->credit_us <= 0 && !may_be_wrong(ledger))
        return NULL; /* but for one, so that each has its turn */
    ledger->next++;
    return next;
}

void ledger_enter(struct ledger *ledger, struct ledger_entry *entry, const struct arena *arena, const struct usage *usage)
{
    ledger->resident += resident_of(usage) - resident_of(&entry->usage);
    ledger->used_since -= (int64_t)entry->used_now - entry->used;
    entry->usage = *usage;
    entry->seen_ms = ledger->now_ms;
    entry->base = arena->base;
    entry->slices = arena->slices;
    entry->used = entry->used_now = used_of(arena);
    entry->dirty = arena->dirty_slices;
}

uint64_t ledger_add_up(struct ledger *ledger, struct usage *usage)
{
    uint64_t oldest_ms = ledger->now_ms;
    for (size_t i = 0; i < ledger->count; i++) {
        const struct ledger_entry *entry = &ledger->entries[i];
        usage_add(usage, &entry->usage);
        if (entry->slices != 0 && entry->seen_ms < oldest_ms)
            oldest_ms = entry->seen_ms;
    }
    if (ledger->look == 1)
        ledger->credit_us = 0;
    return ledger->now_ms - oldest_ms;
}

void ledger_forget(struct ledger *ledger)
{
    free(ledger->entries);
    free(ledger->order);
    memset(ledger, 0, sizeof *ledger);
}
