/* arca doctor: what is worth knowing about a process on Arca, and what can be done about it. */
#include "tool/load_order.h"
#include "tool/snapshot.h"
#include "tool/symbol.h"
#include "tool/tool.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define PINNED_SHOWN 4
#define MALLOCS_MAX 16
#define LITTLE ((uint64_t)1 << 20) /* bytes that are nobody's concern */

struct owner {
    uintptr_t address;
    char path[512];
};

struct patient {
    struct process process;
    struct snapshot snapshot;
    char library[512];                 /* the file that has the page */
    struct owner mallocs[MALLOCS_MAX]; /* files that define malloc */
    unsigned malloc_count;
};

ARCA_PRINTF(2, 3) static void say(const char *verdict, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    format_line(line, sizeof line, format, args);
    va_end(args);
    printf(" %-5s %s\n", verdict, line);
}

#define fine(...) say("ok", __VA_ARGS__)
#define look(...) say("look", __VA_ARGS__)
#define advise(...) say("", "-> " __VA_ARGS__)

static unsigned percent(uint64_t part, uint64_t whole)
{
    return whole == 0 ? 0 : (unsigned)(100.0 * (double)part / (double)whole + 0.5);
}

static bool is_worth_a_look(uint64_t part, uint64_t whole, unsigned from_percent)
{
    return part >= LITTLE && percent(part, whole) >= from_percent;
}

/* The number behind a name, as in "Rss:   12 kB"; 0 without. */
static uint64_t number_after(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at == NULL ? 0 : strtoull(at + strlen(name), NULL, 10);
}

/* ---- whose malloc it is --------------------------------------------------------------------------------------- */

static bool see_owner(const struct mapping *mapping, void *context)
{
    struct owner *owner = context;
    if (owner->address < mapping->start || owner->address >= mapping->end)
        return true;
    snprintf(owner->path, sizeof owner->path, "%s", mapping->path);
    return false;
}

