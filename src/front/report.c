/* Statistics by walking, and the checker. */
#include "front/report.h"

#include "arca/arca.h"
#include "arenas/arena.h"
#include "arenas/meta.h"
#include "base/log.h"
#include "base/options.h"
#include "base/stats.h"
#include "front/census.h"
#include "front/figures.h"
#include "front/process.h"
#include "front/profile.h"
#include "front/thread.h"

#include <errno.h>
#include <string.h>

static void add_span(struct report *report, struct span *span)
{
    if (load_rlx(&span->kind) == SPAN_LARGE || load_rlx(&span->kind) == SPAN_OBJECT) {
        size_t bytes = load_rlx(&span->large_size), most = span_bytes(span) - span_offset(span);
        bytes = bytes < most ? bytes : most; /* one that shrinks gives up its slices first */
        report->live_bytes += bytes;
        report->large_bytes += bytes;
        report->large_blocks += bytes != 0; /* one that was freed and is kept back has none */
    } else if (load_rlx(&span->kind) == SPAN_POOL && load_acq(&span->heap) != NULL) { /* P:pool acquire: with pool_publish */
        size_t used = (size_t)load_rlx(&span->used) * span->block_size;
        report->live_bytes += used;
        report->free_bytes += (size_t)span->capacity * span->block_size - used;
    }
}

void report_collect(struct report *report)
{
    process_after_fork();
    memset(report, 0, sizeof *report);
    for (struct arena *a = load_acq(&arenas.all); a != NULL; a = a->all_next) { /* P:arena record acquire: with arena_take_record */
        lock_acquire(&arenas.lock); /* for one arena at a time: who wants memory waits for that */
        for (uint32_t i = 0; i < a->slices;) {
            struct span *span = &a->spans[i];
            add_span(report, span);
            i += load_rlx(&span->kind) == SPAN_FREE ? 1 : span->slices;
            if (a->huge)
                break;
        }
        lock_release(&arenas.lock);
    }
    size_t mapped = load_rlx(&arenas.mapped_slices) << SLICE_SHIFT;
    report->mapped_bytes = mapped > report->live_bytes ? mapped : report->live_bytes; /* some of that may have been unmapped since */
    report->dirty_bytes = load_rlx(&arenas.dirty_slices) << SLICE_SHIFT;
    report->meta_bytes = meta_mapped();
}

static void make_figures(struct figures *figures, const struct usage *usage)
{
    figures_make(figures, usage, load_rlx(&arenas.mapped_slices) << SLICE_SHIFT, &stats, &watch_figures);
}

void report_figures(struct figures *figures)
{
    struct usage usage;
    process_start(); /* the class table */
    census_take(&usage);
    make_figures(figures, &usage);
}

static void take_figures_by_turns(struct figures *figures)
{
    struct usage usage;
    process_start();
    uint64_t age_ms = census_take_by_turns(&usage);
    make_figures(figures, &usage);
    figures->stats.age_ms = age_ms;
}

int arca_stats_get(struct arca_stats *out)
{
    struct figures figures;
    if (out->size < sizeof out->size) {
        errno = EINVAL;
        return -1;
    }
    take_figures_by_turns(&figures);
    size_t size = out->size < sizeof figures.stats ? out->size : sizeof figures.stats;
    figures.stats.size = size;
    memcpy(out, &figures.stats, size);
    return 0;
}

size_t arca_stats_classes(struct arca_class_stats *rows, size_t count, size_t row_size)
{
    struct figures figures;
    take_figures_by_turns(&figures);
    for (unsigned class = 0; class < SIZE_CLASSES && class < count; class++) {
        const struct usage_class *from = &figures.classes[class];
        struct arca_class_stats row = { size_classes[class].block_size, from->pools, from->blocks, from->pinned };
        memcpy((char *)rows + class * row_size, &row, row_size < sizeof row ? row_size : sizeof row);
    }
    return SIZE_CLASSES;
}

void report_write(void (*line)(void *context, const char *text), void *context)
{
    struct figures figures;
    report_figures(&figures);
    figures_write_text(&figures, line, context);
}

void report_write_json(void (*part)(void *context, const char *text), void *context)
{
    struct figures figures;
    report_figures(&figures);
    figures_write_json(&figures, os_process_id(), part, context);
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
    struct heap *heap = thread_enter_after_sweep(door);
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
    struct heap_entry *at = heap_first();
    for (struct heap *heap; (heap = heap_next(&at)) != NULL;) {
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
