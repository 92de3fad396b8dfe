/* The files of control groups and of /proc. */
#include "base/memory.h"

#include "base/log.h"
#include "base/os.h"

#include <string.h>

#define FILE_PATH_MAX 1024
#define GROUP_MAX 512
#define TEXT_MAX 4096
#define LIMIT_MARGIN 16
#define PROC_PATH_MAX 256
#define NARROW ((uint64_t)1 << 30) /* sixteen of the largest arenas */

const char *memory_root = "";

/* Of one thread at a time; too large for the stacks that this may run on. */
static ARCA_SPARSE char groups[TEXT_MAX], text[TEXT_MAX], path[FILE_PATH_MAX];

struct hierarchy {
    const char *mount, *controller; /* "" for version 2 */
    const char *limits[2]; /* the second: above it the kernel holds up who allocates; version 1 has none */
    const char *used;
    const char *droppable[2]; /* keys of memory.stat */
};

static const struct hierarchy hierarchies[] = {
    { "/sys/fs/cgroup", "", { "memory.max", "memory.high" }, "memory.current", { "\ninactive_file ", "\nactive_file " } },
    { "/sys/fs/cgroup/unified", "", { "memory.max", "memory.high" }, "memory.current", { "\ninactive_file ", "\nactive_file " } },
    { "/sys/fs/cgroup/memory", "memory", { "memory.limit_in_bytes", NULL }, "memory.usage_in_bytes",
      { "\ntotal_inactive_file ", "\ntotal_active_file " } },
};

/* UINT64_MAX for no number ("max"). */
static uint64_t number_at(const char *digits)
{
    uint64_t n = 0;
    if (*digits < '0' || *digits > '9')
        return UINT64_MAX;
    for (; *digits >= '0' && *digits <= '9'; digits++)
        n = n * 10 + (uint64_t)(*digits - '0');
    return n;
}

/* The number behind the key; 0 without it. */
static uint64_t number_after(const char *key)
{
    const char *at = strstr(text, key);
    if (at == NULL)
        return 0;
    at += strlen(key);
    at += strspn(at, " ");
    return *at >= '0' && *at <= '9' ? number_at(at) : 0;
}

static bool read_text(char *into, const char *file)
{
    log_format(path, sizeof path, "%s%s", memory_root, file);
    return os_read_file(path, into, TEXT_MAX) > 0;
}

static bool read_group_text(const struct hierarchy *hierarchy, const char *group, const char *file)
{
    log_format(path, sizeof path, "%s%s%s/%s", memory_root, hierarchy->mount, group, file);
    return os_read_file(path, text, TEXT_MAX) > 0;
}

/* ---- groups ----------------------------------------------------------------------------------------------------- */

/* "memory" among "cpu,memory". */
static bool has_controller(const char *list, size_t length, const char *name)
{
    size_t wanted = strlen(name);
    for (size_t i = 0; i <= length;) {
        size_t n = strcspn(list + i, ",:");
        if (n == wanted && memcmp(list + i, name, n) == 0)
            return true;
        i += n + 1;
    }
    return false;
}

/* The process' own, from lines of "number:controllers:path"; the path without a slash at its end. */
static bool find_group(const struct hierarchy *hierarchy, char *group)
{
    for (const char *line = groups; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *list = strchr(line, ':');
        const char *at = list == NULL ? NULL : strchr(list + 1, ':');
        if (at == NULL)
            return false;
        if (!has_controller(list + 1, (size_t)(at - list) - 1, hierarchy->controller))
            continue;
        size_t length = strcspn(++at, "\n");
        if (length >= GROUP_MAX)
            return false;
        memcpy(group, at, length);
        group[length - (length == 1)] = '\0';
        return true;
    }
    return false;
}

static bool leave_group(char *group)
{
    char *slash = strrchr(group, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    return true;
}

/* The least that there is for any group that the process is in. */
static uint64_t least(uint64_t (*visit)(const struct hierarchy *hierarchy, const char *group))
{
    char group[GROUP_MAX];
    uint64_t result = UINT64_MAX;
    if (!read_text(groups, "/proc/self/cgroup"))
        return result;
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(hierarchies); i++) {
        if (!find_group(&hierarchies[i], group))
            continue;
        do {
            uint64_t value = visit(&hierarchies[i], group);
            if (value < result)
                result = value;
        } while (leave_group(group));
    }
    return result;
}

/* ---- limits ------------------------------------------------------------------------------------------------------- */

/* UINT64_MAX for no limit, for which version 1 writes a huge number. */
static uint64_t limit_of(const struct hierarchy *hierarchy, const char *group)
{
    uint64_t limit = UINT64_MAX;
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(hierarchy->limits) && hierarchy->limits[i] != NULL; i++) {
        uint64_t other = read_group_text(hierarchy, group, hierarchy->limits[i]) ? number_at(text) : UINT64_MAX;
        limit = other < limit ? other : limit;
    }
    return limit < (uint64_t)1 << 60 ? limit : UINT64_MAX;
}

