/* The command table, and what commands say when they are used wrongly. */
#include "tool/tool.h"

#include "arca/arca.h"
#include "heap/size_class.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const struct command commands[] = {
    { "run", "[-o key=value,...] [--] command [argument...]", "starts a program with Arca as its malloc", run_run },
    { "stat", "PID [--json|--prom|--ranges]", "where the memory of a process is", run_stat },
    { "top", "[PID...]", "the same, live; of all processes on Arca", run_top },
    { "doctor", "PID", "what is worth knowing of a process, and what to do", run_doctor },
    { "trim", "PID", "makes it give back what is free (option control)", run_trim },
    { "gc", "PID", "makes it collect cycles of objects (option control)", run_gc },
    { "prof", "PID FILE [--peak]", "makes it write its heap profile (options control and profile)", run_prof },
    { "serve", "[--listen ADDRESS:PORT]", "OpenMetrics of all processes on Arca", run_serve },
    { "options", "[--json]", "the options of the library", run_options },
    { NULL, NULL, NULL, NULL },
};

void format_line(char *line, size_t capacity, const char *format, va_list args)
{
    vsnprintf(line, capacity, format, args);
    for (char *at = line; *at != '\0'; at++) {
        if (!isprint((unsigned char)*at))
            *at = '?';
    }
}

int complain(const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    format_line(line, sizeof line, format, args);
    va_end(args);
    fprintf(stderr, "arca: %s\n", line);
    return STATUS_FAILED;
}

int complain_usage(const struct command *command, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fprintf(stderr, "arca: %s: %s (want: arca %s %s)\n", command->name, line, command->name, command->arguments);
    return STATUS_USAGE;
}

bool parse_pid(const char *text, int *pid)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || *end != '\0' || end == text || value <= 0 || value > INT32_MAX)
        return false;
    *pid = (int)value;
    return true;
}

bool parse_one_pid(const struct command *command, int argc, char **argv, int *pid)
{
    if (argc == 0)
        complain_usage(command, "no process");
    else if (!parse_pid(argv[0], pid))
        complain_usage(command, "'%s' is no process", argv[0]);
    else if (argc > 1)
        complain_usage(command, "'%s' is one word too many", argv[1]);
    return argc == 1 && parse_pid(argv[0], pid);
}

void print_line(void *file, const char *text)
{
    fputs(text, file);
    fputc('\n', file);
}

const char *format_bytes(char *buf, uint64_t bytes)
{
    static const char units[][4] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double value = (double)bytes;
    unsigned unit = 0;
    while (value >= 999.95 && /* what is written as 1000.0 is too wide */ unit + 1 < ARCA_ARRAY_LENGTH(units)) {
        value /= 1024;
        unit++;
    }
    snprintf(buf, 16, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return buf;
}

static int help(FILE *file)
{
    fputs("arca: looks at processes whose malloc is Arca, and starts programs with it\n\n", file);
    for (const struct command *c = commands; c->name != NULL; c++)
        fprintf(file, "  arca %-8s %-48s %s\n", c->name, c->arguments, c->sentence);
    fputs("\nProcesses of other users are left alone (unless you are root).  See arca(1).\n", file);
    return STATUS_DONE;
}

static bool asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static const struct command *find_command(const char *name)
{
    const struct command *c = commands;
    while (c->name != NULL && strcmp(name, c->name) != 0)
        c++;
    return c->name != NULL ? c : NULL;
}

static int help_of(const struct command *command)
{
    printf("arca %s %s: %s.  See arca(1).\n", command->name, command->arguments, command->sentence);
    return STATUS_DONE;
}

/* Without them a file that is opened would become the standard output: so what is said fails, as it should. */
static void fill_standard_places(void)
{
    for (int fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) < 0)
            (void)!open("/dev/null", (fd == 0 ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
    }
}

/* What was not printed was not done. */
static int end(int status)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    return complain("the standard output can not be written to: %s", strerror(errno != 0 ? errno : EIO));
}

static int run(int argc, char **argv)
{
    if (argc < 2) {
        fputs("arca: no command (arca help lists them)\n", stderr);
        return STATUS_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "help") == 0 || asks_for_help(name)) {
        const struct command *about = argc > 2 ? find_command(argv[2]) : NULL;
        return about != NULL ? help_of(about) : help(stdout);
    }
    if (strcmp(name, "--version") == 0) {
        printf("arca %d.%d.%d\n", ARCA_VERSION_MAJOR, ARCA_VERSION_MINOR, ARCA_VERSION_PATCH);
        return STATUS_DONE;
    }
    const struct command *c = find_command(name);
    if (c != NULL)
        return argc == 3 && asks_for_help(argv[2]) ? help_of(c) : c->run(c, argc - 2, argv + 2);
    fprintf(stderr, "arca: no command '%s' (arca help lists them)\n", name);
    return STATUS_USAGE;
}

int main(int argc, char **argv)
{
    fill_standard_places();
    size_class_init(0); /* the block sizes */
    return end(run(argc, argv));
}
