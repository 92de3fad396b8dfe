/* The table of figures, and its three writers. */
#include "front/figures.h"

#include "base/log.h"

#include <string.h>

#define FIGURE_LINE_BYTES 512

enum kind { GAUGE, COUNTED };

struct row {
    const char *name, *unit, *sentence;
    size_t offset;
    enum kind kind;
};

#define KIND_GAUGE GAUGE
#define KIND_COUNTER COUNTED
#define ROW(structure, name, kind, unit, sentence) { #name, #unit, sentence, offsetof(structure, name), kind }

/* Of struct arca_stats. */
static const struct row rows[] = {
#define FIGURE(name, kind, unit, sentence) ROW(struct arca_stats, name, KIND_##kind, unit, sentence),
#define COLLECTED(name, unit, sentence)
#define COLLECTOR(name, kind, unit, sentence)
#include "front/figures.def"
#undef FIGURE
#undef COLLECTED
#undef COLLECTOR
#define COUNTER(name, unit, sentence) ROW(struct arca_stats, name, COUNTED, unit, sentence),
#define LATEST(name, unit, sentence) ROW(struct arca_stats, name, GAUGE, unit, sentence),
#include "base/stats.def"
#undef COUNTER
#undef LATEST
};

/* Of struct watch_generation, and of struct watch_figures. */
static const struct row generation_rows[] = {
#define FIGURE(name, kind, unit, sentence)
#define COLLECTED(name, unit, sentence) ROW(struct watch_generation, name, COUNTED, unit, sentence),
#define COLLECTOR(name, kind, unit, sentence)
#include "front/figures.def"
#undef COLLECTED
#undef COLLECTOR
};
static const struct row collector_rows[] = {
#define COLLECTED(name, unit, sentence)
#define COLLECTOR(name, kind, unit, sentence) ROW(struct watch_figures, name, KIND_##kind, unit, sentence),
#include "front/figures.def"
#undef FIGURE
#undef COLLECTED
#undef COLLECTOR
};

static uint64_t figure_value(const void *structure, const struct row *row)
{
    uint64_t value;
    memcpy(&value, (const char *)structure + row->offset, sizeof value);
    return value;
}

static bool is_bytes(const struct row *row)
{
    return strcmp(row->unit, "bytes") == 0;
}

/* ---- making -------------------------------------------------------------------------------------------- */

static void copy_collector(struct watch_figures *to, const struct watch_figures *from)
{
    store_rlx(&to->loaded, load_rlx(&from->loaded));
    for (unsigned g = 0; g < WATCH_GENERATIONS; g++) {
#define FIGURE(name, kind, unit, sentence)
#define COLLECTED(name, unit, sentence) store_rlx(&to->generations[g].name, load_rlx(&from->generations[g].name));
#define COLLECTOR(name, kind, unit, sentence)
#include "front/figures.def"
#undef COLLECTED
#undef COLLECTOR
    }
#define COLLECTED(name, unit, sentence)
#define COLLECTOR(name, kind, unit, sentence) store_rlx(&to->name, load_rlx(&from->name));
#include "front/figures.def"
#undef FIGURE
#undef COLLECTED
#undef COLLECTOR
}

void figures_make(struct figures *figures, const struct usage *usage, size_t mapped, const struct stats *counted,
                  const struct watch_figures *collector)
{
    struct arca_stats *sums = &figures->stats;
    memset(figures, 0, sizeof *figures);
    sums->size = sizeof *sums;
#define COUNTER(name, unit, sentence) sums->name = load_rlx(&counted->name);
#define LATEST COUNTER
#include "base/stats.def"
#undef LATEST
#undef COUNTER
    sums->live = usage->live;
    sums->slack = usage->slack;
    sums->cached = usage->cached;
    sums->dirty = usage->dirty;
    sums->meta = usage->meta;
    sums->resident = usage->live + usage->slack + usage->cached + usage->dirty + usage->meta;
    sums->allocated = usage->allocated;
    sums->large = usage->large_bytes;
    sums->free = usage->pools_free;
    sums->mapped = mapped;
    sums->heaps = usage->heaps;
    sums->returned = sums->purged_bytes + sums->trimmed_bytes + sums->released_bytes;
    for (unsigned class = 0; class < SIZE_CLASSES; class++)
        sums->pinned += usage->classes[class].pinned;
    memcpy(figures->classes, usage->classes, sizeof figures->classes);
    copy_collector(&figures->collector, collector);
}

/* ---- text ----------------------------------------------------------------------------------------------- */

/* "  1,234,567" in as many places as width has. */
static void format_grouped(char *text, size_t width, uint64_t value)
{
    char *at = text + width;
    unsigned digits = 0;
    *at = '\0';
    do {
        if (digits != 0 && digits % 3 == 0 && at > text)
            *--at = ',';
        if (at > text)
            *--at = (char)('0' + value % 10);
        value /= 10;
        digits++;
    } while (value != 0);
    while (at > text)
        *--at = ' ';
}

