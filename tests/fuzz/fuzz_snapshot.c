/*
 * What the tool reads of another process, with lies in any place: in the tables of its loaded file, in its statistics page,
 * in the records.  Each walk ends, and what it adds up is what it was told is resident, whatever the records say.
 *
 * The other process is an image here, well-formed until the input has been laid over it.
 */
#include "input.h"

#include "harness.h"

#include "tool/snapshot.h"
#include "tool/symbol.h"

#include <elf.h>
#include <stdlib.h>

#define BASE ((uintptr_t)0x500000000000)
#define STEPS_MAX 500
#define PAGES_OF(bytes) (((bytes) + OS_PAGE_SIZE - 1) / OS_PAGE_SIZE)

struct image {
    Elf64_Ehdr elf;
    Elf64_Phdr segments[2];
    Elf64_Dyn dynamic[4];
    Elf64_Sym symbols[2];
    char strings[32];
    uint32_t hash[8]; /* 4 of the head, 2 of the filter, 1 bucket, 1 chain */
    struct stats_page page;
    struct arenas arenas;
    struct heap_entry *heaps;
    struct meta_chunk *chunk_list;
    struct page_map_leaf *leaves[1u << PAGE_MAP_ROOT_BITS];
    struct stats counted;
    struct options options;
    struct watch_figures collector;
    struct heap heap[2];
    struct meta_chunk chunks[2];
    struct arena arena[2];
};

#define AT(member) (BASE + offsetof(struct image, member))
#define REGION(member) { offsetof(struct image, member), sizeof((struct image *)0)->member }

/* Where the input goes: the whole, and what little would be met seldom in it. */
static const struct {
    size_t from, bytes;
} regions[] = {
    { 0, offsetof(struct image, arenas) },
    REGION(page),
    REGION(arenas),
    REGION(heaps),
    REGION(chunk_list),
    REGION(leaves),
    REGION(heap[0]),
    REGION(chunks),
    { offsetof(struct image, arena), offsetof(struct arena, freed_ms) },
    { offsetof(struct image, arena) + offsetof(struct arena, spans), 4 * sizeof(struct span) },
    REGION(arena[0]),
    { 0, sizeof(struct image) },
};

static struct image good, image;
static unsigned steps;
static unsigned resident_pattern;
static uint64_t resident_pages;
static unsigned looks_left; /* before the first arena is unmapped; 0: it stays */
static bool unmapped;

/* ---- the process ------------------------------------------------------------------------------------------------- */

bool process_open(struct process *process, int pid)
{
    memset(process, 0, sizeof *process);
    process->pid = pid;
    return true;
}

void process_close(struct process *process)
{
    (void)process;
}

bool process_read(struct process *process, const void *address, void *to, size_t bytes)
{
    uintptr_t offset = (uintptr_t)address - BASE;
    (void)process;
    if (offset > sizeof image || bytes > sizeof image - offset)
        return false;
    memcpy(to, (const char *)&image + offset, bytes);
    return true;
}

bool process_read_pieces(struct process *process, const void *const *addresses, size_t count, void *to, size_t bytes)
{
    for (size_t i = 0; i < count; i++) {
        if (!process_read(process, addresses[i], (char *)to + i * bytes, bytes))
            return false;
    }
    return true;
}

bool process_read_sparse(struct process *process, const void *address, void *to, size_t bytes)
{
    return process_read(process, address, to, bytes);
}

bool process_resident(struct process *process, uintptr_t address, size_t pages, unsigned char *resident)
{
    (void)process;
    if (looks_left != 0 && --looks_left == 0) {
        image.arena[0].slices = 0;
        unmapped = true;
    }
    if (unmapped && address - good.arena[0].base < (uintptr_t)ARENA_SLICES << SLICE_SHIFT) {
        memset(resident, 1, pages); /* as process.h says, and never to be counted */
        return true;
    }
    for (size_t i = 0; i < pages; i++) {
        resident[i] = (address / OS_PAGE_SIZE + i) % 8 < resident_pattern;
        resident_pages += resident[i];
    }
    return true;
}

uint64_t process_anonymous(const struct process *process)
{
    (void)process;
    return (uint64_t)resident_pages * OS_PAGE_SIZE;
}

void process_start_walk(struct process *process)
{
    (void)process;
}

bool process_out_of_time(struct process *process)
{
    (void)process;
    return ++steps > STEPS_MAX;
}

bool process_mappings(struct process *process, mapping_visit *visit, void *context)
{
    (void)process;
    visit(&(struct mapping){ .start = BASE, .end = BASE + sizeof image, .flags = "r--p", .path = "/lib/libarca.so.0" }, context);
    return true;
}

/* ---- the image ----------------------------------------------------------------------------------------------------- */

static uint32_t hash_of(const char *name)
{
    uint32_t hash = 5381;
    for (; *name != '\0'; name++)
        hash = hash * 33 + (unsigned char)*name;
    return hash;
}

static void make_file(void)
{
    static const char name[] = "arca_stats_page";
    memcpy(good.elf.e_ident, ELFMAG, SELFMAG);
    good.elf.e_ident[EI_CLASS] = ELFCLASS64;
    good.elf.e_phoff = offsetof(struct image, segments);
    good.elf.e_phentsize = sizeof good.segments[0];
    good.elf.e_phnum = ARCA_ARRAY_LENGTH(good.segments);
    good.segments[0] = (Elf64_Phdr){ .p_type = PT_LOAD };
    good.segments[1] = (Elf64_Phdr){ .p_type = PT_DYNAMIC, .p_vaddr = offsetof(struct image, dynamic),
                                     .p_memsz = sizeof good.dynamic };
    good.dynamic[0] = (Elf64_Dyn){ DT_SYMTAB, { AT(symbols) } };
    good.dynamic[1] = (Elf64_Dyn){ DT_STRTAB, { offsetof(struct image, strings) } }; /* not relocated */
    good.dynamic[2] = (Elf64_Dyn){ DT_GNU_HASH, { AT(hash) } };
    good.symbols[1] = (Elf64_Sym){ .st_name = 1, .st_shndx = 1, .st_value = offsetof(struct image, page) };
    memcpy(good.strings + 1, name, sizeof name);
    memcpy(good.hash, (uint32_t[]){ 1, 1, 1, 0, 0, 0, 1, hash_of(name) | 1 }, sizeof good.hash);
}

