/* The heap profile: what is sampled, and that a sample is a block like any other. */
#include "threads.h"

#include "arca/arca.h"
#include "arenas/sample.h"
#include "front/door.h"
#include "front/process.h"
#include "front/profile.h"
#include "heap/harden.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void profile_on(uint64_t rate)
{
    arca_free(arca_malloc(1)); /* the options are read */
    options.profile = rate;
    profile_start();
}

static struct tallies copied[SITES_MAX], all;

static const struct tallies *now(void)
{
    sites_copy(&samples, copied, SITES_MAX, &all);
    return &all;
}

/* At this rate a gap beyond a block of 100 bytes does not happen. */
#define EVERY_BLOCK 1

TEST(profile, nothing_is_sampled_without_the_option)
{
    for (unsigned i = 0; i < 100000; i++)
        arca_free(arca_malloc(1000));
    CHECK_EQ(now()->total.blocks, 0);
    CHECK_EQ(malloc_fast_max, SMALL_MAX);
    CHECK(arca_profile_dump("/dev/null", ARCA_PROFILE_LIVE) == -1 && errno == ENOTSUP);
}

static void *allocate(unsigned how, size_t size)
{
    void *block = NULL;
    switch (how) {
    case 0:
        return arca_malloc(size);
    case 1:
        return arca_calloc(1, size);
    case 2:
        return arca_realloc(NULL, size);
    case 3:
        return arca_memalign(512, size);
    case 4:
        return arca_posix_memalign(&block, 64, size) == 0 ? block : NULL;
    default:
        return arca_aligned_alloc(4096, size);
    }
}
#define WAYS 6

TEST(profile, every_way_to_allocate_is_sampled)
{
    static const size_t sizes[] = { 100, 5000, 32768, 32769, 200000, 50000000 };
    profile_on(EVERY_BLOCK);
    for (unsigned how = 0; how < WAYS; how++) {
        for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            uint64_t before = now()->total.blocks;
            char *block = allocate(how, sizes[i]);
            REQUIRE(block != NULL);
            CHECK_EQ(now()->total.blocks, before + 1);
            CHECK_EQ(now()->live.blocks, 1);
            CHECK(now()->live.bytes >= sizes[i]);
            CHECK(arca_malloc_usable_size(block) >= sizes[i]);
            CHECK(how > 2 || arca_malloc_usable_size(block) == arca_good_size(sizes[i]));
            memset(block, 1, sizes[i]);
            arca_free(block);
            CHECK_EQ(now()->live.blocks, 0);
            CHECK_EQ(now()->live.bytes, 0);
        }
    }
    arca_heap_check();
}

TEST(profile, a_sample_is_zeroed_by_calloc)
{
    profile_on(EVERY_BLOCK);
    for (unsigned i = 0; i < 100; i++) {
        char *block = arca_calloc(1, 1000);
        for (unsigned k = 0; k < 1000; k++)
            CHECK_EQ(block[k], 0);
        memset(block, 0xff, 1000);
        arca_free(block);
    }
}

__attribute__((noinline)) static void *place_by_calloc(void)
{
    void *block = arca_calloc(3, 1000);
    __asm__ volatile("" : "+r"(block));
    return block;
}

__attribute__((noinline)) static void *place_by_realloc(void *block, size_t size)
{
    block = arca_realloc(block, size);
    __asm__ volatile("" : "+r"(block));
    return block;
}

#ifdef __SANITIZE_THREAD__
#define JUMPS false /* arca_realloc() calls what it jumps to otherwise, and comes first then */
#else
#define JUMPS true
#endif

static bool begins_in(const void *block, uintptr_t function)
{
    const struct site *site = sites_get(&samples, page_map_find((uintptr_t)block)->site);
    return site->stack[0] - function < 256 || (!JUMPS && site->stack[1] - function < 256);
}

