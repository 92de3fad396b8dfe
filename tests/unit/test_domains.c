/* Domains: what serves them, what watches them, and what their blocks were. */
#include "capture.h"
#include "harness.h"

#include "arca/domains.h"
#include "arenas/arena.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const enum arca_domain all_domains[] = { ARCA_DOMAIN_RAW, ARCA_DOMAIN_GENERAL, ARCA_DOMAIN_OBJECT };

static void use_domain(enum arca_domain domain)
{
    unsigned char *block = arca_domain_malloc(domain, 100);
    REQUIRE(block != NULL);
    memset(block, 7, 100);
    block = arca_domain_realloc(domain, block, 5000);
    REQUIRE(block != NULL);
    for (unsigned i = 0; i < 100; i++)
        CHECK_EQ(block[i], 7);
    arca_domain_free(domain, block);
    block = arca_domain_calloc(domain, 10, 10);
    for (unsigned i = 0; i < 100; i++)
        CHECK_EQ(block[i], 0);
    arca_domain_free(domain, block);
    arca_domain_free(domain, NULL);
    block = arca_domain_realloc(domain, NULL, 10);
    block = arca_domain_realloc(domain, block, 0);
    CHECK(block != NULL);
    arca_domain_free(domain, block);
    CHECK(arca_domain_calloc(domain, SIZE_MAX, 2) == NULL && errno == ENOMEM);
    CHECK(arca_domain_malloc(domain, SIZE_MAX - 10) == NULL && errno == ENOMEM);
}

TEST(domains, each_serves_blocks)
{
    for (unsigned i = 0; i < ARCA_DOMAINS; i++)
        use_domain(all_domains[i]);
}

/* ---- functions ------------------------------------------------------------------------------------------------ */

struct counting {
    struct arca_functions below;
    unsigned mallocs, callocs, reallocs, frees;
};

static void *count_malloc(void *context, size_t size)
{
    struct counting *counting = context;
    counting->mallocs++;
    CHECK(size != 0);
    return counting->below.malloc(counting->below.context, size);
}

static void *count_calloc(void *context, size_t count, size_t size)
{
    struct counting *counting = context;
    counting->callocs++;
    return counting->below.calloc(counting->below.context, count, size);
}

static void *count_realloc(void *context, void *block, size_t size)
{
    struct counting *counting = context;
    counting->reallocs++;
    CHECK(block != NULL && size != 0);
    return counting->below.realloc(counting->below.context, block, size);
}

static void count_free(void *context, void *block)
{
    struct counting *counting = context;
    counting->frees++;
    CHECK(block != NULL);
    counting->below.free(counting->below.context, block);
}

TEST(domains, functions_of_one_domain_are_replaced)
{
    static struct counting counting = { .below.size = sizeof counting.below };
    struct arca_functions mine = { sizeof mine, &counting, count_malloc, count_calloc, count_realloc, count_free };
    struct arca_functions got = { .size = sizeof got };
    CHECK_EQ(arca_domain_get(ARCA_DOMAIN_OBJECT, &counting.below), 0);
    CHECK_EQ(arca_domain_set(ARCA_DOMAIN_OBJECT, &mine), 0);
    CHECK_EQ(arca_domain_get(ARCA_DOMAIN_OBJECT, &got), 0);
    CHECK(memcmp(&got, &mine, sizeof got) == 0);
    use_domain(ARCA_DOMAIN_OBJECT);
    use_domain(ARCA_DOMAIN_GENERAL);
    CHECK_EQ(counting.mallocs, 3);
    CHECK_EQ(counting.callocs, 1);
    CHECK_EQ(counting.reallocs, 2);
    CHECK_EQ(counting.frees, 3);
    CHECK_EQ(arca_domain_set(ARCA_DOMAIN_OBJECT, &counting.below), 0);
    use_domain(ARCA_DOMAIN_OBJECT);
    CHECK_EQ(counting.mallocs, 3);
}

