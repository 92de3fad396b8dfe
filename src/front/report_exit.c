/* Statistics when the process exits: as text or JSON, on fd 2 or in a file. */
#include "front/report.h"

#include "base/log.h"
#include "base/options.h"
#include "base/os.h"
#include "base/stats.h"

#define JSON_MAX 4096

static void write_exit_line(void *fd, const char *text)
{
    char line[OPTION_TEXT_MAX * 2];
    size_t length = log_format(line, sizeof line, "arca: %s\n", text);
    os_write(*(const int *)fd, line, length);
}

static void write_text(int fd)
{
    report_write(write_exit_line, &fd);
    options_write(write_exit_line, &fd);
}

static void write_json(int fd)
{
    char text[JSON_MAX];
    size_t length = 0;
    struct report report;
    report_collect(&report);
#define FIGURE(format, ...) (length += log_format(text + length, sizeof text - length, format, __VA_ARGS__))
    FIGURE("{\"pid\":%u,\"live\":%zu,\"free\":%zu,\"dirty\":%zu,\"meta\":%zu,\"mapped\":%zu", os_process_id(), report.live_bytes,
           report.free_bytes, report.dirty_bytes, report.meta_bytes, report.mapped_bytes);
#define COUNTER(name, unit, sentence) FIGURE(",\"" #name "\":%lu", stats_read(name));
#include "base/stats.def"
#undef COUNTER
    FIGURE("%s", "}\n");
#undef FIGURE
    os_write(fd, text, length);
}

static void write_statistics(int fd)
{
    if (options.stats == STATS_JSON)
        write_json(fd);
    else
        write_text(fd);
}

/* A file of the same name is replaced; a link is not followed. */
static int open_file(void)
{
    char path[OPTION_TEXT_MAX];
    if (options.stats_file[0] == '\0')
        return OS_STDERR;
    int fd = options_expand(options.stats_file, path, sizeof path) ? os_create_file(path) : -1;
    if (fd < 0)
        log_line("stats_file=%s: can not be written; using fd 2", options.stats_file);
    return fd < 0 ? OS_STDERR : fd;
}

void report_exit(void)
{
    int fd = open_file();
    write_statistics(fd);
    if (fd != OS_STDERR)
        os_close(fd);
}
