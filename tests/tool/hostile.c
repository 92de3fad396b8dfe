/* A process that exports a statistics page of lies, a kind a run. */
#include "front/page.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct arenas fake_arenas;
static struct meta_chunk chunk_ring[2];
static _Atomic(struct heap_entry *) heaps;
static _Atomic(struct meta_chunk *) chunks;
static _Atomic(struct page_map_leaf *) leaves[1u << PAGE_MAP_ROOT_BITS];
static struct page_map_leaf leaf;
static struct stats counted;
static struct options settings;
static struct watch_figures collector;

struct stats_page page_of_lies __asm__("arca_stats_page") = {
    .magic = STATS_PAGE_MAGIC,
    .version = STATS_PAGE_VERSION,
    .size = sizeof page_of_lies,
    .layout =
#include "front/layout.def"
    ,
    .arenas = &fake_arenas,
    .heaps = &heaps,
    .chunks = &chunks,
    .leaves = leaves,
    .first_leaf = &leaf,
    .stats = &counted,
    .options = &settings,
    .collector = &collector,
};

static void noise(void *at, size_t bytes)
{
    unsigned char *to = at;
    for (size_t i = 0; i < bytes; i++)
        to[i] = (unsigned char)rand();
}

static struct arena *make_arena(void)
{
    struct arena *arena = aligned_alloc(4096, sizeof *arena);
    memset(arena, 0, sizeof *arena);
    arena->base = (uintptr_t)mmap(NULL, ARENA_SLICES * SLICE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    arena->slices = ARENA_SLICES;
    fake_arenas.all = arena;
    fake_arenas.mapped_slices = 1;
    return arena;
}

/* A page that its handler of faults never brings: who reads it waits until it is killed.  NULL where that is not allowed. */
static void *make_trap(void)
{
    struct uffdio_api api = { .api = UFFD_API };
    int handler = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct uffdio_register all = { .range = { (uintptr_t)page, 4096 }, .mode = UFFDIO_REGISTER_MODE_MISSING };
    if (handler < 0 || ioctl(handler, UFFDIO_API, &api) != 0 || ioctl(handler, UFFDIO_REGISTER, &all) != 0)
        return NULL;
    return page;
}

/* The least that a mapping can be, so many times. */
static void make_mappings(unsigned count)
{
    char *at = mmap(NULL, 2 * (size_t)count * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    int file = open("/proc/self/exe", O_RDONLY);
    for (unsigned i = 0; i < count; i++)
        mmap(at + 2 * (size_t)i * 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED, file, 0);
}

static void lie(const char *kind)
{
    struct arena *arena = make_arena();
    if (strcmp(kind, "layout") == 0) {
        page_of_lies.layout++;
        make_mappings(30000);
    } else if (strcmp(kind, "nowhere") == 0) {
        fake_arenas.all = (struct arena *)0x123456789000;
    } else if (strcmp(kind, "arena-ring") == 0) {
        arena->all_next = make_arena();
        arena->all_next->all_next = arena;
    } else if (strcmp(kind, "heap-ring") == 0) {
        struct heap *heap = calloc(1, sizeof *heap);
        heap->entry.heap = heap;
        heap->entry.next = &heap->entry;
        heaps = &heap->entry;
    } else if (strcmp(kind, "chunk-ring") == 0) {
        chunk_ring[0] = (struct meta_chunk){ &chunk_ring[1], 0 };
        chunk_ring[1] = (struct meta_chunk){ &chunk_ring[0], 0 };
        chunks = chunk_ring;
    } else if (strcmp(kind, "trap") == 0) {
        void *page = make_trap();
        chunks = page;
        if (page == NULL)
            puts("there is no trap");
    } else if (strcmp(kind, "mappings") == 0) {
        make_mappings(30000);
    } else if (strcmp(kind, "wide-arena") == 0) {
        arena->slices = UINT32_MAX;
    } else if (strcmp(kind, "huge-arena") == 0) {
        arena->huge = true;
        arena->slices = (uint32_t)1 << 31 >> 1;
        arena->spans[0].kind = SPAN_LARGE;
        arena->spans[0].large_size = SIZE_MAX;
    } else if (strcmp(kind, "wild-spans") == 0) {
        noise(arena->spans, sizeof arena->spans);
        for (int i = 0; i < ARENA_SLICES; i++)
            arena->spans[i].kind = SPAN_POOL;
    } else {
        noise(arena->free_bits, sizeof *arena - offsetof(struct arena, free_bits));
        noise(&counted, sizeof counted);
        noise(&settings, sizeof settings);
        noise(&collector, sizeof collector);
    }
}

int main(int argc, char **argv)
{
    lie(argc > 1 ? argv[1] : "");
    puts("ready");
    fflush(stdout);
    for (;;)
        pause();
}
