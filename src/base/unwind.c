/* The walk, and what it believes. */
#include "base/unwind.h"

#include "base/log.h"
#include "base/os.h"

#include <dlfcn.h>
#include <elf.h>
#include <string.h>

struct frame {
    const struct frame *up;
    uintptr_t return_address;
};

/* A caller's frame lies no farther up than this: no function has more on its stack. */
#define FRAME_BYTES_MAX ((uintptr_t)1 << 20)

/* In an object's first page, where linkers put them; *count is 0 where they are elsewhere. */
static const Elf64_Phdr *program_headers(uintptr_t start, unsigned *count)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)start;
    *count = 0;
    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_phoff % _Alignof(Elf64_Phdr) != 0 ||
        header->e_phoff > OS_PAGE_SIZE || header->e_phoff + header->e_phnum * sizeof(Elf64_Phdr) > OS_PAGE_SIZE)
        return NULL;
    *count = header->e_phnum;
    return (const Elf64_Phdr *)(start + header->e_phoff);
}

/* An executable segment. */
struct code {
    uintptr_t start, bytes;
};

/* The one that holds an address; false where there is none. */
static bool find_code(uintptr_t address, struct code *code)
{
    struct dl_find_object object;
    unsigned count;
    if (_dl_find_object((void *)address, &object) != 0)
        return false;
    uintptr_t base = (uintptr_t)object.dlfo_map_start, first = UINTPTR_MAX;
    const Elf64_Phdr *headers = program_headers(base, &count);
    for (unsigned i = 0; i < count; i++) {
        const Elf64_Phdr *h = &headers[i];
        if (h->p_type != PT_LOAD)
            continue;
        if (first == UINTPTR_MAX)
            first = h->p_vaddr & ~(uintptr_t)(OS_PAGE_SIZE - 1); /* what lies at base */
        struct code found = { base + h->p_vaddr - first, h->p_filesz };
        if ((h->p_flags & PF_X) && (h->p_flags & PF_R) && address - found.start <= found.bytes) {
            *code = found;
            return true;
        }
    }
    return false;
}

#if defined(__x86_64__)
#define CALL_BYTES_MAX 7

/* call rel32, or call through a register or memory, whose second byte has 2 in its middle bits. */
static bool is_behind_call(const uint8_t *code)
{
    static const uint8_t indirect[] = { 2, 3, 4, 6, 7 };
    if (code[-5] == 0xe8)
        return true;
    for (unsigned i = 0; i < sizeof indirect; i++) {
        const uint8_t *call = code - indirect[i];
        if (call[0] == 0xff && (call[1] >> 3 & 7) == 2)
            return true;
    }
    return false;
}
#else
#define CALL_BYTES_MAX 4
#define is_behind_call(code) ((void)(code), true)
#endif

/* last: where the walk was before; most callers are in the same file. */
static bool is_return_address(uintptr_t address, struct code *last)
{
    if (address - last->start > last->bytes && !find_code(address, last))
        return false;
    return address - last->start >= CALL_BYTES_MAX && is_behind_call((const uint8_t *)address);
}

static uintptr_t page_of(uintptr_t address)
{
    return address & ~(uintptr_t)(OS_PAGE_SIZE - 1);
}

static bool is_frame(uintptr_t at, uintptr_t *known_page)
{
    uintptr_t last = at + offsetof(struct frame, return_address), page = page_of(last);
    if (at % sizeof(void *) != 0)
        return false;
    if (at >= page && page == *known_page)
        return true;
    if (!os_readable((const void *)at) || !os_readable((const void *)last))
        return false;
    *known_page = page;
    return true;
}

/* libc keeps a thread's descriptor above its stack, but for the first thread's. */
static uintptr_t stack_end(uintptr_t at)
{
    uintptr_t descriptor = (uintptr_t)__builtin_thread_pointer();
    return descriptor > at ? descriptor : UINTPTR_MAX;
}

/* The first address needs no proof: the frame is ours.  The stack has red zones that are not for us, and the words of a
 * wrong frame can be anybody's. */
__attribute__((no_sanitize("address", "thread", "undefined")))
unsigned unwind(const void *frame, uintptr_t *addresses, unsigned capacity)
{
    struct code last = { UINTPTR_MAX, 0 }; /* none yet */
    uintptr_t at = (uintptr_t)frame, end = stack_end(at), known_page = page_of(at + offsetof(struct frame, return_address));
    for (unsigned count = 0; count < capacity; count++) {
        const struct frame *f = (const struct frame *)at;
        if (count != 0 && (!is_frame(at, &known_page) || !is_return_address(f->return_address, &last)))
            return count;
        addresses[count] = f->return_address;
        uintptr_t up = (uintptr_t)f->up;
        if (up <= at || up - at > FRAME_BYTES_MAX || up >= end)
            return count + 1;
        at = up;
    }
    return capacity;
}

size_t unwind_name(uintptr_t address, char *buf, size_t capacity)
{
    Dl_info info;
    if (address == 0 || dladdr((void *)address, &info) == 0 || info.dli_fname == NULL)
        return log_format(buf, capacity, "%p", (void *)address);
    const char *slash = strrchr(info.dli_fname, '/'), *file = slash != NULL ? slash + 1 : info.dli_fname;
    size_t length = log_format(buf, capacity, "%s+%p", file, (void *)(address - (uintptr_t)info.dli_fbase));
    if (info.dli_sname != NULL)
        length += log_format(buf + length, capacity - length, " (%s)", info.dli_sname);
    return length;
}