/* Not with what of ours stands between the program and the walk. */
TEST(profile, a_stack_begins_with_the_caller)
{
    profile_on(EVERY_BLOCK);
    void *block = place_by_calloc();
    CHECK(begins_in(block, (uintptr_t)place_by_calloc));
    block = place_by_realloc(block, 20000);
    CHECK(begins_in(block, (uintptr_t)place_by_realloc));
    block = place_by_realloc(block, 300000);
    CHECK(begins_in(block, (uintptr_t)place_by_realloc));
    arca_free(block);
}

TEST(profile, realloc_keeps_the_bytes_and_counts_the_new_block)
{
    static const size_t sizes[] = { 100, 300, 40000, 70000, 200000, 90000, 40000000, 80000000, 500, 100 };
    profile_on(EVERY_BLOCK);
    unsigned char *block = arca_malloc(100);
    memset(block, 7, 100);
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        block = arca_realloc(block, sizes[i]);
        REQUIRE(block != NULL);
        for (unsigned k = 0; k < 100; k++)
            CHECK_EQ(block[k], 7);
        CHECK_EQ(now()->live.blocks, 1);
        CHECK_EQ(now()->live.bytes, sizes[i]);
    }
    arca_free(block);
    CHECK_EQ(now()->live.blocks, 0);
}

TEST(profile, a_sample_is_live_as_any_block)
{
    static void *blocks[300];
    struct arca_stats before = { .size = sizeof before }, after = { .size = sizeof after };
    size_t sum = 0;
    profile_on(EVERY_BLOCK);
    CHECK_EQ(arca_stats_get(&before), 0);
    for (unsigned i = 0; i < 300; i++) {
        blocks[i] = arca_malloc(100 + i * 50);
        memset(blocks[i], 1, arca_malloc_usable_size(blocks[i]));
        sum += arca_malloc_usable_size(blocks[i]);
    }
    CHECK_EQ(arca_stats_get(&after), 0);
    CHECK_EQ(after.allocated - before.allocated, sum);
    CHECK_EQ(after.live - before.live, sum);
    CHECK_EQ(after.large - before.large, 0); /* whatever it is beneath */
}

TEST(profile, blocks_of_an_explicit_heap_go_with_it)
{
    profile_on(EVERY_BLOCK);
    arca_heap *heap = arca_heap_create();
    for (unsigned i = 0; i < 10; i++)
        CHECK(arca_heap_malloc(heap, 100 + 10000 * i) != NULL);
    arca_free(arca_heap_calloc(heap, 1, 100));
    CHECK_EQ(now()->live.blocks, 10);
    arca_heap_destroy(heap);
    CHECK_EQ(now()->live.blocks, 0);
    CHECK_EQ(now()->total.blocks, 11);
}

static void *free_it(void *block)
{
    arca_free(block);
    return NULL;
}

TEST(profile, another_thread_may_free_a_sample)
{
    profile_on(EVERY_BLOCK);
    pthread_t thread;
    void *block = arca_malloc(100);
    REQUIRE(pthread_create(&thread, NULL, free_it, block) == 0);
    pthread_join(thread, NULL);
    CHECK_EQ(now()->live.blocks, 0);
}

/* Each sample of s bytes stands for s / (1 - e^(-s / rate)): the sum estimates what was allocated, and its deviation
 * is below sqrt(rate * bytes).  Six of these happen once in a billion runs. */
static double samples_stand_for(const struct tallies *tallies, uint32_t count, double rate)
{
    double sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        double blocks = (double)tallies[i].total.blocks, size = blocks == 0 ? 0 : (double)tallies[i].total.bytes / blocks;
        double x = size / rate, p = 1; /* 1 - e^-x */
        if (x < 20) {
            double power = 1, series = 0;
            for (unsigned k = 1; k < 100; k++) {
                power *= x / k;
                series += power; /* e^x - 1 */
            }
            p = series / (1 + series);
        }
        sum += blocks == 0 ? 0 : blocks * size / p;
    }
    return sum;
}

__attribute__((noinline)) static void allocate_from_one_place(size_t size, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        arca_free(arca_malloc(size));
}

