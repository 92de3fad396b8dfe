/* mallctl answers the names that servers ask for by name and by MIB, with figures that follow the heap, and refuses the rest by
   the statuses of jemalloc's manual page; malloc_stats_print writes by the caller's function. */
#include "check.h"
#include <errno.h>
#include <stdbool.h>
#include <time.h>

__attribute__((weak)) int mallctl(const char *name, void *old, size_t *old_size, void *fresh, size_t fresh_size);
__attribute__((weak)) int mallctlnametomib(const char *name, size_t *mib, size_t *parts);
__attribute__((weak)) int mallctlbymib(const size_t *mib, size_t parts, void *old, size_t *old_size, void *fresh, size_t fresh_size);
__attribute__((weak)) void malloc_stats_print(void (*write)(void *, const char *), void *context, const char *options);

static size_t figure(const char *name)
{
    size_t value = 0, size = sizeof value;
    CHECK(mallctl(name, &value, &size, NULL, 0) == 0, "(%s)", name);
    CHECK(size == sizeof value);
    return value;
}

static uint64_t refresh(void)
{
    uint64_t epoch = 1;
    size_t size = sizeof epoch;
    CHECK(mallctl("epoch", &epoch, &size, &epoch, size) == 0);
    return epoch;
}

static void figures_follow_the_heap(void)
{
    uint64_t epoch = refresh();
    size_t before = figure("stats.allocated"), size = 50 * MIB;
    char *block = hide(malloc(size));
    CHECK(block != NULL);
    memset(block, 1, size);
    CHECK(figure("stats.allocated") == before, "(without an epoch)");
    CHECK(refresh() > epoch);
    size_t allocated = figure("stats.allocated"), active = figure("stats.active"), resident = figure("stats.resident");
    CHECK(allocated - before >= size && allocated - before < size + MIB, "(%zu, then %zu)", before, allocated);
    CHECK(allocated <= active && active % 4096 == 0 && active <= resident);
    CHECK(resident < resident_bytes() + 4 * MIB, "(%zu, the kernel says %zu)", resident, resident_bytes());
    CHECK(figure("stats.mapped") >= active);
    CHECK(figure("stats.metadata") > 0);
    figure("stats.retained");
    free(block);
}

static void purging_gives_memory_back(const char *name)
{
    enum { COUNT = 4000, SIZE = 5000 };
    static char *blocks[COUNT];
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = hide(malloc(SIZE));
        CHECK(blocks[i] != NULL);
        memset(blocks[i], i, SIZE);
    }
    size_t full = resident_bytes();
    for (int i = 0; i < COUNT; i++)
        free(blocks[i]);
    CHECK(mallctl(name, NULL, NULL, NULL, 0) == 0, "(%s)", name);
    CHECK(full - resident_bytes() > (size_t)COUNT * SIZE / 2, "(%s)", name);
}

static void bad_questions_are_refused(void)
{
    char text[64];
    size_t size = sizeof text, value = 5;
    bool flag = true;
    CHECK(mallctl("no.such.name", text, &size, NULL, 0) == ENOENT);
    CHECK(mallctl("", text, &size, NULL, 0) == ENOENT);
    CHECK(mallctl("stats.allocated.more", text, &size, NULL, 0) == ENOENT);
    CHECK(mallctl("stats", text, &size, NULL, 0) == ENOENT);
    CHECK(mallctl("arena.purge", NULL, NULL, NULL, 0) == ENOENT);
    CHECK(mallctl("arena.77.purge", NULL, NULL, NULL, 0) == ENOENT);
    CHECK(mallctl("arena.99999999999999999999.purge", NULL, NULL, NULL, 0) == ENOENT);
    CHECK(mallctl("arena.0.purge", &value, &size, NULL, 0) == EPERM);
    CHECK(mallctl("stats.allocated", NULL, NULL, &value, sizeof value) == EPERM);
    CHECK(mallctl("epoch", NULL, NULL, &flag, sizeof flag) == EINVAL);
    size = 4;
    CHECK(mallctl("stats.allocated", text, &size, NULL, 0) == EINVAL && size == 4);
    size = sizeof text;
    CHECK(mallctl("stats.allocated", text, &size, NULL, 0) == EINVAL && size == sizeof(size_t));
    size = sizeof flag;
    CHECK(mallctl("background_thread", &flag, &size, NULL, 0) == 0);
    CHECK(mallctl("background_thread", NULL, NULL, &flag, sizeof flag) == 0);
    flag = !flag;
    CHECK(mallctl("background_thread", NULL, NULL, &flag, sizeof flag) == EPERM);
}

