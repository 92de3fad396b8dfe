/* arca run: a program with Arca's library preloaded, or the reason why it can not be. */
#include "tool/tool.h"

#include "base/options.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LIBRARY "libarca.so.0"
#define SCRIPT_DEPTH 4
#define CONF_MAX 4096

/* Beside the tool in a build, else where both were installed to. */
static bool find_library(char *path, size_t capacity)
{
    static const char *const places[] = { LIBRARY, ARCA_LIBRARY_FROM_TOOL "/" LIBRARY };
    char own[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", own, sizeof own - 1);
    if (length <= 0)
        return false;
    own[length] = '\0';
    *strrchr(own, '/') = '\0';
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(places); i++) {
        char place[PATH_MAX], *real;
        if (snprintf(place, sizeof place, "%s/%s", own, places[i]) < (int)sizeof place && (real = realpath(place, NULL)) != NULL) {
            bool fits = snprintf(path, capacity, "%s", real) < (int)capacity;
            free(real);
            return fits;
        }
    }
    return false;
}

/* False with errno. */
static bool is_program(const char *path)
{
    struct stat status;
    if (access(path, X_OK) != 0 || stat(path, &status) != 0)
        return false;
    errno = EISDIR;
    return !S_ISDIR(status.st_mode);
}

/* As execvp() looks for it. */
static bool find_program(const char *name, char *path, size_t capacity)
{
    const char *places = getenv("PATH");
    if (strchr(name, '/') != NULL)
        return snprintf(path, capacity, "%s", name) < (int)capacity && is_program(path);
    for (const char *at = places != NULL ? places : "/bin:/usr/bin"; *at != '\0';) {
        size_t length = strcspn(at, ":");
        if (snprintf(path, capacity, "%.*s/%s", (int)length, length != 0 ? at : ".", name) < (int)capacity && is_program(path))
            return true;
        at += length + (at[length] == ':');
    }
    return false;
}

/* ---- what a program is ---------------------------------------------------------------------------------------- */

static const char *sanitizer_of(Elf *elf)
{
    static const struct {
        const char *symbol, *name;
    } kinds[] = { { "__asan_init", "AddressSanitizer" }, { "__tsan_init", "ThreadSanitizer" }, { "__msan_init", "MemorySanitizer" } };
    Elf_Scn *section = NULL;
    while ((section = elf_nextscn(elf, section)) != NULL) {
        GElf_Shdr table;
        GElf_Sym symbol;
        if (gelf_getshdr(section, &table) == NULL || table.sh_type != SHT_DYNSYM || table.sh_entsize == 0)
            continue;
        Elf_Data *data = elf_getdata(section, NULL);
        for (int i = 0; data != NULL && gelf_getsym(data, i, &symbol) != NULL; i++) {
            const char *name = elf_strptr(elf, table.sh_link, symbol.st_name);
            for (unsigned k = 0; name != NULL && k < ARCA_ARRAY_LENGTH(kinds); k++) {
                if (strcmp(name, kinds[k].symbol) == 0)
                    return kinds[k].name;
            }
        }
    }
    return NULL;
}

/* Its loader; "" where it is linked statically. */
static void loader_of(Elf *elf, int file, char *loader, size_t capacity)
{
    size_t count = 0;
    loader[0] = '\0';
    elf_getphdrnum(elf, &count);
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr segment;
        if (gelf_getphdr(elf, (int)i, &segment) == NULL || segment.p_type != PT_INTERP)
            continue;
        ssize_t length = pread(file, loader, capacity - 1, (off_t)segment.p_offset);
        loader[length > 0 ? length : 0] = '\0';
    }
}

/* Why the library can not be preloaded into an ELF file; NULL where it can. */
static const char *elf_obstacle(Elf *elf, int file)
{
    static char text[128];
    char loader[PATH_MAX];
    GElf_Ehdr header;
    Elf64_Ehdr own;
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    bool known = self >= 0 && read(self, &own, sizeof own) == (ssize_t)sizeof own;
    close(self);
    if (elf == NULL || elf_kind(elf) != ELF_K_ELF || gelf_getehdr(elf, &header) == NULL)
        return "it is no program";
    if (known && (header.e_ident[EI_CLASS] != own.e_ident[EI_CLASS] || header.e_machine != own.e_machine))
        return "it is made for another kind of machine than the library";
    loader_of(elf, file, loader, sizeof loader);
    if (loader[0] == '\0')
        return "it is statically linked: link it with libarca.a";
    if (strstr(loader, "musl") != NULL)
        return "it is made for musl, the library for glibc";
    const char *sanitizer = sanitizer_of(elf);
    if (sanitizer == NULL)
        return NULL;
    snprintf(text, sizeof text, "it has %s inside, which brings its own malloc", sanitizer);
    return text;
}

