/*
 * Where settings come from, the weakest first: the administrator's file, the program, the environment.
 *
 * A program that runs with more rights than its user (AT_SECURE) takes neither file nor environment: what they name, it
 * would write to and listen on with those rights.
 */
#include "base/log.h"
#include "base/options.h"
#include "base/os.h"

#include <string.h>

#define FILE_MAX 4096
#define LINE_SOURCE_MAX 32

/* The program's own; there is one where the linker found one. */
extern const char *arca_conf __attribute__((weak, visibility("default")));

static void parse_lines(const char *path, const char *text)
{
    char source[LINE_SOURCE_MAX];
    for (unsigned number = 1; *text != '\0'; number++) {
        size_t length = strcspn(text, "\n");
        log_format(source, sizeof source, "%s:%u", path, number);
        options_parse_line(source, text, length);
        text += length;
        text += *text == '\n';
    }
}

void options_read_file(const char *path)
{
    char text[FILE_MAX];
    long length = os_read_trusted_file(path, text, sizeof text);
    if (length == OS_FILE_UNTRUSTED)
        log_line("%s: not a regular file that root alone can write; ignored", path);
    else if (length == FILE_MAX - 1)
        log_line("%s: larger than %u bytes; ignored", path, FILE_MAX - 2);
    else if (length > 0)
        parse_lines(path, text);
}

/* ---- the environment ------------------------------------------------------------------------------------- */

/* ARCA_CONF first, then single variables: the more specific setting wins. */
static void read_variables(char **environment)
{
    static const char list[] = OPTIONS_PREFIX "CONF=";
    for (char **e = environment; *e != NULL; e++) {
        if (strncmp(*e, list, sizeof list - 1) == 0)
            options_parse(OPTIONS_PREFIX "CONF", *e + sizeof list - 1);
    }
    for (char **e = environment; *e != NULL; e++) {
        if (strncmp(*e, OPTIONS_PREFIX, strlen(OPTIONS_PREFIX)) == 0 && strchr(*e, '=') != NULL &&
            strncmp(*e, list, sizeof list - 1) != 0)
            options_parse_variable(*e);
    }
}

/* Variables that set glibc's malloc, jemalloc, mimalloc and tcmalloc, by how they begin. */
static bool is_foreign(const char *variable)
{
    static const char *const begins[] = { "MALLOC_CONF=",   "MALLOC_ARENA_",   "MALLOC_CHECK_", "MALLOC_MMAP_",
                                          "MALLOC_PERTURB_", "MALLOC_TOP_PAD_", "MALLOC_TRIM_THRESHOLD_", "MIMALLOC_",
                                          "TCMALLOC_" };
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(begins); i++) {
        if (strncmp(variable, begins[i], strlen(begins[i])) == 0)
            return true;
    }
    return strncmp(variable, "GLIBC_TUNABLES=", 15) == 0 && strstr(variable, "glibc.malloc.") != NULL;
}

/* One line for all of them, with as many names as it holds. */
static void mention_foreign(char **environment)
{
    char names[256];
    size_t length = 0;
    for (char **e = environment; *e != NULL; e++) {
        size_t name = strcspn(*e, "=");
        if (!is_foreign(*e) || length + name + 3 > sizeof names)
            continue;
        if (length != 0)
            length += log_format(names + length, sizeof names - length, ", ");
        memcpy(names + length, *e, name);
        length += name;
        names[length] = '\0';
    }
    if (length != 0)
        log_line("ignored, as settings of another malloc: %s (verbose=quiet does not say so)", names);
}

void options_read(char **environment)
{
    bool secure = os_is_secure();
    if (!secure)
        options_read_file(OPTIONS_FILE);
    if (&arca_conf != NULL && arca_conf != NULL)
        options_parse("arca_conf", arca_conf);
    if (!secure && environment != NULL) {
        read_variables(environment);
        if (options.verbose != VERBOSE_QUIET)
            mention_foreign(environment);
    }
    os_set_lazy(options.lazy != 0);
}