static void names_have_mibs(void)
{
    size_t mib[5] = { 0 }, parts = 5, size = sizeof(unsigned), value;
    unsigned count = 0, created = 0;
    CHECK(mallctl("arenas.create", &created, &size, NULL, 0) == 0);
    CHECK(mallctl("arenas.narenas", &count, &size, NULL, 0) == 0);
    CHECK(created > 0 && count == created + 1);
    CHECK(mallctlnametomib("arena.0.purge", mib, &parts) == 0 && parts == 3);
    for (mib[1] = 0; mib[1] <= count; mib[1]++)
        CHECK(mallctlbymib(mib, parts, NULL, NULL, NULL, 0) == 0);
    CHECK(mallctlbymib(mib, parts, NULL, NULL, NULL, 0) == ENOENT);
    CHECK(mallctlbymib(mib, 2, NULL, NULL, NULL, 0) == ENOENT);
    mib[0] = 12345;
    CHECK(mallctlbymib(mib, parts, NULL, NULL, NULL, 0) == ENOENT);
    CHECK(mallctlnametomib("arena.0.no", mib, &parts) == ENOENT);
    parts = 1;
    CHECK(mallctlnametomib("stats.active", mib, &parts) == EINVAL);
    parts = 5;
    size = sizeof value;
    CHECK(mallctlnametomib("stats.active", mib, &parts) == 0 && parts == 2);
    CHECK(mallctlbymib(mib, parts, &value, &size, NULL, 0) == 0 && value == figure("stats.active"));
}

static unsigned number(const char *name)
{
    unsigned value = 0;
    size_t size = sizeof value;
    CHECK(mallctl(name, &value, &size, NULL, 0) == 0 && size == sizeof value, "(%s)", name);
    return value;
}

static size_t bin_figure(const char *form, unsigned arena, unsigned bin)
{
    char name[64];
    snprintf(name, sizeof name, form, arena, bin);
    return figure(name);
}

/* Redis 7.4 and later end where one of these is not known; what it adds up from them are the free blocks of small sizes. */
static size_t free_in_bins(unsigned arena)
{
    size_t free_bytes = 0;
    for (unsigned bin = 0; bin < number("arenas.nbins"); bin++) {
        char name[64];
        snprintf(name, sizeof name, "arenas.bin.%u.size", bin);
        size_t block = figure(name);
        snprintf(name, sizeof name, "arenas.bin.%u.nregs", bin);
        size_t capacity = number(name) * bin_figure("stats.arenas.%u.bins.%u.curslabs", arena, bin);
        size_t used = bin_figure("stats.arenas.%u.bins.%u.curregs", arena, bin);
        CHECK(used <= capacity && block >= 16 && block <= 32768, "(bin %u: %zu of %zu blocks of %zu bytes)", bin, used, capacity, block);
        free_bytes += (capacity - used) * block;
    }
    return free_bytes;
}

