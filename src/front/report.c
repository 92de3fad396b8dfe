/* Statistics by walking, and the checker. */
#include "front/report.h"

#include "arca/arca.h"
#include "arenas/arena.h"
#include "arenas/meta.h"
#include "base/log.h"
#include "base/options.h"
#include "base/stats.h"
#include "front/process.h"
#include "front/profile.h"
#include "front/thread.h"

#include <errno.h>
#include <string.h>

static void add_span(struct report *report, struct span *span)
{
    if (load_rlx(&span->kind) == SPAN_LARGE || load_rlx(&span->kind) == SPAN_OBJECT) {
        size_t bytes = load_rlx(&span->large_size);
        report->live_bytes += bytes;
        report->large_bytes += bytes;
        report->large_blocks += bytes != 0; /* one that was freed and is kept back has none */
    } else if (load_rlx(&span->kind) == SPAN_POOL && load_acq(&span->heap) != NULL) { /* P:pool acquire: with pool_init */
        size_t used = (size_t)load_rlx(&span->used) * span->block_size;
        report->live_bytes += used;
        report->free_bytes += (size_t)span->capacity * span->block_size - used;
    }
}

void report_collect(struct report *report)
{
    process_after_fork();
    memset(report, 0, sizeof *report);
    lock_acquire(&arenas.lock);
    for (struct arena *a = load_acq(&arenas.all); a != NULL; a = a->all_next) { /* P:arena record acquire: with record_take */
        for (uint32_t i = 0; i < a->slices;) {
            struct span *span = &a->spans[i];
            add_span(report, span);
            i += load_rlx(&span->kind) == SPAN_FREE ? 1 : span->slices;
            if (a->huge)
                break;
        }
    }
    lock_release(&arenas.lock);
    report->dirty_bytes = load_rlx(&arenas.dirty_slices) << SLICE_SHIFT;
    report->mapped_bytes = load_rlx(&arenas.mapped_slices) << SLICE_SHIFT;
    report->meta_bytes = meta_mapped();
}

int arca_stats_get(struct arca_stats *out)
{
    struct arca_stats full = { .size = sizeof full };
    struct report report;
    if (out->size < sizeof out->size) {
        errno = EINVAL;
        return -1;
    }
    report_collect(&report);
    full.live = report.live_bytes;
    full.free = report.free_bytes;
    full.dirty = report.dirty_bytes;
    full.meta = report.meta_bytes;
    full.mapped = report.mapped_bytes;
    full.purge_runs = stats_read(purge_runs);
    full.purged_bytes = stats_read(purged_bytes);
    full.trimmed_bytes = stats_read(trimmed_bytes);
    full.purge_failures = stats_read(purge_failures);
    full.arenas_mapped = stats_read(arenas_mapped);
    full.arenas_unmapped = stats_read(arenas_unmapped);
    full.unmapped_bytes = stats_read(unmapped_bytes);
    full.heaps_swept = stats_read(heaps_swept);
    full.threads_attached = stats_read(threads_attached);
    full.background_rounds = stats_read(background_rounds);
    size_t size = out->size < sizeof full ? out->size : sizeof full;
    full.size = size;
    memcpy(out, &full, size);
    return 0;
}

void report_write(void (*line)(void *context, const char *text), void *context)
{
    char text[200];
    struct report report;
    report_collect(&report);
    log_format(text, sizeof text, "live %zu, free in pools %zu, dirty %zu, meta %zu, mapped %zu bytes", report.live_bytes,
               report.free_bytes, report.dirty_bytes, report.meta_bytes, report.mapped_bytes);
    line(context, text);
#define COUNTER(name, unit, sentence)                                             \
    log_format(text, sizeof text, #name " %lu (" sentence ")", stats_read(name)); \
    line(context, text);
#include "base/stats.def"
#undef COUNTER
}

static void print_line(void *unused, const char *text)
{
    (void)unused;
    log_line("%s", text);
}

void report_print(void)
{
    report_write(print_line, NULL);
    options_write(print_line, NULL);
}

/* After the program's own destructors, so that the figures are final. */
__attribute__((destructor(101))) static void report_at_exit(void)
{
    if (options.stats != STATS_OFF)
        report_exit();
    profile_exit();
}

void arca_stats_print(void)
{
    report_print();
}

bool arca_option_get(const char *name, uint64_t *value)
{
    return options_get(name, value);
}

bool arca_option_text(const char *name, char *text, size_t capacity)
{
    char full[OPTION_TEXT_MAX];
    int key = options_find(name);
    size_t length = key < 0 ? 0 : options_format((unsigned)key, full, sizeof full);
    if (key < 0 || length >= capacity)
        return false;
    memcpy(text, full, length + 1);
    return true;
}

const char *arca_option_source(const char *name)
{
    int key = options_find(name);
    return key < 0 ? NULL : options_source((unsigned)key);
}

/* The heap behind a door of the calling thread. */
static int check_own(struct heap_door *door)
{
    struct heap *heap = thread_enter(door);
    if (heap == NULL)
        return 0;
    heap_check(heap);
    door_leave(door);
    return 1;
}

int arca_heap_check(void)
{
    int walked = 0;
    process_after_fork();
    arena_check();
    walked += check_own(&thread_door) + check_own(&object_door);
    for (struct heap *heap = load_acq(&heaps_all); heap != NULL; heap = heap->all_next) { /* P:heap list acquire: with heap_create */
        enum heap_state state = load_rlx(&heap->state);
        if (state < HEAP_PARKED || state == HEAP_DEAD)
            continue;
        lock_acquire(&heap->lock);
        state = load_rlx(&heap->state);
        if (state >= HEAP_PARKED && state != HEAP_DEAD) {
            heap_check(heap);
            walked++;
        }
        lock_release(&heap->lock);
    }
    return walked;
}
