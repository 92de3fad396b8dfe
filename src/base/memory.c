/* The files of control groups and of /proc. */
#include "base/memory.h"

#include "base/log.h"
#include "base/os.h"

#include <string.h>

#define FILE_PATH_MAX 1024
#define TEXT_MAX 4096

const char *memory_root = "";

struct hierarchy {
    const char *mount, *controller; /* "" for version 2 */
    const char *limit;
};

static const struct hierarchy hierarchies[] = {
    { "/sys/fs/cgroup", "", "memory.max" },
    { "/sys/fs/cgroup/unified", "", "memory.max" },
    { "/sys/fs/cgroup/memory", "memory", "memory.limit_in_bytes" },
};

/* UINT64_MAX for no number ("max"). */
static uint64_t number_at(const char *text)
{
    uint64_t n = 0;
    if (*text < '0' || *text > '9')
        return UINT64_MAX;
    for (; *text >= '0' && *text <= '9'; text++)
        n = n * 10 + (uint64_t)(*text - '0');
    return n;
}

/* The number behind the key; 0 without it. */
static uint64_t number_after(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    if (at == NULL)
        return 0;
    at += strlen(key);
    return number_at(at + strspn(at, " "));
}

static long read_under_root(char *text, size_t capacity, const char *path)
{
    char full[FILE_PATH_MAX];
    log_format(full, sizeof full, "%s%s", memory_root, path);
    return os_read_file(full, text, capacity);
}

static long read_group_file(char *text, size_t capacity, const struct hierarchy *hierarchy, const char *group, const char *file)
{
    char path[FILE_PATH_MAX];
    log_format(path, sizeof path, "%s%s/%s", hierarchy->mount, group, file);
    return read_under_root(text, capacity, path);
}

/* ---- which group ------------------------------------------------------------------------------------------------ */

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

/* Lines of "number:controllers:path"; the path without a slash at its end. */
static bool find_group(const struct hierarchy *hierarchy, char *group, size_t capacity)
{
    char text[TEXT_MAX];
    if (read_under_root(text, sizeof text, "/proc/self/cgroup") <= 0)
        return false;
    for (const char *line = text; *line != '\0'; line += strcspn(line, "\n"), line += *line == '\n') {
        const char *list = strchr(line, ':');
        const char *path = list == NULL ? NULL : strchr(list + 1, ':');
        if (path == NULL)
            return false;
        list++;
        if (!has_controller(list, (size_t)(path - list), hierarchy->controller))
            continue;
        size_t length = strcspn(++path, "\n");
        if (length >= capacity)
            return false;
        memcpy(group, path, length);
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

/* ---- limits --------------------------------------------------------------------------------------------------------- */


/* Version 1 writes a huge number for no limit. */
static uint64_t limit_of(const struct hierarchy *hierarchy, const char *group)
{
    char text[64];
    if (read_group_file(text, sizeof text, hierarchy, group, hierarchy->limit) <= 0)
        return 0;
    uint64_t limit = number_at(text);
    return limit < (uint64_t)1 << 60 ? limit : 0;
}

static void look_at_hierarchy(const struct hierarchy *hierarchy, uint64_t *least_limit)
{
    char group[FILE_PATH_MAX / 2];
    if (!find_group(hierarchy, group, sizeof group))
        return;
    do {
        uint64_t limit = limit_of(hierarchy, group);
        if (limit != 0 && (*least_limit == 0 || limit < *least_limit))
            *least_limit = limit;
    } while (leave_group(group));
}

uint64_t memory_cgroup_limit(void)
{
    uint64_t least = 0;
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(hierarchies); i++)
        look_at_hierarchy(&hierarchies[i], &least);
    return least;
}

uint64_t memory_machine_bytes(void)
{
    char text[TEXT_MAX];
    return read_under_root(text, sizeof text, "/proc/meminfo") > 0 ? number_after(text, "MemTotal:") << 10 : 0;
}
