/* arca top: where the memory of processes is, once a second, in a terminal. */
#include "tool/process.h"
#include "tool/samples.h"
#include "tool/tool.h"

#include <curses.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PIDS_MAX 256
#define REFRESH_MS 1000
#define CLASSES_SHOWN 8

/* The five that add up, as they are drawn. */
static const struct part {
    const char *name;
    size_t offset;
    char mark;
} parts[] = {
    { "live", offsetof(struct arca_stats, live), '#' },     { "slack", offsetof(struct arca_stats, slack), '=' },
    { "cached", offsetof(struct arca_stats, cached), '+' }, { "dirty", offsetof(struct arca_stats, dirty), '-' },
    { "meta", offsetof(struct arca_stats, meta), '.' },
};

static uint64_t part_of(const struct arca_stats *sums, const struct part *part)
{
    size_t bytes;
    memcpy(&bytes, (const char *)sums + part->offset, sizeof bytes);
    return bytes;
}

static int compare_resident(const void *a, const void *b)
{
    size_t left = ((const struct sample *)a)->figures.stats.resident;
    size_t right = ((const struct sample *)b)->figures.stats.resident;
    return left < right ? 1 : left > right ? -1 : 0;
}

/* What does not fit is cut off: it would go on in the next row. */
ARCA_PRINTF(2, 3) static void put(int row, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    format_line(line, sizeof line, format, args);
    va_end(args);
    mvaddnstr(row, 0, line, COLS);
}

/* ---- several processes -------------------------------------------------------------------------------------------- */

/* Eighty columns. */
static void draw_list(const struct samples *samples)
{
    char texts[6][16];
    attron(A_REVERSE);
    put(2, "%7s %-12s %9s %9s %9s %9s %9s %9s", "PID", "COMMAND", "RESIDENT", "LIVE", "SLACK", "CACHED", "DIRTY", "RETURNED");
    attroff(A_REVERSE);
    for (size_t i = 0; i < samples->count && (int)i + 3 < LINES; i++) {
        const struct arca_stats *sums = &samples->items[i].figures.stats;
        const uint64_t columns[] = { sums->resident, sums->live, sums->slack, sums->cached, sums->dirty, sums->returned };
        for (unsigned k = 0; k < ARCA_ARRAY_LENGTH(columns); k++)
            format_bytes(texts[k], columns[k]);
        put((int)i + 3, "%7d %-12.12s %9s %9s %9s %9s %9s %9s", samples->items[i].pid, samples->items[i].name, texts[0], texts[1], texts[2],
            texts[3], texts[4], texts[5]);
    }
}

/* ---- one ------------------------------------------------------------------------------------------------------------ */

static void draw_bar(int row, const struct arca_stats *sums)
{
    int width = COLS - 2, at = 0;
    uint64_t sum = 0;
    mvaddch(row, 0, '[');
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(parts); i++) {
        sum += part_of(sums, &parts[i]);
        int end = sums->resident == 0 ? 0 : (int)((double)sum / (double)sums->resident * width);
        for (; at < end; at++)
            addch((chtype)(unsigned char)parts[i].mark);
    }
    mvaddch(row, width + 1, ']');
}

static void draw_classes(int row, const struct figures *figures)
{
    bool shown[SIZE_CLASSES] = { false };
    char text[16];
    attron(A_REVERSE);
    put(row++, "%12s %12s %14s %12s", "BLOCK SIZE", "POOLS", "BLOCKS", "PINNED");
    attroff(A_REVERSE);
    for (unsigned i = 0; i < CLASSES_SHOWN && row < LINES; i++) {
        unsigned best = SIZE_CLASSES;
        for (unsigned class = 0; class < SIZE_CLASSES; class++) {
            if (!shown[class] && figures->classes[class].pools != 0 &&
                (best == SIZE_CLASSES || figures->classes[class].pinned > figures->classes[best].pinned))
                best = class;
        }
        if (best == SIZE_CLASSES)
            return;
        shown[best] = true;
        put(row++, "%12u %12lu %14lu %12s", size_classes[best].block_size, (unsigned long)figures->classes[best].pools,
                 (unsigned long)figures->classes[best].blocks, format_bytes(text, figures->classes[best].pinned));
    }
}

