/*
 * The command-line tool `arca`: what its commands share.
 *
 * Statuses: 0 done, 1 it could not be done (one line on stderr says why), 2 bad usage (one line says what is right).
 */
#ifndef ARCA_TOOL_TOOL_H
#define ARCA_TOOL_TOOL_H

#include "base/compiler.h"

#include <stdarg.h>
#include <stdio.h>

enum { STATUS_DONE = 0, STATUS_FAILED = 1, STATUS_USAGE = 2 };

struct command {
    const char *name;
    const char *arguments;
    const char *sentence;
    int (*run)(const struct command *command, int argc, char **argv); /* argv: what follows the name */
};

/* A row per command, in the order of the help; ends with a NULL name. */
extern const struct command commands[];

/* "arca: " + the line on stderr; returns STATUS_FAILED. */
int complain(const char *format, ...) ARCA_PRINTF(1, 2);
/* "arca NAME: " + the line, and what the command wants; returns STATUS_USAGE. */
int complain_usage(const struct command *command, const char *format, ...) ARCA_PRINTF(2, 3);

/* A line for a terminal: parts of it may be another process' words, and what is not printable in them becomes '?'. */
void format_line(char *line, size_t capacity, const char *format, va_list args) ARCA_PRINTF(3, 0);

/* False for what is no process number. */
bool parse_pid(const char *text, int *pid);
/* Of a command that wants one and nothing else; false once it has complained. */
bool parse_one_pid(const struct command *command, int argc, char **argv, int *pid);

/* Why the library can not be preloaded into a program; NULL where it can, as far as the file tells. */
const char *preload_obstacle(const char *program);

/* A figures_line for a FILE *. */
void print_line(void *file, const char *text);

/* "12.3 MiB"; buf of 16. */
const char *format_bytes(char *buf, uint64_t bytes);

int run_run(const struct command *command, int argc, char **argv);
int run_stat(const struct command *command, int argc, char **argv);
int run_top(const struct command *command, int argc, char **argv);
int run_doctor(const struct command *command, int argc, char **argv);
int run_trim(const struct command *command, int argc, char **argv);
int run_gc(const struct command *command, int argc, char **argv);
int run_prof(const struct command *command, int argc, char **argv);
int run_serve(const struct command *command, int argc, char **argv);
int run_options(const struct command *command, int argc, char **argv);

#endif
