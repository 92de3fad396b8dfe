/* arca stat: the figures of one process. */
#include "tool/snapshot.h"
#include "tool/tool.h"

#include <string.h>

enum form { TEXT, JSON, METRICS, RANGES };

static bool parse_form(const char *text, enum form *form)
{
    static const char *const names[] = { [JSON] = "--json", [METRICS] = "--prom", [RANGES] = "--ranges" };
    for (unsigned i = JSON; i < ARCA_ARRAY_LENGTH(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *form = (enum form)i;
            return true;
        }
    }
    return false;
}

static void print_ranges(const struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->range_count; i++) {
        const struct snapshot_range *range = &snapshot->ranges[i];
        printf("%lx-%lx %s\n", (unsigned long)range->address, (unsigned long)(range->address + range->bytes), range->what);
    }
}

static void print(const struct process *process, const struct snapshot *snapshot, enum form form)
{
    char labels[128];
    struct figures_process one = { &snapshot->figures, labels };
    switch (form) {
    case JSON:
        figures_write_json(&snapshot->figures, (unsigned)process->pid, print_line, stdout);
        break;
    case METRICS:
        snprintf(labels, sizeof labels, "pid=\"%d\",command=\"%s\"", process->pid, process->name);
        figures_write_metrics(&one, 1, print_line, stdout);
        break;
    case RANGES:
        print_ranges(snapshot);
        break;
    default:
        printf("process %d (%s)\n", process->pid, process->name);
        figures_write_text(&snapshot->figures, print_line, stdout);
        break;
    }
}

int run_stat(const struct command *command, int argc, char **argv)
{
    enum form form = TEXT;
    int pid = 0;
    for (int i = 0; i < argc; i++) {
        if (argv[i][0] == '-' ? !parse_form(argv[i], &form) : pid != 0 || !parse_pid(argv[i], &pid))
            return complain_usage(command, "'%s' is no process and no option", argv[i]);
    }
    if (pid == 0)
        return complain_usage(command, "no process");
    struct process process;
    struct stats_page page;
    struct snapshot snapshot = { .ranges = NULL };
    bool done = process_open_named(&process, pid) && snapshot_find_page(&process, &page, NULL) && snapshot_take(&process, &page, &snapshot);
    if (done)
        print(&process, &snapshot, form);
    snapshot_free(&snapshot);
    process_close(&process);
    return done ? STATUS_DONE : complain("%s", process.why);
}