TEST(domains, functions_say_how_large_they_are)
{
    struct arca_functions got = { .size = offsetof(struct arca_functions, calloc), .calloc = count_calloc };
    CHECK_EQ(arca_domain_get(ARCA_DOMAIN_RAW, &got), 0); /* of an older program */
    CHECK(got.malloc != NULL && got.size == offsetof(struct arca_functions, calloc));
    CHECK(got.calloc == count_calloc);
    CHECK(arca_domain_set(ARCA_DOMAIN_RAW, &got) == -1 && errno == EINVAL);
    got.size = sizeof got.size - 1;
    CHECK(arca_domain_get(ARCA_DOMAIN_RAW, &got) == -1 && errno == EINVAL);
    struct {
        struct arca_functions functions;
        void *more;
    } later = { .functions.size = sizeof later, .more = &later };
    CHECK_EQ(arca_domain_get(ARCA_DOMAIN_RAW, &later.functions), 0);
    CHECK_EQ(later.functions.size, sizeof later.functions);
    CHECK_EQ(later.more, &later);
    later.functions.size = sizeof later;
    CHECK_EQ(arca_domain_set(ARCA_DOMAIN_RAW, &later.functions), 0);
    later.functions.realloc = NULL;
    CHECK(arca_domain_set(ARCA_DOMAIN_RAW, &later.functions) == -1 && errno == EINVAL);
    use_domain(ARCA_DOMAIN_RAW);
}

TEST_ABORTS(domains, one_that_does_not_exist_is_named, "domain 7: there are 3")
{
    arca_domain_free((enum arca_domain)7, arca_domain_malloc((enum arca_domain)7, 10));
}

/* ---- where arenas come from ------------------------------------------------------------------------------------- */

static struct {
    _Atomic unsigned maps, unmaps;
    _Atomic size_t bytes;
    bool refuse;
} source_calls;