static void make_arena(struct arena *arena, uintptr_t base)
{
    arena->base = base;
    arena->slices = ARENA_SLICES;
    bitmap_set_range(arena->free_bits, 2, ARENA_SLICES - 2);
    arena->spans[0] = (struct span){ .start = base, .slices = 1, .block_size = 64, .capacity = 1024, .size_class = 4 };
    store_rlx(&arena->spans[0].kind, SPAN_POOL);
    store_rlx(&arena->spans[0].heap, (struct heap *)AT(heap));
    store_rlx(&arena->spans[0].used, 700u);
    arena->spans[1] = (struct span){ .start = base + SLICE_SIZE, .slices = 1 };
    store_rlx(&arena->spans[1].kind, SPAN_LARGE);
    store_rlx(&arena->spans[1].large_size, (size_t)50000);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    make_file();
    memcpy(&good.page, &arca_stats_page, sizeof good.page);
    good.page.arenas = (const struct arenas *)AT(arenas);
    good.page.heaps = (const _Atomic(struct heap_entry *) *)AT(heaps);
    good.page.chunks = (const _Atomic(struct meta_chunk *) *)AT(chunk_list);
    good.page.leaves = (const _Atomic(struct page_map_leaf *) *)AT(leaves);
    good.page.first_leaf = (const struct page_map_leaf *)(BASE << 1);
    good.page.stats = (const struct stats *)AT(counted);
    good.page.options = (const struct options *)AT(options);
    good.page.collector = (const struct watch_figures *)AT(collector);
    store_rlx(&good.arenas.all, (struct arena *)AT(arena[0]));
    store_rlx(&good.arenas.mapped_slices, (size_t)2 * ARENA_SLICES);
    good.arena[0].all_next = (struct arena *)AT(arena[1]);
    make_arena(&good.arena[0], BASE << 2);
    make_arena(&good.arena[1], BASE << 3);
    good.heaps = (struct heap_entry *)AT(heap[0].entry);
    for (unsigned i = 0; i < 2; i++)
        store_rlx(&good.heap[i].entry.heap, (struct heap *)AT(heap[i]));
    good.heap[0].entry.next = (struct heap_entry *)AT(heap[1].entry);
    good.heap[0].bins[4].limit = 100;
    good.chunk_list = (struct meta_chunk *)AT(chunks[0]);
    good.chunks[0] = (struct meta_chunk){ (struct meta_chunk *)AT(chunks[1]), 65536 };
    good.chunks[1] = (struct meta_chunk){ NULL, 65536 };
    size_class_init(1024 << 10);
    return 0;
}

static void lay_over(struct input *input)
{
    memcpy(&image, &good, sizeof image);
    unsigned first = input_byte(input);
    resident_pattern = first % 9;
    looks_left = input_left(input) ? 0 : first / 9; /* where no record lies */
    while (input_left(input)) {
        unsigned region = input_byte(input) % ARCA_ARRAY_LENGTH(regions), low = input_byte(input), middle = input_byte(input);
        size_t at = (low | middle << 8 | (size_t)input_byte(input) << 16) % regions[region].bytes;
        char *to = (char *)&image + regions[region].from + at;
        for (unsigned count = 1 + input_byte(input) % 16; count > 0 && to < (char *)(&image + 1); count--)
            *to++ = (char)input_byte(input);
    }
}

/* ---- what comes out ------------------------------------------------------------------------------------------------- */

static void count_line(void *context, const char *text)
{
    size_t *lines = context;
    *lines += text[0] != '\0';
}

static void write_all(const struct figures *told)
{
    size_t lines = 0;
    figures_write_text(told, count_line, &lines);
    figures_write_json(told, 1, count_line, &lines);
    figures_write_metrics(&(struct figures_process){ told, "pid=\"1\"" }, 1, count_line, &lines);
    REQUIRE(lines > 100);
}

/* Strips that hold the beginning of a pool are looked at twice. */
static void expect_sums(const struct arca_stats *sums)
{
    REQUIRE(sums->live + sums->slack + sums->cached + sums->dirty + sums->meta == sums->resident);
    if (sums->resident > resident_pages * OS_PAGE_SIZE)
        harness_fail_now(__FILE__, __LINE__, "%zu bytes of %zu", (size_t)sums->resident, (size_t)resident_pages * OS_PAGE_SIZE);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input input = { bytes, bytes + size };
    struct process process;
    struct stats_page page;
    struct snapshot snapshot;
    lay_over(&input);
    steps = 0;
    resident_pages = 0;
    unmapped = false;
    process_open(&process, -1); /* it has no files */
    if (snapshot_find_page(&process, &page, NULL)) {
        if (snapshot_take(&process, &page, &snapshot)) {
            expect_sums(&snapshot.figures.stats);
            write_all(&snapshot.figures);
        }
        snapshot_free(&snapshot);
        struct ledger ledger = { .entries = NULL };
        for (unsigned i = 0; i < 3; i++) {
            snapshot_renew(&process, &page, &ledger, &snapshot);
            snapshot_free(&snapshot);
        }
        ledger_forget(&ledger);
    }
    return 0;
}
