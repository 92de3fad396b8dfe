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

static bool write_site(int fd, const struct site *site, const struct tallies *tallies, enum arca_profile_view view)
{
    char line[PROFILE_LINE_BYTES];
    size_t length = format_tallies(line, "", shown(tallies, view), &tallies->total);
    for (uint32_t i = 0; i < site->depth; i++)
        length += log_format(line + length, PROFILE_LINE_BYTES - length, " %p", (void *)site->stack[i]);
    line[length++] = '\n';
    return os_write(fd, line, length);
}

struct copy {
    struct tallies *sites, all;
    uint32_t count;
};

static bool write_copy(int fd, const struct sites *sites, const struct copy *copy, const char *kind, enum arca_profile_view view)
{
    char line[PROFILE_LINE_BYTES];
    size_t length = format_tallies(line, "heap profile: ", shown(&copy->all, view), &copy->all.total);
    length += log_format(line + length, sizeof line - length, " %s\n", kind);
    bool done = os_write(fd, line, length);
    for (uint32_t i = 0; done && i < copy->count; i++)
        done = write_site(fd, sites_get(sites, i + 1), &copy->sites[i], view);
    return done && os_write(fd, "\nMAPPED_LIBRARIES:\n", 19) && os_copy_file(fd, "/proc/self/maps");
}

int profile_write(const char *path, struct sites *sites, const char *kind, enum arca_profile_view view)
{
    if (view != ARCA_PROFILE_LIVE && view != ARCA_PROFILE_PEAK) {
        errno = EINVAL;
        return -1;
    }
    uint32_t capacity = load_acq(&sites->count); /* P:site count acquire: with new_site_locked */
    size_t bytes = bits_round_up((capacity + 1) * sizeof(struct tallies), OS_PAGE_SIZE);
    struct copy copy = { .sites = os_map(bytes, OS_PAGE_SIZE) };
    if (copy.sites == NULL) {
        errno = ENOMEM;
        return -1;
    }
    int error = EPERM;
    if (os_rare_begin()) { /* until it is closed: a filter may know the writing no more than the opening */
        int fd = os_create_file(path);
        error = fd < 0 ? -fd : 0;
        if (fd >= 0) {
            copy.count = sites_copy(sites, copy.sites, capacity, &copy.all);
            bool written = write_copy(fd, sites, &copy, kind, view), kept = os_close(fd);
            error = written && kept ? 0 : EIO;
        }
        os_rare_end();
    }
    os_unmap(copy.sites, bytes);
    if (error != 0)
        errno = error;
    return error == 0 ? 0 : -1;
}

int arca_profile_dump(const char *path, enum arca_profile_view view)
{
    char kind[32];
    if (options.profile == 0) {
        errno = ENOTSUP;
        return -1;
    }
    log_format(kind, sizeof kind, "heap_v2/%lu", options.profile);
    return profile_write(path, &samples, kind, view);
}

#define PEAK_SUFFIX ".peak"

void profile_exit(void)
{
    char path[OPTION_TEXT_MAX + sizeof PEAK_SUFFIX];
    if (options.profile == 0 || options.profile_file[0] == '\0')
        return;
    errno = ENAMETOOLONG;
    bool written = options_expand(options.profile_file, path, OPTION_TEXT_MAX) && arca_profile_dump(path, ARCA_PROFILE_LIVE) == 0;
    if (written) {
        strcat(path, PEAK_SUFFIX);
        written = arca_profile_dump(path, ARCA_PROFILE_PEAK) == 0;
    }
    if (!written)
        log_line("profile_file=%s: can not be written: %s", options.profile_file, os_error_text(errno));
}