static void *source_test_map(void *context, size_t bytes, size_t align)
{
    if (context != &source_calls || source_calls.refuse)
        return NULL;
    char *wide = mmap(NULL, bytes + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (wide == MAP_FAILED)
        return NULL;
    char *base = (char *)(((uintptr_t)wide + align - 1) & ~(align - 1));
    if (base != wide)
        munmap(wide, (size_t)(base - wide));
    munmap(base + bytes, (size_t)(wide + align - base));
    source_calls.maps++;
    source_calls.bytes += bytes;
    errno = EDOM; /* which is nobody's business */
    return base;
}

static void source_test_unmap(void *context, void *address, size_t bytes)
{
    CHECK_EQ(context, &source_calls);
    munmap(address, bytes);
    source_calls.unmaps++;
    source_calls.bytes -= bytes;
    errno = EDOM;
}

static const struct arca_arena_source test_source = { sizeof test_source, &source_calls, source_test_map, source_test_unmap };

#define HUGE_BYTES ((size_t)80 << 20)

TEST(domains, arenas_come_from_the_source_and_go_back_to_it)
{
    struct arca_arena_source got = { .size = sizeof got };
    CHECK_EQ(arca_arena_source_get(&got), 0);
    CHECK(got.map == NULL);
    void *before = arca_malloc(HUGE_BYTES); /* the system's */
    CHECK_EQ(arca_arena_source_set(&test_source), 0);
    CHECK_EQ(arca_arena_source_get(&got), 0);
    CHECK(memcmp(&got, &test_source, sizeof got) == 0);
    errno = EXDEV;
    char *block = arca_malloc(HUGE_BYTES);
    CHECK_EQ(source_calls.maps, 1);
    CHECK_EQ(errno, EXDEV);
    block[0] = 5;
    block = arca_realloc(block, 2 * HUGE_BYTES); /* it moves: the source has no mremap */
    CHECK_EQ(block[0], 5);
    CHECK_EQ(source_calls.maps, 2);
    CHECK_EQ(arca_arena_source_set(NULL), 0);
    arca_free(block);
    arca_free(before);
    arca_trim(0);
    CHECK_EQ(errno, EXDEV);
    CHECK_EQ(source_calls.unmaps, 2);
    CHECK_EQ(source_calls.bytes, 0);
}

TEST(domains, a_source_says_how_large_it_is)
{
    struct arca_arena_source source = { .size = offsetof(struct arca_arena_source, unmap), .unmap = source_test_unmap };
    CHECK_EQ(arca_arena_source_get(&source), 0); /* of an older program */
    CHECK(source.map == NULL && source.unmap == source_test_unmap);
    CHECK(arca_arena_source_set(&source) == -1 && errno == EINVAL);
    source.size = 0;
    CHECK(arca_arena_source_get(&source) == -1 && errno == EINVAL);
    source.size = sizeof source; /* who maps and does not unmap */
    CHECK(arca_arena_source_set(&source) == -1 && errno == EINVAL);
    source.unmap = NULL;
    CHECK_EQ(arca_arena_source_set(&source), 0);
}

TEST(domains, a_source_without_memory_is_no_memory)
{
    source_calls.refuse = true;
    CHECK_EQ(arca_arena_source_set(&test_source), 0);
    CHECK(arca_malloc(HUGE_BYTES) == NULL && errno == ENOMEM);
    source_calls.refuse = false;
    void *block = arca_malloc(HUGE_BYTES);
    CHECK(block != NULL);
    arca_free(block);
    arca_heap_check();
}

/* Where the page map does not reach. */
static void *map_beyond(void *context, size_t bytes, size_t align)
{
    (void)bytes, (void)align;
    source_test_map(context, 4096, 4096);
    return (void *)((uintptr_t)1 << 50);
}

static void unmap_beyond(void *context, void *address, size_t bytes)
{
    (void)context, (void)bytes;
    CHECK_EQ(address, (uintptr_t)1 << 50);
    source_calls.unmaps++;
}

TEST(domains, what_a_source_maps_out_of_reach_goes_back_to_it)
{
    struct arca_arena_source beyond = { sizeof beyond, &source_calls, map_beyond, unmap_beyond };
    CHECK_EQ(arca_arena_source_set(&beyond), 0);
    CHECK(arca_malloc(HUGE_BYTES) == NULL && errno == ENOMEM);
    CHECK(source_calls.maps != 0);
    CHECK_EQ(source_calls.unmaps, source_calls.maps);
}

static void *map_askew(void *context, size_t bytes, size_t align)
{
    return (char *)source_test_map(&source_calls, bytes + align, align) + (context == NULL ? 4096 : 0);
}

TEST_ABORTS(domains, a_source_that_does_not_align_is_named, "arena source: 0x")
{
    struct arca_arena_source askew = { sizeof askew, NULL, map_askew, source_test_unmap };
    arca_arena_source_set(&askew);
    arca_free(arca_malloc(HUGE_BYTES));
}

/* ---- debug hooks ---------------------------------------------------------------------------------------------------- */

TEST(domains, guarded_blocks_are_blocks)
{
    CHECK_EQ(arca_domain_debug(), 0);
    for (unsigned i = 0; i < ARCA_DOMAINS; i++)
        use_domain(all_domains[i]);
    unsigned char *block = arca_domain_malloc(ARCA_DOMAIN_RAW, 33);
    for (unsigned i = 0; i < 33; i++)
        CHECK_EQ(block[i], 0xcd);
    CHECK_EQ((uintptr_t)block % 16, 0);
    arca_domain_check(ARCA_DOMAIN_RAW, block);
    arca_domain_free(ARCA_DOMAIN_RAW, block);
    for (unsigned i = 0; i < 10000; i++) /* through all that is kept back */
        arca_domain_free(ARCA_DOMAIN_RAW, arca_domain_malloc(ARCA_DOMAIN_RAW, i));
    arca_domain_free(ARCA_DOMAIN_RAW, arca_domain_malloc(ARCA_DOMAIN_RAW, 10 << 20));
}

TEST(domains, hooks_come_before_the_first_block)
{
    arca_domain_free(ARCA_DOMAIN_RAW, arca_domain_malloc(ARCA_DOMAIN_RAW, 10));
    CHECK(arca_domain_debug() == -1 && errno == EBUSY);
}

static void *many_blocks(void *unused)
{
    for (unsigned i = 0; i < 20000; i++)
        arca_domain_free(ARCA_DOMAIN_GENERAL, arca_domain_malloc(ARCA_DOMAIN_GENERAL, i % 3000));
    return unused;
}

TEST(domains, threads_share_what_is_kept_back)
{
    pthread_t threads[4];
    CHECK_EQ(arca_domain_debug(), 0);
    arca_trace_start();
    for (unsigned i = 0; i < 4; i++)
        REQUIRE(pthread_create(&threads[i], NULL, many_blocks, NULL) == 0);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    struct arca_trace_figures figures = { .size = sizeof figures };
    CHECK_EQ(arca_trace_get(&figures), 0);
    CHECK_EQ(figures.blocks, 0);
    CHECK_EQ(figures.bytes, 0);
}

static char *guarded(size_t size)
{
    REQUIRE(arca_domain_debug() == 0);
    char *volatile block = arca_domain_malloc(ARCA_DOMAIN_GENERAL, size); /* the compiler would see the crime */
    REQUIRE(block != NULL);
    return block;
}

TEST_ABORTS(domains, a_write_past_the_end_is_found, "written past its end (24 bytes of domain general, allocated at ")
{
    char *block = guarded(24);
    block[24] = 1;
    arca_domain_free(ARCA_DOMAIN_GENERAL, block);
}

TEST_ABORTS(domains, a_write_past_an_odd_end_is_found, "free(): 0x")
{
    char *block = guarded(13);
    block[13] = 0;
    arca_domain_free(ARCA_DOMAIN_GENERAL, block);
}

TEST_ABORTS(domains, a_write_before_the_start_is_found, "written before its start (24 bytes of domain general")
{
    char *block = guarded(24);
    block[-1] = 1;
    arca_domain_free(ARCA_DOMAIN_GENERAL, block);
}

TEST_ABORTS(domains, realloc_looks_at_the_fences, "realloc(): 0x")
{
    char *block = guarded(24);
    block[30] = 1;
    block = arca_domain_realloc(ARCA_DOMAIN_GENERAL, block, 48);
}

TEST_ABORTS(domains, a_check_looks_at_the_fences, "check(): 0x")
{
    char *block = guarded(24);
    block[24] = 1;
    arca_domain_check(ARCA_DOMAIN_GENERAL, block);
}

TEST_ABORTS(domains, a_free_by_another_domain_is_found,
            "a block of another domain than object (24 bytes of domain general, allocated at ")
{
    arca_domain_free(ARCA_DOMAIN_OBJECT, guarded(24));
}

TEST_ABORTS(domains, a_second_free_is_found, "freed before (24 bytes, allocated at ")
{
    char *block = guarded(24);
    arca_domain_free(ARCA_DOMAIN_GENERAL, block);
    arca_domain_free(ARCA_DOMAIN_GENERAL, block);
}

TEST_ABORTS(domains, a_write_after_free_is_found, "written after it was freed (24 bytes, allocated at ")
{
    char *block = guarded(24);
    arca_domain_free(ARCA_DOMAIN_GENERAL, block);
    block[10] = 1;
    for (unsigned i = 0; i < 2000; i++)
        arca_domain_free(ARCA_DOMAIN_RAW, arca_domain_malloc(ARCA_DOMAIN_RAW, 10));
}

TEST_ABORTS(domains, what_is_no_block_is_found, "not a block of a domain")
{
    char *block = arca_malloc(1000);
    guarded(1);
    arca_domain_free(ARCA_DOMAIN_GENERAL, block + 64);
}

TEST_ABORTS(domains, what_is_nowhere_is_found, "0x10000: not a block of a domain")
{
    guarded(1);
    arca_domain_free(ARCA_DOMAIN_GENERAL, (void *)0x10000);
}

/* ---- tracing ---------------------------------------------------------------------------------------------------------- */

static struct arca_trace_figures figures_now(void)
{
    struct arca_trace_figures figures = { .size = sizeof figures };
    CHECK_EQ(arca_trace_get(&figures), 0);
    return figures;
}

TEST(trace, figures_and_sites_say_how_large_they_are)
{
    struct arca_trace_figures figures = { .size = offsetof(struct arca_trace_figures, peak_blocks), .peak_blocks = 77, .lost = 78 };
    arca_trace_start();
    void *block = arca_domain_malloc(ARCA_DOMAIN_RAW, 200);
    CHECK_EQ(arca_trace_get(&figures), 0); /* of an older program */
    CHECK_EQ(figures.bytes, 200);
    CHECK_EQ(figures.peak_blocks, 77);
    struct {
        struct arca_trace_figures figures;
        uint64_t more;
    } later = { .figures = { .size = sizeof later }, .more = 79 };
    CHECK_EQ(arca_trace_get(&later.figures), 0);
    CHECK_EQ(later.figures.size, sizeof figures);
    CHECK_EQ(later.figures.peak_bytes, 200);
    CHECK_EQ(later.more, 79);
    figures.size = 0;
    CHECK(arca_trace_get(&figures) == -1 && errno == EINVAL);
    struct arca_trace_sites *snapshot = arca_trace_snapshot();
    CHECK_EQ(snapshot->site_size, sizeof(struct arca_trace_site));
    arca_free(snapshot);
    arca_domain_free(ARCA_DOMAIN_RAW, block);
}

TEST(trace, only_what_comes_while_it_is_on_is_counted)
{
    void *before = arca_domain_malloc(ARCA_DOMAIN_RAW, 100);
    arca_trace_start();
    CHECK(arca_trace_is_on());
    void *block = arca_domain_malloc(ARCA_DOMAIN_RAW, 200), *other = arca_domain_calloc(ARCA_DOMAIN_OBJECT, 3, 100);
    arca_domain_free(ARCA_DOMAIN_RAW, before);
    CHECK_EQ(figures_now().blocks, 2);
    CHECK_EQ(figures_now().bytes, 500);
    block = arca_domain_realloc(ARCA_DOMAIN_RAW, block, 1000);
    CHECK_EQ(figures_now().bytes, 1300);
    CHECK(arca_domain_realloc(ARCA_DOMAIN_RAW, block, SIZE_MAX / 2 + 100) == NULL);
    CHECK_EQ(figures_now().bytes, 1300);
    arca_domain_free(ARCA_DOMAIN_RAW, block);
    CHECK_EQ(figures_now().bytes, 300);
    CHECK_EQ(figures_now().peak_bytes, 1300);
    arca_trace_reset_peak();
    CHECK_EQ(figures_now().peak_bytes, 300);
    arca_trace_stop();
    CHECK(!arca_trace_is_on());
    CHECK_EQ(figures_now().blocks, 0);
    CHECK_EQ(figures_now().peak_bytes, 0);
    arca_domain_free(ARCA_DOMAIN_OBJECT, other);
    CHECK_EQ(figures_now().blocks, 0);
}

static void *raw_malloc(void *unused, size_t size)
{
    (void)unused;
    return arca_domain_malloc(ARCA_DOMAIN_RAW, size);
}

static void *raw_calloc(void *unused, size_t count, size_t size)
{
    (void)unused;
    return arca_domain_calloc(ARCA_DOMAIN_RAW, count, size);
}

static void *raw_realloc(void *unused, void *block, size_t size)
{
    (void)unused;
    return arca_domain_realloc(ARCA_DOMAIN_RAW, block, size);
}

static void raw_free(void *unused, void *block)
{
    (void)unused;
    arca_domain_free(ARCA_DOMAIN_RAW, block);
}

TEST(trace, a_block_of_a_domain_that_another_serves_is_one)
{
    struct arca_functions raw = { sizeof raw, NULL, raw_malloc, raw_calloc, raw_realloc, raw_free };
    CHECK_EQ(arca_domain_set(ARCA_DOMAIN_OBJECT, &raw), 0);
    arca_trace_start();
    void *block = arca_domain_malloc(ARCA_DOMAIN_OBJECT, 100);
    CHECK_EQ(figures_now().blocks, 1);
    block = arca_domain_realloc(ARCA_DOMAIN_OBJECT, block, 5000);
    CHECK_EQ(figures_now().bytes, 5000);
    arca_domain_free(ARCA_DOMAIN_OBJECT, block);
    CHECK_EQ(figures_now().blocks, 0);
    CHECK_EQ(figures_now().bytes, 0);
    arca_trace_stop();
}

TEST(trace, many_blocks_are_found_again)
{
    enum { BLOCKS = 50000 };
    static void *blocks[BLOCKS];
    uint64_t random = harness_seed(), live = 0;
    arca_trace_start();
    for (unsigned step = 0; step < 4 * BLOCKS; step++) {
        unsigned i = harness_random(&random) % BLOCKS;
        live -= blocks[i] != NULL;
        arca_domain_free(ARCA_DOMAIN_RAW, blocks[i]);
        blocks[i] = harness_random(&random) % 3 == 0 ? NULL : arca_domain_malloc(ARCA_DOMAIN_RAW, 8);
        live += blocks[i] != NULL;
    }
    CHECK_EQ(figures_now().blocks, live);
    CHECK_EQ(figures_now().bytes, 8 * live);
    CHECK_EQ(figures_now().lost, 0);
    for (unsigned i = 0; i < BLOCKS; i++)
        arca_domain_free(ARCA_DOMAIN_RAW, blocks[i]);
    CHECK_EQ(figures_now().blocks, 0);
}

__attribute__((noinline)) static void *place_one(size_t size)
{
    void *block = arca_domain_malloc(ARCA_DOMAIN_GENERAL, size);
    __asm__ volatile("" : : : "memory");
    return block;
}

__attribute__((noinline)) static void *place_two(size_t size)
{
    void *block = arca_domain_malloc(ARCA_DOMAIN_GENERAL, size);
    __asm__ volatile("" : : : "memory");
    return block;
}

static bool is_from(const struct arca_trace_site *site, const void *function)
{
    return site->stack[0] - (uintptr_t)function < 256;
}

TEST(trace, snapshots_have_the_largest_first_and_differences_the_changes)
{
    void *blocks[3];
    arca_trace_start();
    blocks[0] = place_one(100);
    blocks[1] = place_two(300);
    struct arca_trace_sites *first = arca_trace_snapshot();
    REQUIRE(first != NULL && first->count == 2);
    CHECK(is_from(&first->sites[0], (const void *)place_two));
    CHECK_EQ(first->sites[0].bytes, 300);
    CHECK(is_from(&first->sites[1], (const void *)place_one));
    CHECK_EQ(first->sites[1].blocks, 1);
    CHECK_EQ(first->sites[1].peak_bytes, 100);

    arca_domain_free(ARCA_DOMAIN_GENERAL, blocks[1]);
    blocks[2] = place_one(50);
    struct arca_trace_sites *second = arca_trace_snapshot();
    struct arca_trace_sites *difference = arca_trace_difference(second, first);
    REQUIRE(difference != NULL);
    REQUIRE(difference->count >= 2);
    CHECK_EQ(difference->sites[0].bytes, -300);
    CHECK_EQ(difference->sites[0].blocks, -1);
    CHECK_EQ(difference->sites[1].bytes, 50);
    struct arca_trace_sites *none = arca_trace_difference(second, second);
    REQUIRE(none != NULL);
    CHECK_EQ(none->count, 0);
    arca_free(first);
    arca_free(second);
    arca_free(difference);
    arca_free(none);
    arca_domain_free(ARCA_DOMAIN_GENERAL, blocks[0]);
    arca_domain_free(ARCA_DOMAIN_GENERAL, blocks[2]);
}

TEST(trace, a_view_that_there_is_not_is_refused_and_no_file_is_made)
{
    char path[] = "/tmp/arca-trace-XXXXXX";
    close(mkstemp(path));
    unlink(path);
    errno = 0;
    CHECK(arca_trace_dump(path, (enum arca_profile_view)2) == -1 && errno == EINVAL);
    errno = 0;
    CHECK(arca_trace_dump(path, (enum arca_profile_view)-1) == -1 && errno == EINVAL);
    CHECK(access(path, F_OK) != 0);
    CHECK_EQ(arca_trace_dump(path, ARCA_PROFILE_PEAK), 0);
    CHECK(unlink(path) == 0);
}

static void print_top(void)
{
    struct arca_trace_sites *snapshot = arca_trace_snapshot();
    arca_trace_print(snapshot, 1);
    arca_free(snapshot);
}

TEST(trace, a_printed_site_names_its_file)
{
    arca_trace_start();
    void *block = place_one(12345);
    const char *said = capture(print_top);
    CHECK(strstr(said, "arca: 12345 bytes in 1 block: ") != NULL);
    arca_domain_free(ARCA_DOMAIN_GENERAL, block);
}

static _Atomic bool enough;

static void *trace_blocks(void *unused)
{
    while (!enough)
        arca_domain_free(ARCA_DOMAIN_RAW, arca_domain_malloc(ARCA_DOMAIN_RAW, 50));
    return unused;
}

/* Where another thread was changing the table, the child begins with nothing; else it knows the block. */
TEST(trace, a_child_of_fork_counts_what_it_knows)
{
    pthread_t thread;
    arca_trace_start();
    void *block = place_one(1000);
    REQUIRE(pthread_create(&thread, NULL, trace_blocks, NULL) == 0);
    for (unsigned i = 0; i < 200; i++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            uint64_t before = figures_now().bytes;
            arca_domain_free(ARCA_DOMAIN_GENERAL, block);
            _exit(before == 0 || figures_now().bytes == before - 1000 ? 0 : 1);
        }
        REQUIRE(waitpid(child, &status, 0) == child);
        CHECK_EQ(status, 0);
    }
    enough = true;
    pthread_join(thread, NULL);
    arca_domain_free(ARCA_DOMAIN_GENERAL, block);
}

TEST(trace, a_child_of_fork_goes_on)
{
    arca_trace_start();
    void *block = place_one(100);
    pid_t child = fork();
    if (child == 0) {
        arca_domain_free(ARCA_DOMAIN_GENERAL, block);
        block = place_one(200);
        _exit(figures_now().bytes == 200 ? 0 : 1);
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    arca_domain_free(ARCA_DOMAIN_GENERAL, block);
}

/* ---- the whole heap ---------------------------------------------------------------------------------------------------- */

static void dump_pools(void)
{
    arca_dump(STDERR_FILENO, true);
}

TEST(dump, classes_pools_and_arenas_are_listed)
{
    void *small = arca_malloc(100), *large = arca_malloc(300000);
    const char *text = capture(dump_pools);
    CHECK(strstr(text, "arena 0x") != NULL);
    CHECK(strstr(text, " blocks of 112 bytes\n") != NULL);
    CHECK(strstr(text, ": 303104 bytes\n") != NULL);
    CHECK(strstr(text, "\nclass size pools blocks_in_use blocks_free\n") != NULL);
    CHECK(strstr(text, " 112 1 1 ") != NULL);
    CHECK(strstr(text, "1 large blocks\n") != NULL);
    arca_free(small);
    arca_free(large);
}
