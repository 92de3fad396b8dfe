/* The profile as a file: the text form of gperftools, version heap_v2, which says that readers are to scale samples up. */
#include "arca/arca.h"

#include "arenas/sample.h"
#include "base/log.h"
#include "base/os.h"
#include "base/options.h"
#include "front/profile.h"

#include <errno.h>
#include <string.h>

/* Four numbers and a stack. */
#define PROFILE_LINE_BYTES 1024

static size_t format_tallies(char *line, const char *title, const struct tally *used, const struct tally *total)
{
    return log_format(line, PROFILE_LINE_BYTES, "%s%lu: %lu [%lu: %lu] @", title, used->blocks, used->bytes, total->blocks, total->bytes);
}

static const struct tally *shown(const struct tallies *tallies, enum arca_profile_view view)
{
    return view == ARCA_PROFILE_PEAK ? &tallies->peak : &tallies->live;
}

static void write_site(int fd, const struct site *site, const struct tallies *tallies, enum arca_profile_view view)
{
    char line[PROFILE_LINE_BYTES];
    size_t length = format_tallies(line, "", shown(tallies, view), &tallies->total);
    for (uint32_t i = 0; i < site->depth; i++)
        length += log_format(line + length, PROFILE_LINE_BYTES - length, " %p", (void *)site->stack[i]);
    line[length++] = '\n';
    os_write(fd, line, length);
}

static void write_profile(int fd, const struct tallies *sites, uint32_t count, const struct tallies *all, enum arca_profile_view view)
{
    char line[PROFILE_LINE_BYTES];
    size_t length = format_tallies(line, "heap profile: ", shown(all, view), &all->total);
    length += log_format(line + length, sizeof line - length, " heap_v2/%lu\n", options.profile);
    os_write(fd, line, length);
    for (uint32_t i = 0; i < count; i++)
        write_site(fd, sites_get(&samples, i + 1), &sites[i], view);
    os_write(fd, "\nMAPPED_LIBRARIES:\n", 19);
    os_copy_file(fd, "/proc/self/maps");
}

int arca_profile_dump(const char *path, enum arca_profile_view view)
{
    struct tallies all;
    if (options.profile == 0) {
        errno = ENOTSUP;
        return -1;
    }
    uint32_t capacity = load_acq(&samples.count); /* P:site count acquire: with new_site_locked */
    size_t bytes = bits_round_up((capacity + 1) * sizeof all, OS_PAGE_SIZE);
    struct tallies *sites = os_map(bytes, OS_PAGE_SIZE);
    if (sites == NULL) {
        errno = ENOMEM;
        return -1;
    }
    int fd = os_create_file(path);
    if (fd < 0) {
        errno = EIO;
    } else {
        uint32_t count = sites_copy(&samples, sites, capacity, &all);
        write_profile(fd, sites, count, &all, view);
        os_close(fd);
    }
    os_unmap(sites, bytes);
    return fd >= 0 ? 0 : -1;
}

#define PEAK_SUFFIX ".peak"

void profile_exit(void)
{
    char path[OPTION_TEXT_MAX + sizeof PEAK_SUFFIX];
    if (options.profile == 0 || options.profile_file[0] == '\0')
        return;
    bool written = options_expand(options.profile_file, path, OPTION_TEXT_MAX) && arca_profile_dump(path, ARCA_PROFILE_LIVE) == 0;
    if (written) {
        strcat(path, PEAK_SUFFIX);
        written = arca_profile_dump(path, ARCA_PROFILE_PEAK) == 0;
    }
    if (!written)
        log_line("profile_file=%s: can not be written", options.profile_file);
}
