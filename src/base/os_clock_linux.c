/*
 * The clocks, by the kernel's own code in the process (the vDSO) and not by libc's clock_gettime.
 *
 * Others take that one over (libfaketime does), and their first call of it looks for libc's, which allocates: in the middle of
 * an allocation of ours.  And a clock that they set forward or back is not the one by which memory is held.
 */
#include "base/os.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

typedef int (*clock_function)(clockid_t clock, struct timespec *now);

static int clock_by_call(clockid_t clock, struct timespec *now)
{
    int saved = errno;
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    errno = saved;
    return result;
}

/* Of a library that the kernel has mapped: where its addresses count from, and its dynamic section. */
struct kernel_library {
    const char *base;
    const ElfW(Dyn) * dynamic;
};

static bool kernel_library_find(struct kernel_library *library)
{
    const char *image = (const char *)getauxval(AT_SYSINFO_EHDR);
    if (image == NULL)
        return false;
    const ElfW(Ehdr) *header = (const void *)image;
    const ElfW(Phdr) *segments = (const void *)(image + header->e_phoff);
    *library = (struct kernel_library){ NULL, NULL };
    for (unsigned i = 0; i < header->e_phnum; i++) {
        if (segments[i].p_type == PT_LOAD && library->base == NULL)
            library->base = image + segments[i].p_offset - segments[i].p_vaddr;
        if (segments[i].p_type == PT_DYNAMIC)
            library->dynamic = (const void *)(image + segments[i].p_offset);
    }
    return library->base != NULL && library->dynamic != NULL;
}

static const void *dynamic_entry(const struct kernel_library *library, ElfW(Sxword) tag)
{
    for (const ElfW(Dyn) *entry = library->dynamic; entry->d_tag != DT_NULL; entry++) {
        if (entry->d_tag == tag)
            return library->base + entry->d_un.d_ptr;
    }
    return NULL;
}

/* Linkers put the names behind the symbols, so that there the symbols end. */
static clock_function clock_find(void)
{
    struct kernel_library library;
    if (!kernel_library_find(&library))
        return clock_by_call;
    const ElfW(Sym) *symbols = dynamic_entry(&library, DT_SYMTAB);
    const char *names = dynamic_entry(&library, DT_STRTAB);
    for (const ElfW(Sym) *symbol = symbols; symbol != NULL && (const char *)(symbol + 1) <= names; symbol++) {
        if (symbol->st_shndx != SHN_UNDEF && strcmp(names + symbol->st_name, "__vdso_clock_gettime") == 0)
            return (clock_function)(uintptr_t)(library.base + symbol->st_value);
    }
    return clock_by_call;
}

/* Found at the first call, by whoever comes first: all find the same. */
static struct timespec read_clock(clockid_t clock)
{
    static _Atomic(clock_function) found;
    clock_function function = load_rlx(&found);
    if (unlikely(function == NULL)) {
        function = clock_find();
        store_rlx(&found, function);
    }
    struct timespec now = { 0, 0 };
    function(clock, &now);
    return now;
}

static uint64_t microseconds(struct timespec time)
{
    return (uint64_t)time.tv_sec * 1000000u + (uint64_t)time.tv_nsec / 1000u;
}

uint64_t os_clock_ms(void)
{
    struct timespec now = read_clock(CLOCK_MONOTONIC_COARSE);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

uint32_t os_now_ms(void)
{
    return (uint32_t)os_clock_ms();
}

uint64_t os_now_us(void)
{
    return microseconds(read_clock(CLOCK_MONOTONIC));
}

uint64_t os_thread_time_us(void)
{
    return microseconds(read_clock(CLOCK_THREAD_CPUTIME_ID));
}