static void draw_one(const struct sample *sample, const struct arca_stats *before)
{
    char a[16], b[16];
    const struct arca_stats *sums = &sample->figures.stats;
    int row = 2;
    put(row++, "%d %s: resident %s, of %s mapped", sample->pid, sample->name, format_bytes(a, sums->resident),
             format_bytes(b, sums->mapped));
    draw_bar(row++, sums);
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(parts); i++) {
        uint64_t bytes = part_of(sums, &parts[i]);
        put(row++, "  %c %-8s %12s %5.1f %%", parts[i].mark, parts[i].name, format_bytes(a, bytes),
                 sums->resident == 0 ? 0 : 100.0 * (double)bytes / (double)sums->resident);
    }
    put(row++, "    returned %12s, %s in the last second", format_bytes(a, sums->returned),
             format_bytes(b, before->size != 0 && sums->returned >= before->returned ? sums->returned - before->returned : 0));
    draw_classes(row + 1, &sample->figures);
}

/* ---- the loop ---------------------------------------------------------------------------------------------------------- */

/* Of those that were seen longest ago. */
static uint64_t age_ms(const struct samples *samples)
{
    uint64_t oldest_ms = 0;
    for (size_t i = 0; i < samples->count; i++) {
        if (samples->items[i].figures.stats.age_ms > oldest_ms)
            oldest_ms = samples->items[i].figures.stats.age_ms;
    }
    return oldest_ms;
}

static void draw(const struct samples *samples, size_t wanted, const struct arca_stats *before)
{
    char clock[16], age[32] = "";
    time_t now = time(NULL);
    struct tm local;
    strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&now, &local));
    if (age_ms(samples) != 0)
        snprintf(age, sizeof age, ", seen up to %.1f s ago", (double)age_ms(samples) / 1000);
    erase();
    put(0, "arca top - %s - %zu process%s on Arca%s (q quits)", clock, samples->count, samples->count == 1 ? "" : "es", age);
    if (samples->left_out_count + samples->unreached != 0)
        put(1, "%zu left out%s%s", samples->left_out_count + samples->unreached, samples->left_out_count != 0 ? ": " : "",
                 samples->left_out_count != 0 ? samples->left_out[0].why : "");
    if (wanted == 1 && samples->count == 1)
        draw_one(&samples->items[0], before);
    else
        draw_list(samples);
    refresh();
}

static void watch(struct samples *samples, const int *pids, size_t count)
{
    struct arca_stats before = { .size = 0 };
    int key;
    do {
        samples_take(samples, pids, count);
        if (samples->count == 0 && count != 0)
            return;
        if (samples->count > 1)
            qsort(samples->items, samples->count, sizeof *samples->items, compare_resident);
        draw(samples, count, &before);
        if (samples->count != 0)
            before = samples->items[0].figures.stats;
        key = getch();
    } while (key != 'q' && key != 'Q' && key != 3);
}

int run_top(const struct command *command, int argc, char **argv)
{
    int pids[PIDS_MAX];
    static struct samples samples;
    if (argc > PIDS_MAX)
        return complain_usage(command, "more than %d processes", PIDS_MAX);
    for (int i = 0; i < argc; i++) {
        if (!parse_pid(argv[i], &pids[i]))
            return complain_usage(command, "'%s' is no process", argv[i]);
    }
    for (int i = 0; i < argc; i++) {
        struct process process;
        bool there = process_open_named(&process, pids[i]);
        process_close(&process);
        if (!there)
            return complain("%s", process.why);
    }
    samples_take(&samples, pids, (size_t)argc);
    if (samples.count == 0 && argc != 0)
        return complain("%s", samples.why);
    if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
        return complain("top: this is no terminal: take arca stat");
    SCREEN *screen = newterm(NULL, stdout, stdin);
    if (screen == NULL)
        return complain("top: the terminal is not known (TERM)");
    cbreak();
    noecho();
    curs_set(0);
    timeout(REFRESH_MS);
    watch(&samples, pids, (size_t)argc);
    endwin();
    fflush(stdout); /* before what stderr says */
    delscreen(screen);
    free(samples.items);
    if (samples.why[0] != '\0' && argc != 0)
        return complain("%s", samples.why);
    return STATUS_DONE;
}
