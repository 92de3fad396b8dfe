/* The kernel and the records, for the real arenas: a few of them at places of their own, and who has which slice. */
#include "model_arenas.h"

#include "arenas/meta.h"
#include "arenas/page_map.h"
#include "arenas/purge.h"
#include "base/log.h"
#include "base/options.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define ARENA_BYTES ((size_t)ARENA_SLICES << SLICE_SHIFT)
#define LEAF_BYTES (PAGE_MAP_LEAF_SLICES << SLICE_SHIFT)
#define SLICES (MODEL_ARENAS * ARENA_SLICES)
#define NOBODY -1

struct options options;

static char *area;
static bool mapped[MODEL_ARENAS], record_used[MODEL_ARENAS];
static struct arena records[MODEL_ARENAS];
static bool touched[SLICES]; /* since the kernel gave it */
static int holders[SLICES];

static size_t slice_at(const void *address)
{
    size_t slice = (size_t)((const char *)address - area) >> SLICE_SHIFT;
    if ((const char *)address < area || slice >= SLICES)
        schedule_fail("%p is in no arena", address);
    return slice;
}

void model_arenas_begin(void)
{
    if (area == NULL) {
        size_t bytes = MODEL_ARENAS * ARENA_BYTES;
        char *wide = mmap(NULL, 2 * bytes + ARENA_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (wide == MAP_FAILED)
            abort();
        uintptr_t start = ((uintptr_t)wide + ARENA_BYTES - 1) & ~(ARENA_BYTES - 1), next_leaf = (start | (LEAF_BYTES - 1)) + 1;
        area = (char *)(next_leaf - start < bytes ? next_leaf : start); /* in one leaf of the page map: there is no other */
    }
    for (unsigned i = 0; i < MODEL_ARENAS; i++) {
        if (record_used[i])
            memset(&records[i], 0, sizeof records[i]);
        if (mapped[i])
            page_map_set((uintptr_t)area + i * ARENA_BYTES, ARENA_SLICES, NULL);
        mapped[i] = record_used[i] = false;
    }
    options.arena = ARENA_BYTES;
    memset(touched, 0, sizeof touched);
    memset(holders, NOBODY, sizeof holders);
    memset(&arenas, 0, sizeof arenas);
    store_rlx(&page_map_first_base, (uintptr_t)1 << 63);
    purge_fork_child(); /* its lock is free */
}

/* ---- what a thread does with its span ------------------------------------------------------------------------------- */

void model_take(const struct span *span, bool zeroed)
{
    size_t first = slice_at((void *)span->start);
    if (!mapped[first / ARENA_SLICES])
        schedule_fail("a span in memory that is gone");
    for (uint32_t i = 0; i < span->slices; i++) {
        if (holders[first + i] != NOBODY)
            schedule_fail("slice %zu is taken twice", first + i);
        if (zeroed && touched[first + i])
            schedule_fail("slice %zu does not read as zeros", first + i);
        holders[first + i] = schedule_self();
        touched[first + i] = true;
    }
    if (page_map_find(span->start) != span)
        schedule_fail("the page map does not know the span");
}

void model_give(const struct span *span)
{
    size_t first = slice_at((void *)span->start);
    for (uint32_t i = 0; i < span->slices; i++) {
        if (holders[first + i] != schedule_self())
            schedule_fail("slice %zu is somebody else's", first + i);
        holders[first + i] = NOBODY;
    }
}

static void expect_unused(const void *address, size_t bytes)
{
    size_t first = slice_at(address);
    for (size_t i = 0; i < bytes >> SLICE_SHIFT; i++) {
        if (holders[first + i] != NOBODY)
            schedule_fail("slice %zu is given back in use", first + i);
        touched[first + i] = false;
    }
}

unsigned model_mapped_arenas(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < MODEL_ARENAS; i++)
        count += mapped[i];
    return count;
}

/* ---- the kernel --------------------------------------------------------------------------------------------------------- */

/* Arenas only; what the page map asks for beyond its first leaf there is not. */
void *os_map(size_t bytes, size_t align)
{
    (void)align;
    SCHEDULE_POINT("map");
    for (unsigned i = 0; bytes == ARENA_BYTES && i < MODEL_ARENAS; i++) {
        if (!mapped[i]) {
            mapped[i] = true;
            return area + i * ARENA_BYTES;
        }
    }
    return NULL;
}

bool os_discard(void *address, size_t bytes)
{
    (void)address;
    (void)bytes;
    return true;
}

void os_unmap(void *address, size_t bytes)
{
    SCHEDULE_POINT("unmap");
    expect_unused(address, bytes);
    mapped[slice_at(address) / ARENA_SLICES] = false;
}

bool os_purge_ranges(const struct os_range *ranges, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        SCHEDULE_POINT("purge");
        expect_unused(ranges[i].address, ranges[i].bytes);
    }
    return true;
}

bool os_purge(void *address, size_t bytes) /* of records */
{
    (void)address, (void)bytes;
    return true;
}

bool os_resize(void *address, size_t old_bytes, size_t new_bytes, bool *movable)
{
    (void)address, (void)old_bytes, (void)new_bytes;
    *movable = true;
    return false;
}

bool os_move(void *address, size_t old_bytes, void *place, size_t new_bytes)
{
    (void)address, (void)old_bytes, (void)place, (void)new_bytes;
    return false;
}

void os_forbid_huge_pages(void *address, size_t bytes)
{
    (void)address, (void)bytes;
}

uint64_t os_populate_huge(void *address, size_t bytes)
{
    (void)address, (void)bytes;
    return 0;
}

void os_break_huge_page(void *address)
{
    (void)address;
}

/* ---- records, lines -------------------------------------------------------------------------------------------------------- */

void *meta_create(size_t bytes)
{
    SCHEDULE_POINT("record");
    for (unsigned i = 0; i < MODEL_ARENAS && bytes == sizeof records[i]; i++) {
        if (!record_used[i]) {
            record_used[i] = true;
            return &records[i];
        }
    }
    return NULL;
}

void log_abort(const char *format, ...)
{
    schedule_fail("arca: %s", format);
}
