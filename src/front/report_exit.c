/* Statistics when the process exits: as text or JSON, on fd 2 or in a file. */
#include "front/report.h"

#include "base/log.h"
#include "base/options.h"
#include "base/os.h"

#include <string.h>

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

static void write_part(void *fd, const char *text)
{
    os_write(*(const int *)fd, text, strlen(text));
}

void report_print_json(int fd)
{
    report_write_json(write_part, &fd);
    os_write(fd, "\n", 1);
}

static void write_statistics(int fd)
{
    if (options.stats == STATS_JSON)
        report_print_json(fd);
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