TEST(profile, samples_stand_for_all_bytes)
{
    enum { RATE = 10000, TIMES = 20000 };
    static const size_t sizes[] = { 50, 3000, 40000 };
    profile_on(RATE);
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint32_t before = sites_copy(&samples, copied, SITES_MAX, &all);
        static struct tallies earlier[SITES_MAX];
        memcpy(earlier, copied, before * sizeof *copied);
        allocate_from_one_place(sizes[i], TIMES);
        uint32_t count = sites_copy(&samples, copied, SITES_MAX, &all);
        for (uint32_t k = 0; k < before; k++) {
            copied[k].total.blocks -= earlier[k].total.blocks;
            copied[k].total.bytes -= earlier[k].total.bytes;
        }
        double truth = (double)sizes[i] * TIMES, off = samples_stand_for(copied, count, RATE) / truth - 1;
        CHECK(off * off * truth < 36.0 * RATE);
    }
}

/* What asks for gigabytes at once has fewer samples, by up to 256, that stand for more: a size that the gap's mean is less than,
 * one that it is more than, and one that grows. */
TEST(profile, samples_that_are_thinned_out_stand_for_all_bytes)
{
    enum { RATE = 512 << 10, THINNED = 256 };
    static const struct { size_t before, bytes; unsigned times; } loops[] = {
        { 0, 10000, STEPS(2000000) }, { 0, 1 << 20, STEPS(100000) }, { 0, 16 << 20, STEPS(20000) }, { 300000, 4 << 20, STEPS(20000) } };
    profile_on(RATE);
    for (unsigned i = 0; i < sizeof loops / sizeof loops[0]; i++) {
        uint32_t before = sites_copy(&samples, copied, SITES_MAX, &all);
        static struct tallies earlier[SITES_MAX];
        memcpy(earlier, copied, before * sizeof *copied);
        for (unsigned k = 0; k < loops[i].times; k++) {
            void *block = loops[i].before == 0 ? NULL : arca_malloc(loops[i].before);
            arca_free(arca_realloc(block, loops[i].bytes));
        }
        uint32_t count = sites_copy(&samples, copied, SITES_MAX, &all);
        for (uint32_t k = 0; k < before; k++) {
            copied[k].total.blocks -= earlier[k].total.blocks;
            copied[k].total.bytes -= earlier[k].total.bytes;
        }
        double truth = (double)loops[i].bytes * loops[i].times, off = samples_stand_for(copied, count, RATE) / truth - 1;
        CHECK(off * off * truth < 36.0 * RATE * THINNED);
        CHECK_EQ(now()->live.bytes, 0);
        CHECK_EQ(now()->live.blocks, 0);
    }
}

/* Blocks that were made in a hurry, when most were passed by, and grow at leisure, when all are seen: who was passed by is not
 * counted for what it was then. */
TEST(profile, a_block_that_grows_when_samples_are_thinned_out_no_more_is_counted_once)
{
    enum { RATE = 512 << 10, THINNED = 256, BLOCKS = 400, BYTES = 33 << 20, PAUSE_US = 300 };
    static void *blocks[BLOCKS];
    profile_on(RATE);
    for (unsigned i = 0; i < 20000; i++)
        arca_free(arca_malloc(BYTES / 2));
    for (unsigned i = 0; i < BLOCKS; i++)
        blocks[i] = arca_malloc(BYTES);
    for (unsigned i = 0; i < BLOCKS; i++) {
        os_pause(PAUSE_US);
        blocks[i] = arca_realloc(blocks[i], 2 * BYTES);
        REQUIRE(blocks[i] != NULL);
    }
    uint32_t count = sites_copy(&samples, copied, SITES_MAX, &all);
    for (uint32_t i = 0; i < count; i++)
        copied[i].total = copied[i].live;
    double truth = 2.0 * BYTES * BLOCKS, off = samples_stand_for(copied, count, RATE) / truth - 1;
    CHECK(off * off * truth < 36.0 * RATE * THINNED);
    for (unsigned i = 0; i < BLOCKS; i++)
        arca_free(blocks[i]);
    CHECK_EQ(now()->live.blocks, 0);
    CHECK_EQ(now()->live.bytes, 0);
}

