/* The table of blocks: open addressing in pages of its own, doubled when it is half full. */
#include "front/trace.h"

#include "arca/domains.h"
#include "arenas/site.h"
#include "base/log.h"
#include "base/os.h"
#include "front/profile.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

_Atomic bool trace_on;

#define PLACES_MIN 4096u

static struct sites traces ARCA_SPARSE;

static struct {
    struct lock lock;
    struct trace_record *places;
    size_t capacity, count; /* capacity: a power of two, or 0 */
    uint64_t lost;
} table;

static size_t place_of(uintptr_t block, size_t capacity)
{
    return (block / 16 * 0x9e3779b97f4a7c15u >> 20) & (capacity - 1);
}

static struct trace_record *find_locked(uintptr_t block)
{
    size_t i = place_of(block, table.capacity);
    while (table.places[i].block != 0 && table.places[i].block != block)
        i = (i + 1) & (table.capacity - 1);
    return &table.places[i];
}

static bool grow_locked(void)
{
    size_t old_capacity = table.capacity, capacity = old_capacity != 0 ? 2 * old_capacity : PLACES_MIN;
    struct trace_record *old = table.places, *fresh = os_map(capacity * sizeof *fresh, OS_PAGE_SIZE);
    if (fresh == NULL)
        return false;
    table.places = fresh;
    table.capacity = capacity;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].block != 0)
            *find_locked(old[i].block) = old[i];
    }
    if (old != NULL)
        os_unmap(old, old_capacity * sizeof *old);
    return true;
}

/* The functions of a domain may be another domain's, which has counted the block: it counts once, as the outer one's. */
static bool enter_locked(const struct trace_record *record)
{
    if (2 * (table.count + 1) > table.capacity && !grow_locked())
        return false;
    struct trace_record *place = find_locked(record->block);
    if (place->block != 0)
        sites_remove(&traces, place->site, place->bytes);
    else
        table.count++;
    *place = *record;
    return true;
}

/* The records behind it that were displaced move up, so that no search ends too early. */
static void leave_locked(struct trace_record *gone)
{
    size_t mask = table.capacity - 1, hole = (size_t)(gone - table.places);
    for (size_t i = (hole + 1) & mask; table.places[i].block != 0; i = (i + 1) & mask) {
        size_t home = place_of(table.places[i].block, table.capacity);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            table.places[hole] = table.places[i];
            hole = i;
        }
    }
    table.places[hole] = (struct trace_record){ .block = 0 };
    table.count--;
}

static void count_in(struct trace_record *record, const uintptr_t *stack, unsigned depth)
{
    lock_acquire(&table.lock);
    if (load_rlx(&trace_on)) {
        record->site = sites_add(&traces, stack, depth, record->bytes);
        if (record->site == SITE_NONE) {
            table.lost++;
        } else if (!enter_locked(record)) {
            sites_remove(&traces, record->site, record->bytes);
            table.lost++;
        }
    }
    lock_release(&table.lock);
}

void trace_add(const void *block, size_t bytes, const void *frame)
{
    uintptr_t stack[UNWIND_MAX];
    struct trace_record record = { (uintptr_t)block, bytes, SITE_NONE };
    count_in(&record, stack, unwind(frame, stack, UNWIND_MAX));
}

struct trace_record trace_remove(const void *block)
{
    struct trace_record record = { .site = SITE_NONE };
    lock_acquire(&table.lock);
    if (table.capacity != 0) {
        struct trace_record *found = find_locked((uintptr_t)block);
        if (found->block != 0) {
            record = *found;
            leave_locked(found);
            sites_remove(&traces, record.site, record.bytes);
        }
    }
    lock_release(&table.lock);
    return record;
}

void trace_restore(const struct trace_record *record)
{
    if (record->site == SITE_NONE)
        return;
    const struct site *site = sites_get(&traces, record->site);
    struct trace_record again = *record;
    count_in(&again, site->stack, site->depth);
}

/* The child keeps what it has; a table that another thread was changing is let go. */
static void trace_fork_child(void)
{
    sites_fork_child(&traces);
    if (lock_is_held(&table.lock)) {
        table.places = NULL;
        table.capacity = table.count = 0;
        sites_forget(&traces);
        lock_reset(&table.lock);
    }
}

static void make_ready(void)
{
    pthread_atfork(NULL, NULL, trace_fork_child);
}

void arca_trace_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_ready);
    lock_acquire(&table.lock);
    store_rlx(&trace_on, true);
    lock_release(&table.lock);
}

void arca_trace_stop(void)
{
    lock_acquire(&table.lock);
    store_rlx(&trace_on, false);
    if (table.places != NULL)
        os_unmap(table.places, table.capacity * sizeof *table.places);
    table.places = NULL;
    table.capacity = table.count = 0;
    table.lost = 0;
    sites_forget(&traces);
    lock_release(&table.lock);
}

bool arca_trace_is_on(void)
{
    return load_rlx(&trace_on);
}

/* ---- looking ---------------------------------------------------------------------------------------------------- */

int arca_trace_get(struct arca_trace_figures *out)
{
    struct tallies all;
    if (out->size < sizeof out->size) {
        errno = EINVAL;
        return -1;
    }
    sites_copy(&traces, NULL, 0, &all);
    lock_acquire(&table.lock);
    struct arca_trace_figures figures = {
        .size = out->size < sizeof figures ? out->size : sizeof figures, .blocks = all.live.blocks, .bytes = all.live.bytes,
        .peak_blocks = all.peak.blocks, .peak_bytes = all.peak.bytes, .lost = table.lost };
    lock_release(&table.lock);
    memcpy(out, &figures, figures.size);
    return 0;
}

