/* The libc face: the names that a program's calls resolve to. */
#include "arca/arca.h"

#include "arenas/arena.h"
#include "front/door.h"
#include "front/report.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT void *malloc(size_t size)
{
    return malloc_fast(size);
}

EXPORT void free(void *block)
{
    free_fast(block);
}

EXPORT void *calloc(size_t count, size_t size)
{
    return arca_calloc(count, size);
}

/* Weak, so that reallocarray() calls what the loader finds: of a program that has a malloc of its own, but no reallocarray, the
 * program's. */
EXPORT __attribute__((weak)) void *realloc(void *block, size_t size)
{
    return arca_realloc(block, size);
}

EXPORT void *reallocarray(void *block, size_t count, size_t size)
{
    size_t bytes;
    if (unlikely(__builtin_mul_overflow(count, size, &bytes))) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(block, bytes);
}

/* glibc 2.36 rounds a bad alignment up; the standard asks for a failure. */
EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
    return arca_aligned_alloc(alignment, size);
}

EXPORT int posix_memalign(void **block, size_t alignment, size_t size)
{
    return arca_posix_memalign(block, alignment, size);
}

EXPORT void *memalign(size_t alignment, size_t size)
{
    return arca_memalign(alignment, size);
}

EXPORT void *valloc(size_t size)
{
    return arca_valloc(size);
}

EXPORT void *pvalloc(size_t size)
{
    return arca_pvalloc(size);
}

EXPORT size_t malloc_usable_size(void *block)
{
    return arca_malloc_usable_size(block);
}

/* Names that the headers of Debian 12 do not declare. */
EXPORT void free_sized(void *block, size_t size);
EXPORT void free_aligned_sized(void *block, size_t alignment, size_t size);
EXPORT void cfree(void *block);

EXPORT void free_sized(void *block, size_t size)
{
    arca_free_sized(block, size);
}

EXPORT void free_aligned_sized(void *block, size_t alignment, size_t size)
{
    arca_free_aligned_sized(block, alignment, size);
}

EXPORT void cfree(void *block)
{
    free_fast(block);
}

/* libc's own second names: a block of one family must not reach the free of the other. */
#define SECOND_NAME(result, name, parameters, call) \
    EXPORT result name parameters;                  \
    EXPORT result name parameters                   \
    {                                               \
        return call;                                \
    }

SECOND_NAME(void *, __libc_malloc, (size_t size), malloc_fast(size))
SECOND_NAME(void *, __libc_calloc, (size_t count, size_t size), arca_calloc(count, size))
SECOND_NAME(void *, __libc_realloc, (void *block, size_t size), arca_realloc(block, size))
SECOND_NAME(void *, __libc_memalign, (size_t alignment, size_t size), arca_memalign(alignment, size))
SECOND_NAME(void *, __libc_valloc, (size_t size), arca_valloc(size))
SECOND_NAME(void *, __libc_pvalloc, (size_t size), arca_pvalloc(size))
SECOND_NAME(void, __libc_free, (void *block), free_fast(block))
SECOND_NAME(int, __posix_memalign, (void **block, size_t alignment, size_t size), arca_posix_memalign(block, alignment, size))

/* ---- control and figures ---------------------------------------------------------------------------- */

EXPORT int malloc_trim(size_t pad)
{
    return arca_trim(pad);
}

/* glibc's parameters are accepted as far as they are known: they tune what Arca does not have. */
EXPORT int mallopt(int parameter, int value)
{
    switch (parameter) {
    case M_MXFAST:
        return value >= 0 && value <= 160; /* glibc's bound: 80 * sizeof(size_t) / 4 */
    case M_TRIM_THRESHOLD:
    case M_TOP_PAD:
    case M_MMAP_THRESHOLD:
    case M_MMAP_MAX:
    case M_CHECK_ACTION:
    case M_PERTURB:
    case M_ARENA_TEST:
    case M_ARENA_MAX:
        return 1;
    default:
        return 0;
    }
}

EXPORT struct mallinfo2 mallinfo2(void)
{
    struct report report;
    report_collect(&report);
    return (struct mallinfo2){
        .arena = report.mapped_bytes,
        .hblks = report.large_blocks,
        .hblkhd = report.large_bytes,
        .uordblks = report.live_bytes,
        .fordblks = report.mapped_bytes - report.live_bytes,
        .keepcost = report.dirty_bytes,
    };
}

static int clamp_int(size_t n)
{
    return n > INT32_MAX ? INT32_MAX : (int)n;
}

EXPORT struct mallinfo mallinfo(void)
{
    struct mallinfo2 wide = mallinfo2();
    return (struct mallinfo){
        .arena = clamp_int(wide.arena),
        .hblks = clamp_int(wide.hblks),
        .hblkhd = clamp_int(wide.hblkhd),
        .uordblks = clamp_int(wide.uordblks),
        .fordblks = clamp_int(wide.fordblks),
        .keepcost = clamp_int(wide.keepcost),
    };
}

/* The elements that readers of glibc's output look for. */
EXPORT int malloc_info(int options, FILE *stream)
{
    struct report report;
    if (options != 0) {
        errno = EINVAL;
        return EINVAL;
    }
    report_collect(&report);
    size_t free_bytes = report.mapped_bytes - report.live_bytes;
    fprintf(stream,
            "<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n</sizes>\n"
            "<total type=\"fast\" count=\"0\" size=\"0\"/>\n<total type=\"rest\" count=\"0\" size=\"%zu\"/>\n"
            "<system type=\"current\" size=\"%zu\"/>\n<system type=\"max\" size=\"%zu\"/>\n"
            "<aspace type=\"total\" size=\"%zu\"/>\n<aspace type=\"mprotect\" size=\"%zu\"/>\n</heap>\n",
            free_bytes, report.mapped_bytes, report.mapped_bytes, report.mapped_bytes, report.mapped_bytes);
    fprintf(stream,
            "<total type=\"fast\" count=\"0\" size=\"0\"/>\n<total type=\"rest\" count=\"0\" size=\"%zu\"/>\n"
            "<total type=\"mmap\" count=\"%zu\" size=\"%zu\"/>\n"
            "<system type=\"current\" size=\"%zu\"/>\n<system type=\"max\" size=\"%zu\"/>\n"
            "<aspace type=\"total\" size=\"%zu\"/>\n<aspace type=\"mprotect\" size=\"%zu\"/>\n"
            "<arca live=\"%zu\" dirty=\"%zu\" meta=\"%zu\"/>\n</malloc>\n",
            free_bytes, report.large_blocks, report.large_bytes, report.mapped_bytes, report.mapped_bytes, report.mapped_bytes,
            report.mapped_bytes, report.live_bytes, report.dirty_bytes, report.meta_bytes);
    return 0;
}

EXPORT void malloc_stats(void)
{
    arca_stats_print();
}
