/* Which arenas a look goes through. */
#include "front/ledger.h"

#include "base/bits.h"
#include "base/os.h"

#include <string.h>

#define ENTRIES_MIN 16u

/* The sum may be wrong by so much: half of what is promised.  The kernel's own total is as wrong as the second. */
#define TOLERATED_PART 100
#define TOLERATED_BYTES ((uint64_t)4 << 20)

void ledger_begin(struct ledger *ledger, const struct ledger_terms *terms, uint64_t kernel_bytes)
{
    uint64_t now_ms = os_clock_ms(), since_ms = now_ms - ledger->now_ms;
    if (ledger->look != 0)
        ledger->credit_us += (int64_t)(since_ms * 1000 / terms->share);
    ledger->credit_us = ledger->credit_us < terms->most_us ? ledger->credit_us : terms->most_us;
    ledger->terms = terms;
    ledger->now_ms = now_ms;
    ledger->kernel_bytes = kernel_bytes;
    ledger->look++;
    ledger->hint = ledger->met = 0;
    ledger->used_since = 0;
    ledger->started_us = os_thread_time_us();
}

/* They are met in the order of the last look, but for new ones. */
static struct ledger_entry *find_entry(struct ledger *ledger, const struct arena *record)
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

static size_t entries_bytes(size_t capacity)
{
    return bits_round_up(capacity * sizeof(struct ledger_entry), OS_PAGE_SIZE);
}

static size_t queue_bytes(size_t capacity)
{
    return bits_round_up(capacity * sizeof(struct ledger_entry *), OS_PAGE_SIZE);
}

static void give_up_room(struct ledger *ledger)
{
    if (ledger->entries != NULL)
        os_unmap(ledger->entries, entries_bytes(ledger->capacity));
    if (ledger->queue != NULL)
        os_unmap(ledger->queue, queue_bytes(ledger->capacity));
}

/* Pages of its own: whoever looks may be the allocator. */
static bool has_entry_room(struct ledger *ledger)
{
    if (ledger->count < ledger->capacity)
        return true;
    struct ledger fresh = { .capacity = ledger->capacity != 0 ? 2 * ledger->capacity : ENTRIES_MIN };
    fresh.entries = os_map(entries_bytes(fresh.capacity), OS_PAGE_SIZE);
    fresh.queue = os_map(queue_bytes(fresh.capacity), OS_PAGE_SIZE);
    if (fresh.entries == NULL || fresh.queue == NULL) {
        give_up_room(&fresh);
        return false;
    }
    if (ledger->count != 0)
        memcpy(fresh.entries, ledger->entries, ledger->count * sizeof *fresh.entries);
    give_up_room(ledger);
    ledger->entries = fresh.entries;
    ledger->queue = fresh.queue;
    ledger->capacity = fresh.capacity;
    return true;
}

static struct ledger_entry *add_entry(struct ledger *ledger, const struct arena *record)
{
    if (!has_entry_room(ledger))
        return NULL;
    struct ledger_entry *entry = &ledger->entries[ledger->count++];
    memset(entry, 0, sizeof *entry);
    entry->record = record;
    return entry;
}

static uint32_t slices_apart(uint32_t a, uint32_t b)
{
    return a > b ? a - b : b - a;
}

bool ledger_meet(struct ledger *ledger, const struct arena *record, const struct ledger_head *head)
{
    struct ledger_entry *entry = find_entry(ledger, record);
    bool is_new = entry == NULL;
    if (is_new && (entry = add_entry(ledger, record)) == NULL)
        return false;
    if (entry->look == ledger->look)
        return false;
    entry->look = ledger->look;
    ledger->met++;
    entry->due = is_new || entry->head.base != head->base || entry->head.slices != head->slices;
    entry->used_now = head->used;
    ledger->used_since += (int64_t)entry->used_now - entry->head.used;
    entry->changed = slices_apart(entry->head.used, entry->used_now) + slices_apart(entry->head.dirty, head->dirty);
    return true;
}