void arca_trace_reset_peak(void)
{
    sites_reset_peak(&traces);
}

int arca_trace_dump(const char *path, enum arca_profile_view view)
{
    return profile_write(path, &traces, "heapprofile", view);
}

static int by_bytes(const void *left, const void *right)
{
    int64_t a = ((const struct arca_trace_site *)left)->bytes, b = ((const struct arca_trace_site *)right)->bytes;
    a = a < 0 ? -a : a;
    b = b < 0 ? -b : b;
    return a < b ? 1 : a > b ? -1 : 0;
}

static struct arca_trace_sites *snapshot_create(size_t sites)
{
    struct arca_trace_sites *snapshot = arca_malloc(sizeof *snapshot + sites * sizeof *snapshot->sites);
    if (snapshot != NULL)
        *snapshot = (struct arca_trace_sites){ 0, sizeof *snapshot->sites, (struct arca_trace_site *)(snapshot + 1) };
    return snapshot;
}

static void add_site(struct arca_trace_sites *snapshot, uint32_t number, const struct tallies *tallies)
{
    const struct site *site = sites_get(&traces, number);
    snapshot->sites[snapshot->count++] = (struct arca_trace_site){
        .blocks = (int64_t)tallies->live.blocks, .bytes = (int64_t)tallies->live.bytes,
        .peak_bytes = (int64_t)tallies->peak.bytes, .stack = site->stack, .depth = site->depth };
}

struct arca_trace_sites *arca_trace_snapshot(void)
{
    struct tallies all;
    uint32_t capacity = load_acq(&traces.count); /* P:site count acquire: with new_site_locked */
    struct tallies *tallies = arca_malloc((capacity + 1) * sizeof *tallies);
    struct arca_trace_sites *snapshot = snapshot_create(capacity);
    if (tallies != NULL && snapshot != NULL) {
        uint32_t count = sites_copy(&traces, tallies, capacity, &all);
        for (uint32_t i = 0; i < count; i++) {
            if (tallies[i].live.blocks != 0 || tallies[i].peak.blocks != 0)
                add_site(snapshot, i + 1, &tallies[i]);
        }
        qsort(snapshot->sites, snapshot->count, sizeof *snapshot->sites, by_bytes);
    } else {
        arca_free(snapshot);
        snapshot = NULL;
    }
    arca_free(tallies);
    return snapshot;
}

/* A stack is the same when it is at the same place: sites stay. */
static int by_stack(const void *left, const void *right)
{
    uintptr_t a = (uintptr_t)((const struct arca_trace_site *)left)->stack, b = (uintptr_t)((const struct arca_trace_site *)right)->stack;
    return a < b ? -1 : a > b;
}

static void add_changes(struct arca_trace_sites *out, const struct arca_trace_sites *from, int sign)
{
    for (size_t i = 0; i < from->count; i++) {
        struct arca_trace_site site = from->sites[i];
        site.blocks *= sign;
        site.bytes *= sign;
        site.peak_bytes *= sign;
        out->sites[out->count++] = site;
    }
}

/* Neighbours of one stack become one; those that have not changed go. */
static void merge_neighbours(struct arca_trace_sites *out)
{
    size_t kept_sites = 0;
    for (size_t i = 0; i < out->count;) {
        struct arca_trace_site site = out->sites[i++];
        for (; i < out->count && out->sites[i].stack == site.stack; i++) {
            site.blocks += out->sites[i].blocks;
            site.bytes += out->sites[i].bytes;
            site.peak_bytes += out->sites[i].peak_bytes;
        }
        if (site.blocks != 0 || site.bytes != 0)
            out->sites[kept_sites++] = site;
    }
    out->count = kept_sites;
}

struct arca_trace_sites *arca_trace_difference(const struct arca_trace_sites *later, const struct arca_trace_sites *earlier)
{
    struct arca_trace_sites *out = snapshot_create(later->count + earlier->count);
    if (out == NULL)
        return NULL;
    add_changes(out, later, 1);
    add_changes(out, earlier, -1);
    qsort(out->sites, out->count, sizeof *out->sites, by_stack);
    merge_neighbours(out);
    qsort(out->sites, out->count, sizeof *out->sites, by_bytes);
    return out;
}

static size_t format_signed(char *buf, size_t capacity, int64_t n)
{
    return log_format(buf, capacity, "%s%lu", n < 0 ? "-" : "", n < 0 ? 0ul - (unsigned long)n : (unsigned long)n);
}

void arca_trace_print(const struct arca_trace_sites *snapshot, size_t count)
{
    for (size_t i = 0; i < snapshot->count && i < count; i++) {
        const struct arca_trace_site *site = &snapshot->sites[i];
        char bytes[24], blocks[24], name[160];
        format_signed(bytes, sizeof bytes, site->bytes);
        format_signed(blocks, sizeof blocks, site->blocks);
        unwind_name(site->stack[0], name, sizeof name);
        log_line("%s bytes in %s block%s: %s", bytes, blocks, site->blocks == 1 || site->blocks == -1 ? "" : "s", name);
        for (size_t k = 1; k < site->depth; k++) {
            unwind_name(site->stack[k], name, sizeof name);
            log_line("  called from %s", name);
        }
    }
}
