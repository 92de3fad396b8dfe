/* The walk over another process' records: the same as census.c's, over copies. */
#include "tool/snapshot.h"

#include "arenas/meta.h"
#include "tool/symbol.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_SYMBOL "arca_stats_page"

/* Arenas beyond this are no arenas. */
#define SLICES_MAX ((uint32_t)1 << (PAGE_MAP_ADDRESS_BITS - SLICE_SHIFT))

static const uint64_t own_layout =
#include "front/layout.def"
    ;

static bool refuse(struct process *process, const char *what)
{
    snprintf(process->why, sizeof process->why, "process %d (%s) %s", process->pid, process->name, what);
    return false;
}

/* ---- the page -------------------------------------------------------------------------------------------- */

struct found {
    struct stats_page page;
    uintptr_t address;
    bool any, in_use;
};

static bool is_known(const struct stats_page *page)
{
    return page->version >= STATS_PAGE_VERSION && page->size >= sizeof *page && page->layout == own_layout;
}

/* Of several copies of the library in one process, the one that has arenas. */
static bool see_page(struct process *process, uintptr_t address, void *context)
{
    struct found *found = context;
    struct stats_page page;
    struct arenas records;
    if (!process_read(process, (void *)address, &page, sizeof page) || memcmp(page.magic, STATS_PAGE_MAGIC, sizeof page.magic) != 0)
        return true;
    bool in_use = is_known(&page) && process_read(process, page.arenas, &records, sizeof records) && load_rlx(&records.mapped_slices) != 0;
    if (!found->any || in_use) {
        found->page = page;
        found->address = address;
        found->any = true;
        found->in_use = in_use;
    }
    return !found->in_use;
}

bool snapshot_knows_page(struct process *process, const struct stats_page *page)
{
    return is_known(page) || refuse(process, "uses another version of Arca than this tool: take the tool that came with its library");
}

bool snapshot_find_page(struct process *process, struct stats_page *page, uintptr_t *address)
{
    struct found found = { .any = false };
    if (!symbol_find(process, PAGE_SYMBOL, see_page, &found))
        return false;
    if (!found.any)
        return refuse(process, "does not use Arca");
    *page = found.page;
    if (address != NULL)
        *address = found.address;
    return snapshot_knows_page(process, page);
}

/* ---- the walk ---------------------------------------------------------------------------------------------- */

struct walk {
    struct process *process;
    struct snapshot *snapshot;
    struct usage usage;
    uint64_t age_ms; /* of its oldest part: 0, but for a look by a ledger */
    struct arena arena; /* a copy */
};

static bool note_range(struct walk *walk, uintptr_t address, size_t bytes, const char *what)
{
    struct snapshot *snapshot = walk->snapshot;
    if (snapshot->range_count == snapshot->range_capacity) {
        size_t capacity = snapshot->range_capacity != 0 ? 2 * snapshot->range_capacity : 64;
        struct snapshot_range *ranges = realloc(snapshot->ranges, capacity * sizeof *ranges);
        if (ranges == NULL)
            return refuse(walk->process, "has more records than there is memory");
        snapshot->ranges = ranges;
        snapshot->range_capacity = capacity;
    }
    snapshot->ranges[snapshot->range_count++] = (struct snapshot_range){ address, bytes, what };
    return true;
}

/* Records that take whole pages. */
static bool add_records(struct walk *walk, const void *address, size_t bytes, const char *what)
{
    unsigned char resident[USAGE_PAGES];
    size_t pages = (bytes + OS_PAGE_SIZE - 1) / OS_PAGE_SIZE;
    if (!note_range(walk, (uintptr_t)address, pages * OS_PAGE_SIZE, what))
        return false;
    for (size_t at = 0; at < pages; at += USAGE_PAGES) {
        size_t part = pages - at < USAGE_PAGES ? pages - at : USAGE_PAGES;
        if (process_out_of_time(walk->process) ||
            !process_resident(walk->process, (uintptr_t)address + at * OS_PAGE_SIZE, part, resident))
            return false;
        usage_meta(&walk->usage, resident, part);
    }
    return true;
}

/* A byte that another process has where it should have a bool may be any, and ours must not. */
static void make_bool(void *flag)
{
    unsigned char *byte = flag;
    *byte = *byte != 0;
}

