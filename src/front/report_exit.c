/* Statistics when the process exits: as text or JSON, on fd 2 or in a file. */
#include "front/report.h"

#include "base/log.h"
#include "base/options.h"
#include "base/os.h"

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

/* A file of the same name is replaced; a link is not followed. */
static bool write_file(void)
{
    char path[OPTION_TEXT_MAX];
    int fd = options_expand(options.stats_file, path, sizeof path) ? os_create_file(path) : -1;
    if (fd < 0)
        return false;
    bool done = write_statistics(fd);
    return os_close(fd) && done;
}

void report_exit(void)
{
    if (options.stats_file[0] != '\0') {
        if (write_file())
            return;
        log_line("stats_file=%s: can not be written; using fd 2", options.stats_file);
    }
    write_statistics(OS_STDERR);
}
