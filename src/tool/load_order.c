/* The loader's list, from the program's auxiliary vector on: what a debugger reads. */
#include "tool/load_order.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <unistd.h>

#define AUXILIARY_MAX 64
#define HEADERS_MAX 64
#define DYNAMIC_MAX 512

static uint64_t auxiliary(const struct process *process, uint64_t type)
{
    char path[64];
    Elf64_auxv_t vector[AUXILIARY_MAX];
    snprintf(path, sizeof path, "/proc/%d/auxv", process->pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t bytes = file < 0 ? 0 : read(file, vector, sizeof vector);
    if (file >= 0)
        close(file);
    for (size_t i = 0; bytes > 0 && i < (size_t)bytes / sizeof vector[0]; i++) {
        if (vector[i].a_type == type)
            return vector[i].a_un.a_val;
    }
    return 0;
}

/* The program's dynamic section; 0 without. */
static uintptr_t program_dynamic(struct process *process)
{
    Elf64_Phdr headers[HEADERS_MAX];
    uintptr_t at = auxiliary(process, AT_PHDR), dynamic = 0, bias = 0;
    size_t count = auxiliary(process, AT_PHNUM);
    if (at == 0 || count > HEADERS_MAX || !process_read(process, (void *)at, headers, count * sizeof headers[0]))
        return 0;
    for (size_t i = 0; i < count; i++) {
        if (headers[i].p_type == PT_PHDR)
            bias = at - headers[i].p_vaddr;
        else if (headers[i].p_type == PT_DYNAMIC)
            dynamic = headers[i].p_vaddr;
    }
    return dynamic == 0 ? 0 : bias + dynamic;
}

static uintptr_t debug_record(struct process *process, uintptr_t dynamic)
{
    Elf64_Dyn entry;
    for (unsigned i = 0; i < DYNAMIC_MAX; i++) {
        if (!process_read(process, (void *)(dynamic + i * sizeof entry), &entry, sizeof entry) || entry.d_tag == DT_NULL)
            return 0;
        if (entry.d_tag == DT_DEBUG)
            return entry.d_un.d_ptr;
    }
    return 0;
}

void load_order_read(struct process *process, struct load_order *order)
{
    struct r_debug record;
    struct link_map map;
    uintptr_t dynamic = program_dynamic(process), at = dynamic != 0 ? debug_record(process, dynamic) : 0;
    order->count = 0;
    if (at == 0 || !process_read(process, (void *)at, &record, sizeof record))
        return;
    for (const void *next = record.r_map; next != NULL && order->count < LOAD_ORDER_MAX; next = map.l_next) {
        if (!process_read(process, next, &map, sizeof map))
            return;
        order->dynamic[order->count++] = (uintptr_t)map.l_ld;
    }
}