static void pad_name(char *text, size_t width, const char *name)
{
    size_t length = strlen(name);
    memset(text, ' ', width);
    memcpy(text, name, length < width ? length : width);
    text[width] = '\0';
}

static void write_row(const char *name, uint64_t value, const char *unit, const char *sentence, figures_line *line, void *context)
{
    char text[FIGURE_LINE_BYTES], padded[23], number[21];
    pad_name(padded, sizeof padded - 1, name);
    format_grouped(number, sizeof number - 1, value);
    log_format(text, sizeof text, "%s%s %s: %s", padded, number, unit, sentence);
    line(context, text);
}

static void write_class_text(unsigned class, const struct usage_class *row, figures_line *line, void *context)
{
    char text[FIGURE_LINE_BYTES], numbers[4][17];
    format_grouped(numbers[0], 12, size_classes[class].block_size);
    format_grouped(numbers[1], 12, row->pools);
    format_grouped(numbers[2], 16, row->blocks);
    format_grouped(numbers[3], 16, row->pinned);
    log_format(text, sizeof text, "%s%s%s%s", numbers[0], numbers[1], numbers[2], numbers[3]);
    line(context, text);
}

static void write_collector_text(const struct watch_figures *collector, figures_line *line, void *context)
{
    for (size_t i = 0; i < ARCA_ARRAY_LENGTH(generation_rows); i++) {
        for (unsigned g = 0; g < WATCH_GENERATIONS; g++) {
            char name[64];
            log_format(name, sizeof name, "%s, %s", generation_rows[i].name, g == 0 ? "young" : g == 1 ? "middle" : "old");
            write_row(name, figure_value(&collector->generations[g], &generation_rows[i]), generation_rows[i].unit,
                      generation_rows[i].sentence, line, context);
        }
    }
    for (size_t i = 0; i < ARCA_ARRAY_LENGTH(collector_rows); i++)
        write_row(collector_rows[i].name, figure_value(collector, &collector_rows[i]), collector_rows[i].unit,
                  collector_rows[i].sentence, line, context);
}

void figures_write_text(const struct figures *figures, figures_line *line, void *context)
{
    for (size_t i = 0; i < ARCA_ARRAY_LENGTH(rows); i++)
        write_row(rows[i].name, figure_value(&figures->stats, &rows[i]), rows[i].unit, rows[i].sentence, line, context);
    if (load_rlx(&figures->collector.loaded))
        write_collector_text(&figures->collector, line, context);
    line(context, "  block size       pools   blocks in use    pinned bytes");
    for (unsigned class = 0; class < SIZE_CLASSES; class++) {
        if (figures->classes[class].pools != 0)
            write_class_text(class, &figures->classes[class], line, context);
    }
}

/* ---- JSON ----------------------------------------------------------------------------------------------- */

static void write_member(const char *name, uint64_t value, const char *end, figures_line *line, void *context)
{
    char text[FIGURE_LINE_BYTES];
    log_format(text, sizeof text, "\"%s\": %lu%s", name, (unsigned long)value, end);
    line(context, text);
}

static void write_collector_json(const struct watch_figures *collector, figures_line *line, void *context)
{
    line(context, "\"collector\": {\"generations\": [");
    for (unsigned g = 0; g < WATCH_GENERATIONS; g++) {
        line(context, "{");
        for (size_t i = 0; i < ARCA_ARRAY_LENGTH(generation_rows); i++)
            write_member(generation_rows[i].name, figure_value(&collector->generations[g], &generation_rows[i]),
                         i + 1 < ARCA_ARRAY_LENGTH(generation_rows) ? "," : "", line, context);
        line(context, g + 1 < WATCH_GENERATIONS ? "}," : "}],");
    }
    for (size_t i = 0; i < ARCA_ARRAY_LENGTH(collector_rows); i++)
        write_member(collector_rows[i].name, figure_value(collector, &collector_rows[i]),
                     i + 1 < ARCA_ARRAY_LENGTH(collector_rows) ? "," : "},", line, context);
}

void figures_write_json(const struct figures *figures, unsigned pid, figures_line *line, void *context)
{
    char text[FIGURE_LINE_BYTES];
    const char *before = "";
    line(context, "{");
    write_member("pid", pid, ",", line, context);
    for (size_t i = 0; i < ARCA_ARRAY_LENGTH(rows); i++)
        write_member(rows[i].name, figure_value(&figures->stats, &rows[i]), ",", line, context);
    if (load_rlx(&figures->collector.loaded))
        write_collector_json(&figures->collector, line, context);
    line(context, "\"classes\": [");
    for (unsigned class = 0; class < SIZE_CLASSES; class++) {
        const struct usage_class *row = &figures->classes[class];
        if (row->pools == 0)
            continue;
        log_format(text, sizeof text, "%s{\"block_size\": %u, \"pools\": %lu, \"blocks\": %lu, \"pinned\": %lu}", before,
                   size_classes[class].block_size, (unsigned long)row->pools, (unsigned long)row->blocks,
                   (unsigned long)row->pinned);
        line(context, text);
        before = ",";
    }
    line(context, "]}");
}