/* Both ways to count, beside each other: what small requests pay, and what large ones are counted by. */
TEST(profile, small_and_large_requests_of_one_thread_have_one_gap)
{
    enum { RATE = 100000, TIMES = 60000 };
    profile_on(RATE);
    for (unsigned i = 0; i < TIMES; i++) {
        arca_free(arca_malloc(100));
        arca_free(arca_malloc(20000));
        arca_free(arca_malloc(70000));
        arca_free(arca_calloc(1, 3000));
    }
    uint32_t count = sites_copy(&samples, copied, SITES_MAX, &all);
    double truth = 93100.0 * TIMES, off = samples_stand_for(copied, count, RATE) / truth - 1;
    CHECK(off * off * truth < 36.0 * RATE);
}

TEST(profile, requests_pay_what_they_ask_for_and_nothing_when_they_are_not_served)
{
    profile_on((uint64_t)1 << 40);
    arca_free(arca_malloc(100));
    credit_set(CREDIT_MAX);
    uint64_t before = profile_left();
    arca_free(arca_malloc(100)); /* from the bin */
    CHECK_EQ(profile_left(), before - 100);
    CHECK_EQ(credit_left(), CREDIT_MAX - 100);
    arca_free(arca_malloc(5008)); /* the bin is empty */
    CHECK_EQ(profile_left(), before - 5108);
    arca_free(arca_malloc(100000)); /* within the credit, and of no class */
    CHECK_EQ(profile_left(), before - 105108);
    CHECK(arca_malloc(SIZE_MAX) == NULL && arca_malloc(SIZE_MAX - CREDIT_MAX) == NULL && arca_malloc(PTRDIFF_MAX) == NULL);
    CHECK_EQ(profile_left(), before - 105108);
}

TEST(profile, a_heap_whose_bins_have_grown_has_no_bin_for_large_requests)
{
    static void *blocks[5000];
    profile_on((uint64_t)1 << 40);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 5000; i++)
            blocks[i] = arca_malloc(64);
        for (unsigned i = 0; i < 5000; i++)
            arca_free(blocks[i]);
    }
    CHECK(thread_door.own->grown_bytes != 0);
    for (size_t size = SMALL_MAX - 100; size < CREDIT_MAX + 100; size += 4001) {
        char *block = arca_malloc(size);
        REQUIRE(block != NULL);
        CHECK(arca_malloc_usable_size(block) >= size);
        memset(block, 1, size);
        arca_free(block);
    }
    arca_heap_check();
}

TEST(profile, who_looks_at_every_request_gives_no_credit)
{
    profile_on(EVERY_BLOCK);
    options.profile = 1 << 20;
    hardening_set((struct hardening){ .on = true }, 1);
    arca_heap *heap = arca_heap_create();
    for (unsigned i = 0; i < 100; i++)
        CHECK(arca_heap_malloc(heap, 1000) != NULL);
    CHECK_EQ(credit_left(), 0);
    char *block = arca_malloc(100);
    CHECK(page_map_find((uintptr_t)block)->hardened);
    arca_free(block);
    arca_heap_destroy(heap);
}

/* Blocks of 100,000 to 200,000 bytes, by steps; how many steps moved them. */
static unsigned grow_blocks(char **blocks, unsigned count, size_t step)
{
    unsigned moves = 0;
    for (unsigned i = 0; i < count; i++) {
        blocks[i] = NULL;
        for (size_t size = step; size < 100000 + 1000 * (i % 100); size += step) {
            char *before = blocks[i];
            blocks[i] = arca_realloc(before, size);
            moves += blocks[i] != before;
        }
    }
    return moves;
}

