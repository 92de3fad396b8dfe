/* Going through processes. */
#include "tool/samples.h"

#include "base/os.h"
#include "tool/room.h"
#include "tool/tool.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- one process ------------------------------------------------------------------------------------------------------ */

static struct absent *absent_of(struct samples *samples, int pid)
{
    return &samples->absent[(unsigned)pid % ABSENT_PLACES];
}

/* What the kernel told the program when it started it, addresses among it, summed up. */
static uint64_t program_of(int pid)
{
    unsigned char words[512];
    char path[64];
    uint64_t sum = 0;
    snprintf(path, sizeof path, "/proc/%d/auxv", pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t bytes = file >= 0 ? read(file, words, sizeof words) : 0;
    for (ssize_t i = 0; i < bytes; i++)
        sum = (sum ^ words[i]) * UINT64_C(0x100000001b3);
    if (file >= 0)
        close(file);
    return sum;
}

/* At its first look it may not have loaded its libraries yet. */
static void note_absent(struct samples *samples, int pid)
{
    struct absent *absent = absent_of(samples, pid);
    uint64_t now_ms = os_clock_ms(), program = program_of(pid);
    bool sure = absent->pid == pid && program != 0 && absent->program == program;
    *absent = (struct absent){ pid, now_ms + ABSENT_MS, sure ? now_ms + ABSENT_SURE_MS : 0, program };
}

static bool is_absent(struct samples *samples, int pid)
{
    struct absent *absent = absent_of(samples, pid);
    uint64_t now_ms = os_clock_ms();
    if (absent->pid != pid)
        return false;
    if (absent->until_ms >= now_ms)
        return true;
    if (absent->sure_until_ms < now_ms || program_of(pid) != absent->program)
        return false;
    absent->until_ms = now_ms + ABSENT_MS;
    return true;
}

static void add_sample(struct samples *samples, int pid, const struct look *look)
{
    if (!make_room(&samples->items, samples->count, &samples->capacity, sizeof *samples->items))
        return;
    struct sample *sample = &samples->items[samples->count++];
    sample->pid = pid;
    memcpy(sample->name, look->name, sizeof sample->name);
    sample->figures = look->figures;
}

static void add_left_out(struct samples *samples, const struct left_out *one)
{
    if (make_room(&samples->left_out, samples->left_out_count, &samples->left_out_capacity, sizeof *one))
        samples->left_out[samples->left_out_count++] = *one;
}

static void add_process(struct samples *samples, int pid, uint64_t until_ms)
{
    struct look look;
    uint64_t now_ms = os_clock_ms(), left_ms = now_ms < until_ms ? until_ms - now_ms : 0;
    look_at(&samples->looker, pid, left_ms < LOOK_MS ? (unsigned)left_ms : LOOK_MS, &look);
    if (look.outcome == LOOK_DONE) {
        add_sample(samples, pid, &look);
        return;
    }
    memcpy(samples->why, look.why, sizeof samples->why);
    if (look.outcome == LOOK_ABSENT) {
        note_absent(samples, pid);
        return;
    }
    struct left_out one = { .pid = pid, .until_ms = look.outcome == LOOK_SLOW && left_ms >= LOOK_MS ? now_ms + SLOW_MS : 0 };
    memcpy(one.name, look.name, sizeof one.name);
    memcpy(one.why, look.why, sizeof one.why);
    add_left_out(samples, &one);
}

/* ---- all of them ------------------------------------------------------------------------------------------------------- */

struct pids {
    int *items;
    size_t count, capacity;
};

static struct pids all_pids(void)
{
    struct pids pids = { NULL, 0, 0 };
    DIR *directory = opendir("/proc");
    if (directory == NULL)
        return pids;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        int pid;
        if (parse_pid(entry->d_name, &pid) && make_room(&pids.items, pids.count, &pids.capacity, sizeof pid))
            pids.items[pids.count++] = pid;
    }
    closedir(directory);
    return pids;
}

/* Those that were samples the last time, to the front. */
static void known_first(struct pids *pids, const struct samples *samples)
{
    size_t known = 0;
    for (size_t i = 0; i < samples->count; i++) {
        for (size_t at = known; at < pids->count; at++) {
            if (pids->items[at] == samples->items[i].pid) {
                pids->items[at] = pids->items[known];
                pids->items[known++] = samples->items[i].pid;
                break;
            }
        }
    }
}

static bool is_left_alone(struct samples *samples, int pid)
{
    for (size_t i = 0; i < samples->left_out_count; i++) {
        if (samples->left_out[i].pid == pid)
            return true;
    }
    return false;
}

/* Of those left out, the ones that go on to be, as long as they are there. */
static void keep_left_out(struct samples *samples, const struct pids *pids)
{
    size_t kept = 0;
    uint64_t now_ms = os_clock_ms();
    for (size_t i = 0; i < samples->left_out_count; i++) {
        bool there = false;
        for (size_t k = 0; k < pids->count; k++)
            there |= pids->items[k] == samples->left_out[i].pid;
        if (there && samples->left_out[i].until_ms > now_ms)
            samples->left_out[kept++] = samples->left_out[i];
    }
    samples->left_out_count = kept;
}

static void add_all_processes(struct samples *samples)
{
    uint64_t until_ms = os_clock_ms() + SAMPLES_MS;
    struct pids pids = all_pids();
    known_first(&pids, samples);
    samples->count = 0;
    keep_left_out(samples, &pids);
    samples->unreached = 0;
    for (size_t i = 0; i < pids.count; i++) {
        if (is_absent(samples, pids.items[i]) || is_left_alone(samples, pids.items[i]))
            continue;
        if (os_clock_ms() < until_ms)
            add_process(samples, pids.items[i], until_ms);
        else
            samples->unreached++;
    }
    free(pids.items);
}

void samples_take(struct samples *samples, const int *pids, size_t count)
{
    samples->why[0] = '\0';
    if (count == 0) {
        add_all_processes(samples);
        return;
    }
    samples->count = 0;
    samples->left_out_count = 0;
    for (size_t i = 0; i < count; i++)
        add_process(samples, pids[i], UINT64_MAX);
}
