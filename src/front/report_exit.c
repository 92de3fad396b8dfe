/* Statistics when the process exits: as text or JSON, on fd 2 or in a file. */
#include "front/report.h"

#include "base/log.h"
#include "base/options.h"
#include "base/os.h"

#include <errno.h>
#include <string.h>

struct exit_text {
    int fd;
    bool done; /* all so far */
};

static void write_exit_line(void *context, const char *text)
{
    struct exit_text *out = context;
    char line[OPTION_TEXT_MAX * 2];
    size_t length = log_format(line, sizeof line, "arca: %s\n", text);
    out->done &= os_write(out->fd, line, length);
}

static bool write_text(int fd)
{
    struct exit_text out = { fd, true };
    report_write(write_exit_line, &out);
    options_write(write_exit_line, &out);
    return out.done;
}

static void write_part(void *context, const char *text)
{
    struct exit_text *out = context;
    out->done &= os_write(out->fd, text, strlen(text));
}

bool report_print_json(int fd)
{
    struct exit_text out = { fd, true };
    report_write_json(write_part, &out);
    write_part(&out, "\n");
    return out.done;
}

static bool write_statistics(int fd)
{
    return options.stats == STATS_JSON ? report_print_json(fd) : write_text(fd);
}

/* A file of the same name is replaced; a link is not followed.  0, or the error. */
static int write_file(void)
{
    char path[OPTION_TEXT_MAX];
    int fd = options_expand(options.stats_file, path, sizeof path) ? os_create_file(path) : -ENAMETOOLONG;
    if (fd < 0)
        return -fd;
    bool done = write_statistics(fd);
    return os_close(fd) && done ? 0 : EIO;
}

void report_exit(void)
{
    if (options.stats_file[0] != '\0') {
        int error = write_file();
        if (error == 0)
            return;
        log_line("stats_file=%s: can not be written: %s; using fd 2", options.stats_file, os_error_text(error));
    }
    write_statistics(OS_STDERR);
}