/* ---- OpenMetrics ----------------------------------------------------------------------------------------- */

static bool ends_in(const char *name, const char *end)
{
    size_t length = strlen(name), end_length = strlen(end);
    return length > end_length && strcmp(name + length - end_length, end) == 0;
}

/* Times are told in seconds there. */
static bool is_time(const struct row *row)
{
    return strcmp(row->unit, "milliseconds") == 0;
}

/* arca_live_bytes; arca_purged_bytes; arca_age_seconds. */
static void format_family(char *name, size_t capacity, const char *prefix, const struct row *row)
{
    log_format(name, capacity, "%s%s%s", prefix, row->name, is_bytes(row) && !ends_in(row->name, "_bytes") ? "_bytes" : "");
    if (is_time(row))
        strcpy(name + strlen(name) - strlen("ms"), "seconds");
}

static void write_family(const char *name, const char *type, const char *unit, const char *sentence, figures_line *line, void *context)
{
    char text[FIGURE_LINE_BYTES];
    log_format(text, sizeof text, "# TYPE %s %s", name, type);
    line(context, text);
    if (unit[0] != '\0') {
        log_format(text, sizeof text, "# UNIT %s %s", name, unit);
        line(context, text);
    }
    log_format(text, sizeof text, "# HELP %s %s", name, sentence);
    line(context, text);
}

static void write_sample(const char *name, const struct row *row, const char *labels, const char *more, uint64_t value,
                         figures_line *line, void *context)
{
    char text[FIGURE_LINE_BYTES], number[32];
    if (is_time(row))
        log_format(number, sizeof number, "%lu.%lu%lu%lu", (unsigned long)(value / 1000), (unsigned long)(value / 100 % 10),
                   (unsigned long)(value / 10 % 10), (unsigned long)(value % 10));
    else
        log_format(number, sizeof number, "%lu", (unsigned long)value);
    log_format(text, sizeof text, "%s%s{%s%s} %s", name, row->kind == COUNTED ? "_total" : "", labels, more, number);
    line(context, text);
}

static void write_row_family(char *name, size_t capacity, const char *prefix, const struct row *row, figures_line *line, void *context)
{
    format_family(name, capacity, prefix, row);
    write_family(name, row->kind == COUNTED ? "counter" : "gauge", is_bytes(row) ? "bytes" : is_time(row) ? "seconds" : "", row->sentence, line, context);
}

static void write_collector_metrics(const struct figures_process *processes, size_t count, figures_line *line, void *context)
{
    char name[128], more[32];
    for (size_t i = 0; i < ARCA_ARRAY_LENGTH(generation_rows); i++) {
        write_row_family(name, sizeof name, "arca_gc_", &generation_rows[i], line, context);
        for (size_t p = 0; p < count; p++) {
            for (unsigned g = 0; load_rlx(&processes[p].figures->collector.loaded) && g < WATCH_GENERATIONS; g++) {
                log_format(more, sizeof more, ",generation=\"%u\"", g);
                write_sample(name, &generation_rows[i], processes[p].labels, more,
                             figure_value(&processes[p].figures->collector.generations[g], &generation_rows[i]), line, context);
            }
        }
    }
    for (size_t i = 0; i < ARCA_ARRAY_LENGTH(collector_rows); i++) {
        write_row_family(name, sizeof name, "arca_gc_", &collector_rows[i], line, context);
        for (size_t p = 0; p < count; p++) {
            if (load_rlx(&processes[p].figures->collector.loaded))
                write_sample(name, &collector_rows[i], processes[p].labels, "",
                             figure_value(&processes[p].figures->collector, &collector_rows[i]), line, context);
        }
    }
}

static void write_pinned_metrics(const struct figures_process *processes, size_t count, figures_line *line, void *context)
{
    static const struct row row = { "class_pinned", "bytes", "slack in pools that hold a block in use, by block size", 0, GAUGE };
    char name[128], more[32];
    write_row_family(name, sizeof name, "arca_", &row, line, context);
    for (size_t p = 0; p < count; p++) {
        for (unsigned class = 0; class < SIZE_CLASSES; class++) {
            if (processes[p].figures->classes[class].pools == 0)
                continue;
            log_format(more, sizeof more, ",block_size=\"%u\"", size_classes[class].block_size);
            write_sample(name, &row, processes[p].labels, more, processes[p].figures->classes[class].pinned, line, context);
        }
    }
}

void figures_write_metrics(const struct figures_process *processes, size_t count, figures_line *line, void *context)
{
    char name[128];
    for (size_t i = 0; i < ARCA_ARRAY_LENGTH(rows); i++) {
        write_row_family(name, sizeof name, "arca_", &rows[i], line, context);
        for (size_t p = 0; p < count; p++)
            write_sample(name, &rows[i], processes[p].labels, "", figure_value(&processes[p].figures->stats, &rows[i]), line, context);
    }
    write_pinned_metrics(processes, count, line, context);
    write_collector_metrics(processes, count, line, context);
    line(context, "# EOF");
}