static uint64_t entry_urgency(const struct ledger *ledger, const struct ledger_entry *entry)
{
    return entry->due ? UINT64_MAX : ((uint64_t)entry->changed + 1) * (ledger->now_ms - entry->seen_ms + 1);
}

/* The queue is a binary heap, for qsort() may allocate, and few are asked for.  This one sinks to its place. */
static void sink(struct ledger *ledger, size_t at)
{
    struct ledger_entry *entry = ledger->queue[at];
    uint64_t urgency = entry_urgency(ledger, entry);
    for (size_t below; (below = 2 * at + 1) < ledger->queued; at = below) {
        if (below + 1 < ledger->queued)
            below += entry_urgency(ledger, ledger->queue[below + 1]) > entry_urgency(ledger, ledger->queue[below]);
        if (entry_urgency(ledger, ledger->queue[below]) <= urgency)
            break;
        ledger->queue[at] = ledger->queue[below];
    }
    ledger->queue[at] = entry;
}

bool ledger_sort(struct ledger *ledger)
{
    if (ledger->met != ledger->count)
        return false;
    ledger->queued = ledger->count;
    for (size_t i = 0; i < ledger->count; i++)
        ledger->queue[i] = &ledger->entries[i];
    for (size_t i = ledger->count / 2; i-- > 0;)
        sink(ledger, i);
    return true;
}

static bool sum_may_be_wrong(const struct ledger *ledger)
{
    int64_t tolerated = (int64_t)(ledger->kernel_bytes / TOLERATED_PART + TOLERATED_BYTES);
    int64_t resident = (int64_t)(ledger->kernel_bytes - usage_resident(&ledger->total)) - ledger->others, used = tolerated >> SLICE_SHIFT;
    return resident > tolerated || resident < -tolerated || ledger->used_since > used || ledger->used_since < -used;
}

static void pay_off(struct ledger *ledger)
{
    uint64_t now_us = os_thread_time_us();
    ledger->credit_us -= (int64_t)(now_us - ledger->started_us);
    ledger->started_us = now_us;
}

struct ledger_entry *ledger_next(struct ledger *ledger)
{
    pay_off(ledger);
    if (ledger->queued == 0) {
        ledger->others = (int64_t)(ledger->kernel_bytes - usage_resident(&ledger->total)); /* all was seen now */
        return NULL;
    }
    struct ledger_entry *next = ledger->queue[0];
    if (!next->due && ledger->queued != ledger->count && ledger->credit_us <= 0 && !sum_may_be_wrong(ledger))
        return NULL; /* but for one, so that each has its turn */
    ledger->queue[0] = ledger->queue[--ledger->queued];
    sink(ledger, 0);
    return next;
}

void ledger_enter(struct ledger *ledger, struct ledger_entry *entry, const struct ledger_head *head, const struct usage *usage)
{
    usage_replace(&ledger->total, &entry->usage, usage);
    ledger->used_since -= (int64_t)entry->used_now - entry->head.used;
    entry->usage = *usage;
    entry->seen_ms = ledger->now_ms;
    entry->head = *head;
    entry->used_now = head->used;
}

uint64_t ledger_add_up(struct ledger *ledger, struct usage *usage)
{
    uint64_t oldest_ms = ledger->now_ms;
    usage_add(usage, &ledger->total);
    for (size_t i = 0; i < ledger->count; i++) {
        const struct ledger_entry *entry = &ledger->entries[i];
        if (entry->head.slices != 0 && entry->seen_ms < oldest_ms)
            oldest_ms = entry->seen_ms;
    }
    if (ledger->look == 1)
        ledger->credit_us = ledger->terms->advance_us;
    return ledger->now_ms - oldest_ms;
}

void ledger_forget(struct ledger *ledger)
{
    give_up_room(ledger);
    memset(ledger, 0, sizeof *ledger);
}