TEST(profile, a_block_that_grows_is_a_sample_as_often_as_one_that_is_made_large)
{
    enum { RATE = 150000, BLOCKS = 3000 };
    static char *blocks[BLOCKS];
    double truth = 0;
    profile_on(RATE);
    CHECK(grow_blocks(blocks, BLOCKS, 700) < 30 * BLOCKS); /* and not 200 */
    for (unsigned i = 0; i < BLOCKS; i++)
        truth += (double)arca_malloc_usable_size(blocks[i]);
    uint32_t count = sites_copy(&samples, copied, SITES_MAX, &all);
    for (uint32_t i = 0; i < count; i++)
        copied[i].total = copied[i].live;
    double off = samples_stand_for(copied, count, RATE) / truth - 1;
    CHECK(off * off * truth < 36.0 * 2 * RATE); /* at that rate the variance of a block of these sizes is up to twice as large */
    for (unsigned i = 0; i < BLOCKS; i++)
        arca_free(blocks[i]);
    CHECK_EQ(now()->live.blocks, 0);
    CHECK_EQ(now()->live.bytes, 0);
    arca_heap_check();
}

TEST(profile, a_sample_that_grows_in_place_stays_one)
{
    profile_on(EVERY_BLOCK);
    char *block = NULL;
    for (size_t size = 3000; size < 900000; size += 3000) {
        block = arca_realloc(block, size);
        CHECK_EQ(now()->live.blocks, 1);
        CHECK(now()->live.bytes <= size && now()->live.bytes + 4096 > size);
    }
    CHECK(now()->total.blocks < 100);
    arca_free(block);
    CHECK_EQ(now()->live.bytes, 0);
}

static void *draw_first_gap(void *gap)
{
    *(int64_t *)gap = profile_is_due(0) ? 0 : (int64_t)profile_left();
    return NULL;
}

TEST(profile, threads_do_not_sample_the_same_requests)
{
    enum { THREADS = 8 };
    int64_t gaps[THREADS];
    profile_on(1 << 30);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, draw_first_gap, &gaps[i]) == 0);
        pthread_join(thread, NULL);
        for (unsigned k = 0; k < i; k++)
            CHECK(gaps[k] != gaps[i]);
    }
}

TEST(profile, a_child_of_fork_goes_on)
{
    profile_on(EVERY_BLOCK);
    void *block = arca_malloc(100);
    pid_t child = fork();
    if (child == 0) {
        arca_free(block);
        block = arca_malloc(200);
        _exit(now()->live.bytes == 200 ? 0 : 1);
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    arca_free(block);
}

/* The number after each of these texts. */
static uint64_t number_after(const char *text, const char *what)
{
    const char *at = strstr(text, what);
    return at == NULL ? UINT64_MAX : strtoull(at + strlen(what), NULL, 10);
}

static const char *dumped(enum arca_profile_view view)
{
    static char text[1 << 20];
    char path[] = "/tmp/arca-profile-XXXXXX";
    int fd = mkstemp(path);
    REQUIRE(fd >= 0);
    CHECK_EQ(arca_profile_dump(path, view), 0);
    ssize_t length = read(fd, text, sizeof text - 1);
    REQUIRE(length > 0);
    text[length] = '\0';
    close(fd);
    unlink(path);
    return text;
}

TEST(profile, the_file_has_sites_and_mappings)
{
    profile_on(EVERY_BLOCK);
    void *block = arca_malloc(1000), *more = arca_malloc(500);
    arca_free(more);
    const char *text = dumped(ARCA_PROFILE_LIVE);
    CHECK(strncmp(text, "heap profile: 1: 1000 [2: 1500] @ heap_v2/1\n", 44) == 0);
    CHECK(strstr(text, "\n1: 1000 [1: 1000] @ 0x") != NULL);
    CHECK(strstr(text, "\nMAPPED_LIBRARIES:\n") != NULL);
    CHECK(strstr(text, "test_profile") != NULL);
    text = dumped(ARCA_PROFILE_PEAK);
    CHECK_EQ(number_after(text, "heap profile: 2: "), 1500);
    CHECK(strstr(text, "\n1: 500 [1: 500] @ 0x") != NULL);
    arca_free(block);
    CHECK(arca_profile_dump("/nonexistent/file", ARCA_PROFILE_LIVE) == -1 && errno == ENOENT);
    errno = 0;
    CHECK(arca_profile_dump("/dev/full", ARCA_PROFILE_LIVE) == -1 && errno == EIO);
    CHECK(arca_profile_dump("/nonexistent/file", (enum arca_profile_view)2) == -1 && errno == EINVAL);
}