static bool read_arena(struct walk *walk, const struct arena *address)
{
    struct arena *arena = &walk->arena;
    if (!process_read_sparse(walk->process, address, arena, sizeof *arena))
        return false;
    make_bool(&arena->huge);
    return arena->slices <= (arena->huge ? SLICES_MAX : ARENA_SLICES) ||
           refuse(walk->process, "has an arena of a size that there is not");
}

static bool add_slices(struct walk *walk)
{
    struct arena *arena = &walk->arena;
    unsigned char resident[USAGE_PAGES];
    struct usage_place place = { 0, 0 };
    while (place.slice < arena->slices) {
        uint32_t left = arena->slices - place.slice, slices = left < USAGE_SLICES ? left : USAGE_SLICES;
        if (process_out_of_time(walk->process) ||
            !process_resident(walk->process, arena->base + ((uintptr_t)place.slice << SLICE_SHIFT), slices * USAGE_PAGES_PER_SLICE, resident))
            return false;
        usage_slices(&walk->usage, arena, &place, resident);
    }
    return true;
}

/* Once more where its memory is another one by now: what was unmapped before it was looked at counted as resident. */
static bool add_arena(struct walk *walk, const struct arena *address)
{
    struct arena *arena = &walk->arena;
    struct usage before = walk->usage;
    unsigned char place[offsetof(struct arena, slices) + sizeof arena->slices];
    do {
        walk->usage = before;
        if (process_out_of_time(walk->process) || !read_arena(walk, address) || !add_slices(walk) ||
            !process_read(walk->process, address, place, sizeof place))
            return false;
    } while (memcmp(place, arena, sizeof place) != 0);
    return (arena->slices == 0 || note_range(walk, arena->base, (size_t)arena->slices << SLICE_SHIFT, arena->huge ? "large" : "arena")) &&
           add_records(walk, address, sizeof *arena, "records");
}

static bool walk_arenas(struct walk *walk, const struct arena *first)
{
    for (const struct arena *at = first; at != NULL; at = walk->arena.all_next) {
        if (!add_arena(walk, at))
            return false;
    }
    return true;
}

/* As one look has found it. */
static bool enter_arena(struct walk *walk, struct ledger *ledger, struct ledger_entry *entry)
{
    struct usage sum = walk->usage;
    memset(&walk->usage, 0, sizeof walk->usage);
    bool done = add_arena(walk, entry->record);
    if (done) {
        struct ledger_head head = ledger_head_of(&walk->arena);
        ledger_enter(ledger, entry, &head, &walk->usage);
    }
    walk->usage = sum;
    return done;
}

#define HEAD_BYTES offsetof(struct arena, free_bits)

/* Copies of the heads of entries of the ledger. */
struct heads {
    unsigned char copies[PROCESS_PIECES_MAX][HEAD_BYTES];
    size_t from, to;
};

/* Many at once, as they were met the last time: a call each takes half of what a look takes that goes through nothing. */
static bool read_head(struct walk *walk, const struct ledger *ledger, struct heads *heads, const struct arena *at)
{
    size_t place = ledger->hint;
    if (place >= ledger->count || ledger->entries[place].record != at)
        return process_read(walk->process, at, &walk->arena, HEAD_BYTES);
    if (place < heads->from || place >= heads->to) {
        const void *addresses[PROCESS_PIECES_MAX];
        size_t count = ledger->count - place < PROCESS_PIECES_MAX ? ledger->count - place : PROCESS_PIECES_MAX;
        for (size_t i = 0; i < count; i++)
            addresses[i] = ledger->entries[place + i].record;
        if (!process_read_pieces(walk->process, addresses, count, heads->copies, HEAD_BYTES))
            return process_read(walk->process, at, &walk->arena, HEAD_BYTES);
        heads->from = place;
        heads->to = place + count;
    }
    memcpy(&walk->arena, heads->copies[place - heads->from], HEAD_BYTES);
    return true;
}

/* A quarter of what a look a second may take: the rest is for all that is not an arena.  A minute's is kept, which is enough for
 * 8 GiB at once. */
static const struct ledger_terms terms = { .share = 4000, .most_us = (int64_t)60 * 1000000 / 4000 };

