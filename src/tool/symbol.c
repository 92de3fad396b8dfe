/* ELF, in memory and on disk; every number in it may be wrong. */
#include "tool/symbol.h"

#include <elf.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define HEADERS_MAX 64
#define DYNAMIC_MAX 512
#define CHAIN_MAX 65536
#define NAME_MAX_BYTES 64
#define SYMBOLS_MAX ((uint64_t)64 << 20) /* bytes of a table; a hostile file's may be of any size */

struct search {
    struct process *process;
    const char *name;
    symbol_visit *visit;
    void *context;
    bool stopped;
    char last_path[512]; /* the file that was looked at last: it has several mappings */
    uintptr_t program;   /* where the program itself is loaded */
    char program_path[512];
};

/* The tables of a loaded file, by address. */
struct tables {
    uintptr_t bias, symbols, strings, hash;
};

static uint32_t gnu_hash(const char *name)
{
    uint32_t hash = 5381;
    for (; *name != '\0'; name++)
        hash = hash * 33 + (unsigned char)*name;
    return hash;
}

/* libc's loader replaces offsets by addresses, not everywhere. */
static uintptr_t relocated(const struct tables *tables, uint64_t value)
{
    return value < tables->bias ? tables->bias + value : value;
}

static bool read_dynamic(struct process *process, uintptr_t dynamic, uint64_t bytes, struct tables *tables)
{
    Elf64_Dyn entries[DYNAMIC_MAX];
    size_t count = bytes < sizeof entries ? bytes / sizeof entries[0] : DYNAMIC_MAX;
    if (!process_read(process, (void *)dynamic, entries, count * sizeof entries[0]))
        return false;
    for (size_t i = 0; i < count && entries[i].d_tag != DT_NULL; i++) {
        uintptr_t address = relocated(tables, entries[i].d_un.d_ptr);
        if (entries[i].d_tag == DT_SYMTAB)
            tables->symbols = address;
        else if (entries[i].d_tag == DT_STRTAB)
            tables->strings = address;
        else if (entries[i].d_tag == DT_GNU_HASH)
            tables->hash = address;
    }
    return tables->symbols != 0 && tables->strings != 0 && tables->hash != 0;
}

static bool read_tables(struct process *process, uintptr_t start, struct tables *tables)
{
    Elf64_Ehdr header;
    Elf64_Phdr segments[HEADERS_MAX];
    uintptr_t dynamic = 0;
    uint64_t dynamic_bytes = 0;
    bool loaded = false;
    memset(tables, 0, sizeof *tables);
    if (!process_read(process, (void *)start, &header, sizeof header) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
        header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_phentsize != sizeof segments[0] || header.e_phnum > HEADERS_MAX ||
        !process_read(process, (void *)(start + header.e_phoff), segments, header.e_phnum * sizeof segments[0]))
        return false;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        if (segments[i].p_type == PT_LOAD && !loaded) {
            tables->bias = start - segments[i].p_vaddr;
            loaded = true;
        }
        if (segments[i].p_type == PT_DYNAMIC) {
            dynamic = segments[i].p_vaddr;
            dynamic_bytes = segments[i].p_memsz;
        }
    }
    return loaded && dynamic != 0 && read_dynamic(process, tables->bias + dynamic, dynamic_bytes, tables);
}

/* The value of a defined symbol, by the hash table of its file; 0 without. */
static uintptr_t look_up(struct process *process, const struct tables *tables, const char *name)
{
    uint32_t head[4], hash = gnu_hash(name), at; /* buckets, first symbol, words of the filter, its shift */
    if (!process_read(process, (void *)tables->hash, head, sizeof head) || head[0] == 0)
        return 0;
    uintptr_t buckets = tables->hash + sizeof head + (uintptr_t)head[2] * 8, chains = buckets + (uintptr_t)head[0] * 4;
    if (!process_read(process, (void *)(buckets + (uintptr_t)(hash % head[0]) * 4), &at, sizeof at) || at < head[1])
        return 0;
    for (unsigned i = 0; i < CHAIN_MAX; i++, at++) {
        uint32_t link;
        Elf64_Sym symbol;
        char found[NAME_MAX_BYTES] = "";
        size_t length = strlen(name) + 1;
        if (!process_read(process, (void *)(chains + (uintptr_t)(at - head[1]) * 4), &link, sizeof link))
            return 0;
        if ((link | 1) == (hash | 1) &&
            process_read(process, (void *)(tables->symbols + at * sizeof symbol), &symbol, sizeof symbol) &&
            symbol.st_shndx != SHN_UNDEF && process_read(process, (void *)(tables->strings + symbol.st_name), found, length) &&
            memcmp(found, name, length) == 0)
            return tables->bias + symbol.st_value;
        if (link & 1)
            return 0;
    }
    return 0;
}

static bool see_mapping(const struct mapping *mapping, void *context)
{
    struct search *search = context;
    struct tables tables;
    if (mapping->path[0] != '/' || mapping->offset != 0 || mapping->flags[0] != 'r' || strcmp(mapping->path, search->last_path) == 0)
        return true;
    strcpy(search->last_path, mapping->path);
    if (search->program == 0 && strcmp(mapping->path, search->program_path) == 0)
        search->program = mapping->start;
    if (process_out_of_time(search->process))
        return false;
    uintptr_t address = read_tables(search->process, mapping->start, &tables) ? look_up(search->process, &tables, search->name) : 0;
    if (address != 0)
        search->stopped = !search->visit(search->process, address, search->context);
    return !search->stopped;
}

/* The symbol's value in the table of a file; 0 without. */
static uintptr_t look_up_in_file(Elf *elf, const char *name, bool *relocatable)
{
    GElf_Ehdr header;
    Elf_Scn *section = NULL;
    if (elf == NULL || elf_kind(elf) != ELF_K_ELF || gelf_getehdr(elf, &header) == NULL)
        return 0;
    *relocatable = header.e_type == ET_DYN;
    while ((section = elf_nextscn(elf, section)) != NULL) {
        GElf_Shdr table;
        if (gelf_getshdr(section, &table) == NULL || table.sh_type != SHT_SYMTAB || table.sh_entsize == 0)
            continue;
        Elf_Data *data = table.sh_size <= SYMBOLS_MAX ? elf_getdata(section, NULL) : NULL;
        GElf_Sym symbol;
        for (int i = 0; data != NULL && gelf_getsym(data, i, &symbol) != NULL; i++) {
            const char *found = symbol.st_shndx != SHN_UNDEF ? elf_strptr(elf, table.sh_link, symbol.st_name) : NULL;
            if (found != NULL && strcmp(found, name) == 0)
                return symbol.st_value;
        }
    }
    return 0;
}

static void see_program(struct search *search)
{
    char path[64];
    bool relocatable = false;
    snprintf(path, sizeof path, "/proc/%d/exe", search->process->pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return;
    elf_version(EV_CURRENT);
    Elf *elf = elf_begin(file, ELF_C_READ, NULL);
    uintptr_t value = look_up_in_file(elf, search->name, &relocatable);
    elf_end(elf);
    close(file);
    if (value != 0)
        search->visit(search->process, relocatable ? search->program + value : value, search->context);
}

bool symbol_find(struct process *process, const char *name, symbol_visit *visit, void *context)
{
    struct search search = { .process = process, .name = name, .visit = visit, .context = context };
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/exe", process->pid);
    ssize_t length = readlink(path, search.program_path, sizeof search.program_path - 1);
    search.program_path[length > 0 ? length : 0] = '\0';
    if (!process_mappings(process, see_mapping, &search))
        return false;
    if (!search.stopped)
        see_program(&search);
    return true;
}