static uint64_t used_in(const struct hierarchy *hierarchy, const char *group)
{
    uint64_t used = read_group_text(hierarchy, group, hierarchy->used) ? number_at(text) : 0, droppable = 0;
    if (read_group_text(hierarchy, group, "memory.stat"))
        droppable = number_after(hierarchy->droppable[0]) + number_after(hierarchy->droppable[1]);
    return used > droppable ? used - droppable : 0;
}

static uint64_t spare_of(const struct hierarchy *hierarchy, const char *group)
{
    uint64_t limit = limit_of(hierarchy, group);
    return limit == UINT64_MAX ? UINT64_MAX : memory_spare(limit, used_in(hierarchy, group));
}

uint64_t memory_spare(uint64_t limit, uint64_t used)
{
    uint64_t near = limit - limit / LIMIT_MARGIN;
    return used < near ? near - used : 0;
}

uint64_t memory_cgroup_limit(void)
{
    uint64_t limit = least(limit_of);
    return limit == UINT64_MAX ? 0 : limit;
}

uint64_t memory_cgroup_spare(void)
{
    return least(spare_of);
}

/* Pages: mapped, in memory, of those in memory the ones of files; and behind three more, those that are the process' own. */
#define STATM_MAPPED 0
#define STATM_RESIDENT 1
#define STATM_FILES 2
#define STATM_OWN 5
static bool read_statm(uint64_t numbers[STATM_OWN + 1])
{
    char file[PROC_PATH_MAX], line[128];
    log_format(file, sizeof file, "%s/proc/self/statm", memory_root);
    if (os_read_file(file, line, sizeof line) <= 0)
        return false;
    const char *at = line;
    for (unsigned i = 0; i <= STATM_OWN; i++) {
        numbers[i] = number_at(at);
        at += strcspn(at, " ");
        at += strspn(at, " ");
    }
    return true;
}

static uint64_t number_of_statm(unsigned i)
{
    uint64_t numbers[STATM_OWN + 1];
    return read_statm(numbers) ? numbers[i] : UINT64_MAX;
}

static uint64_t spare_under(uint64_t limit, unsigned counted, uint64_t reserved)
{
    uint64_t pages = limit == UINT64_MAX ? UINT64_MAX : number_of_statm(counted);
    if (pages == UINT64_MAX)
        return UINT64_MAX;
    uint64_t mapped = pages * OS_PAGE_SIZE;
    return memory_spare(limit, mapped > reserved ? mapped - reserved : 0);
}

uint64_t memory_address_spare(uint64_t reserved)
{
    uint64_t all = spare_under(os_address_limit(), STATM_MAPPED, reserved), own = spare_under(os_data_limit(), STATM_OWN, reserved);
    return all < own ? all : own;
}

bool memory_reserving_is_dear(void)
{
    char file[PROC_PATH_MAX], mode[4];
    if (os_address_limit() < NARROW || os_data_limit() < NARROW)
        return true;
    log_format(file, sizeof file, "%s/proc/sys/vm/overcommit_memory", memory_root);
    return os_read_file(file, mode, sizeof mode) > 0 && mode[0] == '2';
}

uint64_t memory_anonymous(void)
{
    uint64_t numbers[STATM_OWN + 1];
    if (!read_statm(numbers) || numbers[STATM_RESIDENT] == UINT64_MAX || numbers[STATM_FILES] > numbers[STATM_RESIDENT])
        return UINT64_MAX;
    return (numbers[STATM_RESIDENT] - numbers[STATM_FILES]) * OS_PAGE_SIZE;
}

uint64_t memory_machine_bytes(void)
{
    return read_text(text, "/proc/meminfo") ? number_after("MemTotal:") << 10 : 0;
}

/* ---- stalls --------------------------------------------------------------------------------------------------------- */

/* Of "some avg10=12.34 …", the first line. */
static uint32_t stall_in_text(void)
{
    static const char key[] = "some avg10=";
    if (strncmp(text, key, sizeof key - 1) != 0)
        return 0;
    const char *at = text + sizeof key - 1, *point = strchr(at, '.');
    uint64_t whole = number_at(at), hundredths = point != NULL ? number_at(point + 1) : 0;
    return whole <= 100 && hundredths < 100 ? (uint32_t)(whole * 100 + hundredths) : 0;
}

uint32_t memory_stall(void)
{
    char group[GROUP_MAX];
    uint32_t stall = read_text(text, "/proc/pressure/memory") ? stall_in_text() : 0;
    if (!read_text(groups, "/proc/self/cgroup"))
        return stall;
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(hierarchies); i++) {
        if (hierarchies[i].controller[0] == '\0' && find_group(&hierarchies[i], group) &&
            read_group_text(&hierarchies[i], group, "memory.pressure") && stall_in_text() > stall)
            stall = stall_in_text();
    }
    return stall;
}