static bool walk_by_ledger(struct walk *walk, const struct arena *first, struct ledger *ledger)
{
    struct arena *head = &walk->arena;
    struct heads heads;
    heads.from = heads.to = 0;
    ledger_begin(ledger, &terms, process_anonymous(walk->process));
    for (const struct arena *at = first; at != NULL; at = head->all_next) {
        if (process_out_of_time(walk->process) || !read_head(walk, ledger, &heads, at))
            return false;
        struct ledger_head now = ledger_head_of(head);
        if (!ledger_meet(ledger, at, &now))
            return refuse(walk->process, "has more records than there is memory, or some of them twice");
    }
    if (!ledger_sort(ledger))
        return refuse(walk->process, "has more records than there is memory, or has lost some of them");
    for (struct ledger_entry *entry; (entry = ledger_next(ledger)) != NULL;) {
        if (!enter_arena(walk, ledger, entry))
            return false;
    }
    walk->age_ms = ledger_add_up(ledger, &walk->usage);
    return true;
}

static bool walk_heaps(struct walk *walk, const struct heap_entry *first)
{
    struct heap_entry entry;
    struct heap copy;
    for (const struct heap_entry *at = first; at != NULL; at = entry.next) {
        if (process_out_of_time(walk->process) || !process_read(walk->process, at, &entry, sizeof entry))
            return false;
        const struct heap *heap = load_rlx(&entry.heap);
        if (heap == NULL)
            continue;
        if (!process_read_sparse(walk->process, heap, &copy, sizeof copy))
            return false;
        usage_heap(&walk->usage, &copy);
    }
    return true;
}

static bool walk_chunks(struct walk *walk, const struct meta_chunk *first)
{
    struct meta_chunk copy;
    for (const struct meta_chunk *at = first; at != NULL; at = copy.next) {
        if (process_out_of_time(walk->process) || !process_read(walk->process, at, &copy, sizeof copy) ||
            !add_records(walk, at, copy.bytes, "records"))
            return false;
    }
    return true;
}

static bool walk_page_map(struct walk *walk, const struct stats_page *page)
{
    struct page_map_leaf *leaves[1u << PAGE_MAP_ROOT_BITS];
    if (!process_read_sparse(walk->process, page->leaves, leaves, sizeof leaves) ||
        !add_records(walk, page->first_leaf, sizeof *page->first_leaf, "page map"))
        return false;
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(leaves); i++) {
        if (leaves[i] != NULL && !add_records(walk, leaves[i], sizeof *leaves[i], "page map"))
            return false;
    }
    return true;
}

static bool take(struct process *process, const struct stats_page *page, struct ledger *ledger, struct snapshot *snapshot)
{
    struct walk *walk = calloc(1, sizeof *walk);
    struct arenas records;
    struct stats counted;
    struct watch_figures collector;
    struct heap_entry *heaps = NULL;
    struct meta_chunk *chunks = NULL;
    memset(snapshot, 0, sizeof *snapshot);
    process_start_walk(process);
    if (walk == NULL)
        return refuse(process, "has more records than there is memory");
    walk->process = process;
    walk->snapshot = snapshot;
    bool done = process_read(process, page->arenas, &records, sizeof records) &&
                process_read(process, page->heaps, &heaps, sizeof heaps) &&
                process_read(process, page->chunks, &chunks, sizeof chunks) &&
                process_read(process, page->stats, &counted, sizeof counted) &&
                process_read(process, page->collector, &collector, sizeof collector) &&
                process_read(process, page->options, &snapshot->options, sizeof snapshot->options) &&
                (ledger != NULL ? walk_by_ledger(walk, load_rlx(&records.all), ledger) : walk_arenas(walk, load_rlx(&records.all))) &&
                walk_chunks(walk, chunks) && walk_page_map(walk, page) && walk_heaps(walk, heaps);
    if (done) {
        make_bool((void *)&collector.loaded);
        usage_end(&walk->usage);
        figures_make(&snapshot->figures, &walk->usage, load_rlx(&records.mapped_slices) << SLICE_SHIFT, &counted, &collector);
        snapshot->figures.stats.age_ms = walk->age_ms;
    }
    free(walk);
    return done;
}

bool snapshot_take(struct process *process, const struct stats_page *page, struct snapshot *snapshot)
{
    return take(process, page, NULL, snapshot);
}

bool snapshot_renew(struct process *process, const struct stats_page *page, struct ledger *ledger, struct snapshot *snapshot)
{
    bool known = ledger->count != 0, done = take(process, page, ledger, snapshot);
    if (!done && known) { /* it may be another one's by now */
        snapshot_free(snapshot);
        ledger_forget(ledger);
        done = take(process, page, ledger, snapshot);
    }
    if (!done)
        ledger_forget(ledger);
    return done;
}

void snapshot_free(struct snapshot *snapshot)
{
    free(snapshot->ranges);
    snapshot->ranges = NULL;
}
