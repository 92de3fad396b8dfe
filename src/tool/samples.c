/* Going through processes. */
#include "tool/samples.h"

#include "base/os.h"
#include "tool/tool.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

static bool make_room(struct samples *samples)
{
    if (samples->count < samples->capacity)
        return true;
    size_t capacity = samples->capacity != 0 ? 2 * samples->capacity : 16;
    struct sample *items = realloc(samples->items, capacity * sizeof *items);
    if (items == NULL)
        return false;
    samples->items = items;
    samples->capacity = capacity;
    return true;
}

static struct absent *absent_of(struct samples *samples, int pid)
{
    return &samples->absent[(unsigned)pid % ABSENT_PLACES];
}

/* False where there is nothing to be seen. */
static bool find_page(struct samples *samples, struct process *process, struct stats_page *page)
{
    if (snapshot_find_page(process, page))
        return true;
    *absent_of(samples, process->pid) = (struct absent){ process->pid, os_clock_ms() + ABSENT_MS };
    return false;
}

static void add_process(struct samples *samples, int pid)
{
    struct process process;
    struct stats_page page;
    if (!make_room(samples))
        return;
    struct sample *sample = &samples->items[samples->count];
    memset(&sample->snapshot, 0, sizeof sample->snapshot);
    if (process_open(&process, pid) && find_page(samples, &process, &page) && snapshot_take(&process, &page, &sample->snapshot)) {
        sample->pid = pid;
        memcpy(sample->name, process.name, sizeof sample->name);
        samples->count++;
    } else {
        snapshot_free(&sample->snapshot);
        memcpy(samples->why, process.why, sizeof samples->why);
    }
    process_close(&process);
}

static void add_all_processes(struct samples *samples)
{
    DIR *directory = opendir("/proc");
    if (directory == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        int pid;
        if (!parse_pid(entry->d_name, &pid))
            continue;
        const struct absent *absent = absent_of(samples, pid);
        if (absent->pid != pid || absent->until_ms < os_clock_ms())
            add_process(samples, pid);
    }
    closedir(directory);
}

void samples_take(struct samples *samples, const int *pids, size_t count)
{
    samples->count = 0;
    samples->why[0] = '\0';
    for (size_t i = 0; i < count; i++)
        add_process(samples, pids[i]);
    if (count == 0)
        add_all_processes(samples);
}

void samples_free(struct samples *samples)
{
    for (size_t i = 0; i < samples->count; i++)
        snapshot_free(&samples->items[i].snapshot);
    samples->count = 0;
}