static void bins_and_arenas_add_up(void)
{
    enum { COUNT = 2000, SIZE = 3000 };
    static char *blocks[COUNT];
    unsigned created = 0, threads = 0;
    size_t size = sizeof(unsigned);
    CHECK(figure("arenas.page") == 4096 && figure("arenas.quantum") == 16);
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = hide(malloc(SIZE));
        CHECK(blocks[i] != NULL);
        memset(blocks[i], i, SIZE);
    }
    refresh();
    size_t before = free_in_bins(4096);
    for (int i = 0; i < COUNT; i += 2)
        free(blocks[i]);
    CHECK(mallctl("thread.tcache.flush", NULL, NULL, NULL, 0) == 0);
    refresh();
    CHECK(free_in_bins(4096) - before > (size_t)COUNT / 4 * SIZE, "(%zu, then %zu)", before, free_in_bins(4096));
    CHECK(free_in_bins(0) == free_in_bins(4096));
    CHECK(figure("stats.arenas.0.small.allocated") + figure("stats.arenas.0.large.allocated") == figure("stats.allocated"));
    CHECK(figure("stats.arenas.4096.pactive") * 4096 == figure("stats.active"));
    figure("stats.arenas.4096.pdirty");
    CHECK(figure("stats.arenas.4096.pmuzzy") == 0);
    CHECK(mallctl("arenas.create", &created, &size, NULL, 0) == 0);
    CHECK(bin_figure("stats.arenas.%u.pactive", created, 0) == 0 && free_in_bins(created) == 0, "what is the one heap's is counted twice");
    CHECK(mallctl("tcache.create", &threads, &size, NULL, 0) == 0);
    CHECK(mallctl("tcache.flush", NULL, NULL, &threads, sizeof threads) == 0);
    CHECK(mallctl("tcache.destroy", NULL, NULL, &threads, sizeof threads) == 0);
    CHECK(mallctl("stats.arenas.77.pactive", &size, &size, NULL, 0) == ENOENT);
    CHECK(mallctl("arenas.bin.999.size", &size, &size, NULL, 0) == ENOENT);
    CHECK(mallctl("stats.arenas.0.bins.999.curregs", &size, &size, NULL, 0) == ENOENT);
    for (int i = 1; i < COUNT; i += 2)
        free(blocks[i]);
}

#define TEXT_BYTES 16384

static void append(void *text, const char *more)
{
    CHECK(strlen(text) + strlen(more) < TEXT_BYTES);
    strcat(text, more);
}

static void statistics_are_text_or_json(void)
{
    static char text[TEXT_BYTES], json[TEXT_BYTES];
    malloc_stats_print(append, text, "gx");
    CHECK(strstr(text, "\nmapped ") != NULL && text[strlen(text) - 1] == '\n');
    malloc_stats_print(append, json, "gJ");
    CHECK(json[0] == '{' && strstr(json, "\n\"mapped\": ") != NULL && strcmp(json + strlen(json) - 2, "}\n") == 0);
}

/* A walk takes tens of microseconds at the least, half a million of them many seconds. */
static void a_server_that_asks_all_the_time_is_answered_by_few_walks(void)
{
    struct timespec start, end;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    uint64_t first = refresh(), last = first;
    for (int i = 0; i < 500000; i++)
        last = refresh();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
    CHECK(last == first + 500000);
    CHECK(end.tv_sec - start.tv_sec < 5, "(%ld s)", (long)(end.tv_sec - start.tv_sec));
}

int main(void)
{
    if (mallctl == NULL)
        SKIP("no mallctl in this malloc");
    const char *version = NULL;
    size_t size = sizeof version;
    CHECK(mallctl("version", &version, &size, NULL, 0) == 0 && strstr(version, "Arca") == version);
    figures_follow_the_heap();
    purging_gives_memory_back("arena.0.purge");
    purging_gives_memory_back("arena.4096.purge");
    CHECK(mallctl("thread.tcache.flush", NULL, NULL, NULL, 0) == 0);
    bad_questions_are_refused();
    names_have_mibs();
    bins_and_arenas_add_up();
    statistics_are_text_or_json();
    a_server_that_asks_all_the_time_is_answered_by_few_walks();
    exercise_heap();
    return 0;
}
