/*
 * Every size class, pool and arena as text.
 *
 * An arena's spans are copied under the lock and written without it: the lines of one arena are of one moment.
 */
#include "arca/domains.h"

#include "arenas/arena.h"
#include "arenas/meta.h"
#include "base/log.h"
#include "base/os.h"
#include "front/process.h"
#include "heap/size_class.h"

#include <string.h>

struct dumped_span {
    uintptr_t start;
    size_t bytes; /* of a large block */
    uint32_t slices, used, capacity, block_size;
    uint8_t kind, size_class;
    bool objects;
};

struct dumped_arena {
    uintptr_t base;
    uint32_t slices, free_slices, dirty_slices, spans;
    struct dumped_span span[ARENA_SLICES];
};

struct class_sum {
    uint64_t pools, used, capacity;
};

struct dump_sums {
    struct class_sum classes[SIZE_CLASSES];
    uint64_t arenas, pools, large_blocks, large_bytes;
};

#define DUMP_LINE(fd, ...)                                                  \
    do {                                                                     \
        char line_[160];                                                     \
        os_write((fd), line_, log_format(line_, sizeof line_, __VA_ARGS__)); \
    } while (0)

static void copy_span(struct dumped_arena *out, const struct span *span)
{
    uint8_t kind = load_rlx(&span->kind);
    bool pool = kind == SPAN_POOL && load_acq(&span->heap) != NULL; /* P:pool acquire: with pool_publish */
    if (!pool && kind != SPAN_LARGE && kind != SPAN_OBJECT)
        return;
    out->span[out->spans++] = (struct dumped_span){
        .start = span->start, .bytes = pool ? 0 : load_rlx(&span->large_size), .slices = span->slices,
        .used = pool ? load_rlx(&span->used) : 1, .capacity = pool ? span->capacity : 1, .block_size = pool ? span->block_size : 0,
        .kind = kind, .size_class = span->size_class, .objects = kind == SPAN_OBJECT || (pool && span->objects) };
}

static void copy_arena_locked(struct dumped_arena *out, const struct arena *arena)
{
    out->base = arena->base;
    out->free_slices = arena->free_slices;
    out->dirty_slices = arena->dirty_slices;
    out->spans = 0;
    for (uint32_t i = 0; i < arena->slices;) {
        copy_span(out, &arena->spans[i]);
        i += arena->huge ? arena->slices : load_rlx(&arena->spans[i].kind) == SPAN_FREE ? 1 : arena->spans[i].slices;
    }
}

/* False for a record without memory, which somebody may be giving some. */
static bool copy_arena(struct dumped_arena *out, const struct arena *arena)
{
    lock_acquire(&arenas.lock);
    out->slices = arena->slices;
    if (out->slices != 0)
        copy_arena_locked(out, arena);
    lock_release(&arenas.lock);
    return out->slices != 0;
}

static void add_sums(struct dump_sums *sums, const struct dumped_arena *arena)
{
    sums->arenas++;
    for (uint32_t i = 0; i < arena->spans; i++) {
        const struct dumped_span *span = &arena->span[i];
        if (span->kind != SPAN_POOL) {
            sums->large_blocks++;
            sums->large_bytes += span->bytes;
            continue;
        }
        struct class_sum *class = &sums->classes[span->size_class];
        sums->pools++;
        class->pools++;
        class->used += span->used;
        class->capacity += span->capacity;
    }
}

static void write_span(int fd, const struct dumped_span *span)
{
    const char *what = span->objects ? " of objects" : "";
    if (span->kind == SPAN_POOL)
        DUMP_LINE(fd, "  pool %p: %u of %u blocks of %u bytes%s\n", (void *)span->start, span->used, span->capacity, span->block_size,
                   what);
    else
        DUMP_LINE(fd, "  large block %p: %zu bytes%s\n", (void *)span->start, span->bytes, what);
}

static void write_arena(int fd, const struct dumped_arena *arena, bool pools)
{
    DUMP_LINE(fd, "arena %p: %u slices of 64 KiB, %u free, %u of these dirty\n", (void *)arena->base, arena->slices,
               arena->free_slices, arena->dirty_slices);
    for (uint32_t i = 0; pools && i < arena->spans; i++)
        write_span(fd, &arena->span[i]);
}

/* The blocks in use are those outside the pools: of the program, or cached by threads. */
static void write_classes(int fd, const struct dump_sums *sums)
{
    uint64_t used_bytes = 0, free_bytes = 0;
    DUMP_LINE(fd, "class size pools blocks_in_use blocks_free\n");
    for (unsigned i = 0; i < SIZE_CLASSES; i++) {
        const struct class_sum *class = &sums->classes[i];
        uint64_t size = size_classes[i].block_size;
        if (class->pools == 0)
            continue;
        DUMP_LINE(fd, "%u %lu %lu %lu %lu\n", i, size, class->pools, class->used, class->capacity - class->used);
        used_bytes += class->used * size;
        free_bytes += (class->capacity - class->used) * size;
    }
    DUMP_LINE(fd, "%lu arenas, %lu pools, %lu large blocks\n", sums->arenas, sums->pools, sums->large_blocks);
    DUMP_LINE(fd, "%lu bytes in blocks in use, %lu in free blocks of pools, %lu in large blocks, %zu of records\n", used_bytes,
               free_bytes, sums->large_bytes, meta_mapped());
}

void arca_dump(int fd, bool pools)
{
    size_t bytes = bits_round_up(sizeof(struct dumped_arena), OS_PAGE_SIZE);
    struct dump_sums sums;
    process_start();
    process_after_fork();
    struct dumped_arena *copy = os_map(bytes, OS_PAGE_SIZE);
    if (copy == NULL) {
        DUMP_LINE(fd, "arca: no memory for a dump\n");
        return;
    }
    memset(&sums, 0, sizeof sums);
    for (const struct arena *a = load_acq(&arenas.all); a != NULL; a = a->all_next) { /* P:arena record acquire: with arena_take_record */
        if (copy_arena(copy, a)) {
            add_sums(&sums, copy);
            write_arena(fd, copy, pools);
        }
    }
    os_unmap(copy, bytes);
    write_classes(fd, &sums);
}