/* The file that holds an address; "" without. */
static void owner_of(struct process *process, uintptr_t address, struct owner *owner)
{
    *owner = (struct owner){ .address = address, .path = "" };
    process_mappings(process, see_owner, owner);
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static bool is_libc(const char *path)
{
    const char *base = base_of(path);
    return strncmp(base, "libc.so", 7) == 0 || strncmp(base, "libc-", 5) == 0 || strncmp(base, "ld-", 3) == 0;
}

static bool see_malloc(struct process *process, uintptr_t address, void *context)
{
    struct patient *patient = context;
    if (patient->malloc_count < MALLOCS_MAX)
        owner_of(process, address, &patient->mallocs[patient->malloc_count++]);
    return patient->malloc_count < MALLOCS_MAX;
}

/* The first in the order of the loader; NULL where it can not be told. */
static const struct owner *first_malloc(struct patient *patient)
{
    static struct load_order order;
    load_order_read(&patient->process, &order);
    for (unsigned i = 0; i < order.count; i++) {
        struct owner file;
        owner_of(&patient->process, order.dynamic[i], &file);
        for (unsigned k = 0; k < patient->malloc_count; k++) {
            if (strcmp(file.path, patient->mallocs[k].path) == 0)
                return &patient->mallocs[k];
        }
    }
    return NULL;
}

static void examine_order(struct patient *patient)
{
    unsigned others = 0;
    symbol_find(&patient->process, "malloc", see_malloc, patient);
    const struct owner *first = first_malloc(patient);
    bool other_first = first != NULL && strcmp(first->path, patient->library) != 0;
    for (unsigned i = 0; i < patient->malloc_count; i++) {
        const char *path = patient->mallocs[i].path;
        if (strcmp(path, patient->library) == 0 || is_libc(path))
            continue;
        others++;
        if (!other_first)
            fine("%s has a malloc too, which comes after Arca's", path);
    }
    if (other_first) {
        look("malloc is that of %s, which comes before Arca's", first->path);
        advise("%s", is_libc(first->path) ? "start it by arca run" : "build the program without a malloc of its own, or preload Arca before");
    } else if (others == 0) {
        fine("no other malloc is loaded");
    }
}

static bool see_own_page(struct process *process, uintptr_t address, void *context)
{
    struct owner owner;
    owner_of(process, address, &owner);
    snprintf(((struct patient *)context)->library, sizeof owner.path, "%s", owner.path);
    return false;
}

static void examine_malloc(struct patient *patient)
{
    symbol_find(&patient->process, "arca_stats_page", see_own_page, patient);
    if (patient->snapshot.figures.stats.mapped != 0) {
        fine("Arca is at work: %s", patient->library);
    } else {
        look("Arca is loaded and has no memory: %s", patient->library);
        advise("another malloc comes before it, or nothing was allocated yet");
    }
    examine_order(patient);
}

/* ---- what was set ------------------------------------------------------------------------------------------------- */

static void say_setting(void *count, const char *text)
{
    ++*(unsigned *)count;
    fine("%s", text);
}

/* By the tool's own table: nothing of it is set here. */
static void examine_settings(const struct patient *patient)
{
    unsigned count = 0;
    options = patient->snapshot.options;
    options_make_safe(&options);
    options_write(say_setting, &count);
    if (count == 0)
        fine("no option is set");
}

/* ---- the kernel's side ------------------------------------------------------------------------------------------ */

static void examine_pages(struct patient *patient)
{
    char text[4096], a[16], b[16];
    if (!process_file(&patient->process, "smaps_rollup", text, sizeof text))
        return;
    uint64_t huge = number_after(text, "AnonHugePages:") << 10, lazy = number_after(text, "LazyFree:") << 10;
    uint64_t swapped = number_after(text, "Swap:") << 10, all = number_after(text, "Rss:") << 10;
    fine("%s of the %s that are resident come in huge pages (option huge_pages is %s)", format_bytes(a, huge), format_bytes(b, all),
         patient->snapshot.options.huge_pages ? "on" : "off");
    if (lazy != 0) {
        look("%s are free and still counted as resident until memory is short", format_bytes(a, lazy));
        advise("that is what lazy=on does; without it the resident size tells the truth");
    } else {
        fine("no memory is freed lazily");
    }
    if (swapped != 0)
        look("%s are swapped out, and in none of the figures", format_bytes(a, swapped));
}

static bool count_mapping(const struct mapping *mapping, void *context)
{
    (void)mapping;
    ++*(size_t *)context;
    return true;
}

static void examine_mappings(struct patient *patient)
{
    char text[64];
    size_t count = 0;
    uint64_t most = read_file("/proc/sys/vm/max_map_count", text, sizeof text) ? strtoull(text, NULL, 10) : 65530;
    process_mappings(&patient->process, count_mapping, &count);
    if (count * 5 < most * 4) {
        fine("%zu of %lu mappings are used (vm.max_map_count)", count, (unsigned long)most);
    } else {
        look("%zu of %lu mappings are used (vm.max_map_count)", count, (unsigned long)most);
        advise("beyond, mmap() fails: raise vm.max_map_count");
    }
}

/* A limit of the cgroup or of one above it; 0 without. */
static uint64_t cgroup_limit(const char *mount, char *path, const char *limit_file, const char *use_file, uint64_t *use)
{
    uint64_t least = 0;
    for (;;) {
        char file[1024], text[64];
        snprintf(file, sizeof file, "%s%s/%s", mount, path, limit_file);
        uint64_t limit = read_file(file, text, sizeof text) ? strtoull(text, NULL, 10) : 0;
        if (limit != 0 && limit < (uint64_t)1 << 60 && (least == 0 || limit < least)) {
            least = limit;
            snprintf(file, sizeof file, "%s%s/%s", mount, path, use_file);
            *use = read_file(file, text, sizeof text) ? strtoull(text, NULL, 10) : 0;
        }
        char *last = strrchr(path, '/');
        if (last == NULL)
            return least;
        *last = '\0';
    }
}

/* "memory" among the controllers of a line of version 1, "cpu,memory:/path". */
static bool is_of_memory(const char *list)
{
    for (size_t length; *list != ':' && *list != '\0'; list += length + (list[length] == ',')) {
        length = strcspn(list, ",:");
        if (length == 6 && strncmp(list, "memory", 6) == 0)
            return true;
    }
    return false;
}

static void examine_cgroup(struct patient *patient)
{
    char text[4096], a[16], b[16], *state = NULL;
    uint64_t limit = 0, use = 0;
    if (!process_file(&patient->process, "cgroup", text, sizeof text))
        return;
    for (char *line = strtok_r(text, "\n", &state); line != NULL && limit == 0; line = strtok_r(NULL, "\n", &state)) {
        char *list = strchr(line, ':'), *path = list != NULL ? strchr(list + 1, ':') : NULL; /* which may have more of them */
        if (path == NULL)
            continue;
        if (strncmp(line, "0::", 3) == 0)
            limit = cgroup_limit("/sys/fs/cgroup", path + 1, "memory.max", "memory.current", &use);
        else if (is_of_memory(list + 1))
            limit = cgroup_limit("/sys/fs/cgroup/memory", path + 1, "memory.limit_in_bytes", "memory.usage_in_bytes", &use);
    }
    if (limit == 0) {
        fine("no cgroup limits its memory");
        return;
    }
    say(use * 10 > limit * 9 ? "look" : "ok", "its cgroup uses %s of %s", format_bytes(a, use), format_bytes(b, limit));
    if (patient->snapshot.options.limit == 0)
        advise("limit=80%%cgroup would make it give memory back at once before the limit is reached");
}

/* ---- where the memory is ------------------------------------------------------------------------------------------ */

static unsigned most_pinned(const struct figures *figures, const bool *shown)
{
    unsigned best = SIZE_CLASSES;
    for (unsigned class = 0; class < SIZE_CLASSES; class++) {
        if (!shown[class] && figures->classes[class].pinned != 0 &&
            (best == SIZE_CLASSES || figures->classes[class].pinned > figures->classes[best].pinned))
            best = class;
    }
    return best;
}

static void examine_pinned(const struct figures *figures)
{
    char a[16], b[16];
    bool shown[SIZE_CLASSES] = { false };
    const struct arca_stats *sums = &figures->stats;
    bool much = is_worth_a_look(sums->pinned, sums->resident, 25);
    say(much ? "look" : "ok", "%s (%u %% of what is resident) lie beside blocks in use, on pages that these pin",
        format_bytes(a, sums->pinned), percent(sums->pinned, sums->resident));
    if (!much)
        return;
    for (unsigned i = 0; i < PINNED_SHOWN; i++) {
        unsigned class = most_pinned(figures, shown);
        if (class == SIZE_CLASSES || percent(figures->classes[class].pinned, sums->resident) == 0)
            break;
        const struct usage_class *row = &figures->classes[class];
        shown[class] = true;
        say("", "%s by %lu block%s of %u bytes, %s", format_bytes(a, row->pinned), (unsigned long)row->blocks, row->blocks == 1 ? "" : "s",
            size_classes[class].block_size, format_bytes(b, row->blocks * size_classes[class].block_size));
    }
    advise("blocks that live long among many that do not: allocate them before, or in a heap of their own (arca_heap_create)");
}

static void examine_returning(const struct patient *patient)
{
    char a[16], b[16];
    const struct arca_stats *sums = &patient->snapshot.figures.stats;
    const struct options *in_force = &patient->snapshot.options;
    bool much = is_worth_a_look(sums->dirty, sums->resident, 10);
    say(much ? "look" : "ok", "%s (%u %%) are free and not given back yet", format_bytes(a, sums->dirty), percent(sums->dirty, sums->resident));
    if (in_force->purge == OPTION_NEVER)
        advise("purge=never keeps it");
    else if (much)
        advise("it goes once it has been unused for %lu ms (option purge)", (unsigned long)in_force->purge);
    if (!in_force->background)
        advise("background=off: it goes only when threads allocate or free");
    if (sums->last_refused_bytes != 0) {
        look("the kernel refused to take %s (%lu purges)", format_bytes(a, sums->last_refused_bytes), (unsigned long)sums->purge_failures);
        advise("memory that is locked (mlockall) can not be given back");
    }
    much = is_worth_a_look(sums->cached, sums->resident, 10);
    say(much ? "look" : "ok", "%s (%u %%) are kept by threads for their next malloc", format_bytes(a, sums->cached), percent(sums->cached, sums->resident));
    if (much)
        advise("%s", in_force->sweep ? "what sleeping threads keep is taken from them; option cache bounds what a thread keeps" : "sweep=off lets sleeping threads keep it");
    fine("%s are given back so far, %s of them from beside blocks in use", format_bytes(a, sums->returned), format_bytes(b, sums->trimmed_bytes));
}

static void examine(struct patient *patient)
{
    char a[16], b[16], text[4096];
    const struct arca_stats *sums = &patient->snapshot.figures.stats;
    uint64_t all = process_file(&patient->process, "smaps_rollup", text, sizeof text) ? number_after(text, "Rss:") << 10 : 0;
    printf("process %d (%s): %s of the %s that are resident are Arca's, %u %% of these live\n\n", patient->process.pid,
           patient->process.name, format_bytes(a, sums->resident), format_bytes(b, all), percent(sums->live, sums->resident));
    examine_malloc(patient);
    examine_settings(patient);
    examine_pages(patient);
    examine_mappings(patient);
    examine_cgroup(patient);
    examine_returning(patient);
    examine_pinned(&patient->snapshot.figures);
}

/* ---- where it is not ------------------------------------------------------------------------------------------------ */

/* What the process was started with; false without. */
static bool read_preload(const struct process *process, char *preload, size_t capacity)
{
    static const char name[] = "LD_PRELOAD=";
    char path[64], *variable = NULL;
    size_t room = 0;
    bool found = false;
    snprintf(path, sizeof path, "/proc/%d/environ", process->pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && !found && getdelim(&variable, &room, '\0', file) > 0)
        found = strncmp(variable, name, sizeof name - 1) == 0;
    if (found)
        snprintf(preload, capacity, "%s", variable + sizeof name - 1);
    if (file != NULL)
        fclose(file);
    free(variable);
    return found;
}

static int explain_absence(struct process *process)
{
    char program[64], preload[512];
    size_t mappings = 0;
    if (!process_mappings(process, count_mapping, &mappings) || mappings == 0) /* it has ended meanwhile, or is the kernel's */
        return complain("%s", process->why);
    snprintf(program, sizeof program, "/proc/%d/exe", process->pid);
    const char *why = preload_obstacle(program);
    if (why != NULL)
        return complain("%s: %s", process->why, why);
    if (!read_preload(process, preload, sizeof preload) || strstr(preload, "libarca") == NULL)
        return complain("%s: it was started without (arca run starts it with)", process->why);
    return complain("%s: the loader has left out LD_PRELOAD=%s, and said why on stderr, unless the program changes its user", process->why, preload);
}

int run_doctor(const struct command *command, int argc, char **argv)
{
    int pid;
    if (!parse_one_pid(command, argc, argv, &pid))
        return STATUS_USAGE;
    struct patient *patient = calloc(1, sizeof *patient);
    struct stats_page page = { .size = 0 };
    if (patient == NULL)
        return complain("doctor: out of memory");
    bool opened = process_open_named(&patient->process, pid);
    bool done = opened && snapshot_find_page(&patient->process, &page, NULL) && snapshot_take(&patient->process, &page, &patient->snapshot);
    if (done)
        examine(patient);
    else if (opened && page.size == 0)
        explain_absence(&patient->process);
    else
        complain("%s", patient->process.why);
    snapshot_free(&patient->snapshot);
    process_close(&patient->process);
    free(patient);
    return done ? STATUS_DONE : STATUS_FAILED;
}