/* The loader ignores LD_PRELOAD then. */
static const char *privilege_obstacle(int file)
{
    struct stat status;
    if (fstat(file, &status) != 0)
        return NULL;
    if (((status.st_mode & S_ISUID) && status.st_uid != getuid()) || ((status.st_mode & S_ISGID) && status.st_gid != getgid()))
        return "it changes its user (set-user-ID or set-group-ID): nothing can be preloaded into it";
    if (getuid() != 0 && fgetxattr(file, "security.capability", NULL, 0) > 0)
        return "it has file capabilities: nothing can be preloaded into it";
    return NULL;
}

/* The program that runs a script: "#!/bin/sh -e", "#!/usr/bin/env python3". */
static bool script_program(char *line, char *path, size_t capacity)
{
    char *words = line + 2, *state = NULL;
    line[strcspn(line, "\n")] = '\0';
    char *program = strtok_r(words, " \t", &state), *argument = strtok_r(NULL, " \t", &state);
    if (program == NULL)
        return false;
    const char *base = strrchr(program, '/');
    bool by_name = base != NULL && strcmp(base, "/env") == 0 && argument != NULL && argument[0] != '-';
    return find_program(by_name ? argument : program, path, capacity);
}

const char *preload_obstacle(const char *program)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", program);
    elf_version(EV_CURRENT);
    for (unsigned depth = 0; depth < SCRIPT_DEPTH; depth++) {
        char head[256];
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file < 0)
            return NULL; /* it can not be read, perhaps it can be run */
        ssize_t length = pread(file, head, sizeof head - 1, 0);
        head[length > 0 ? length : 0] = '\0';
        bool script = strncmp(head, "#!", 2) == 0;
        const char *why = script ? NULL : privilege_obstacle(file);
        if (!script && why == NULL) {
            Elf *elf = elf_begin(file, ELF_C_READ, NULL);
            why = elf_obstacle(elf, file);
            elf_end(elf);
        }
        close(file);
        if (!script)
            return why;
        if (!script_program(head, path, sizeof path))
            return NULL;
    }
    return NULL;
}

/* ---- the command ------------------------------------------------------------------------------------------------ */

/* "old,new", as the library's own later wins. */
static bool add_setting(const char *setting)
{
    char conf[CONF_MAX];
    const char *old = getenv("ARCA_CONF");
    int length = snprintf(conf, sizeof conf, "%s%s%s", old != NULL ? old : "", old != NULL && *old != '\0' ? "," : "", setting);
    return length < (int)sizeof conf && setenv("ARCA_CONF", conf, 1) == 0;
}

static bool add_preload(const char *library)
{
    char preload[2 * PATH_MAX];
    const char *old = getenv("LD_PRELOAD");
    int length = snprintf(preload, sizeof preload, "%s%s%s", library, old != NULL && *old != '\0' ? ":" : "", old != NULL ? old : "");
    return length < (int)sizeof preload && setenv("LD_PRELOAD", preload, 1) == 0;
}

int run_run(const struct command *command, int argc, char **argv)
{
    char library[PATH_MAX], program[PATH_MAX];
    int at = 0;
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--") == 0) {
            at++;
            break;
        }
        if (strcmp(argv[at], "-o") != 0)
            return complain_usage(command, "'%s' is no option", argv[at]);
        if (++at == argc || strchr(argv[at], '=') == NULL)
            return complain_usage(command, "-o without key=value");
        if (!options_parse_strictly("-o", argv[at])) /* it has said what is wrong */
            return STATUS_USAGE;
        if (!add_setting(argv[at]))
            return complain("run: the settings are too long");
    }
    if (at == argc)
        return complain_usage(command, "no program");
    if (!find_program(argv[at], program, sizeof program)) {
        complain("run: %s: %s", argv[at], strchr(argv[at], '/') != NULL ? strerror(errno) : "not found");
        return 127;
    }
    if (!find_library(library, sizeof library))
        return complain("run: " LIBRARY " is neither beside this tool nor in " ARCA_LIBRARY_FROM_TOOL " from there");
    if (strpbrk(library, " :") != NULL)
        return complain("run: the loader can not preload a library with a blank or a colon in its path: %s", library);
    const char *why = preload_obstacle(program);
    if (why != NULL)
        return complain("run: %s can not run on Arca: %s", program, why);
    if (!add_preload(library))
        return complain("run: LD_PRELOAD is too long");
    execvp(argv[at], argv + at);
    complain("run: %s: %s", argv[at], errno == ENOENT ? "what is to run it, after #!, or its loader, is not there" : strerror(errno));
    return 126;
}
