/*
 * mallctl and malloc_stats_print: the names by which servers ask jemalloc, answered with Arca's figures.
 *
 * Law: what is answered is true; a name of something that Arca does not have is ENOENT, and a setting that can not be
 * changed in a running process is EPERM.  docs/servers.md says who asks what.
 *
 * Figures are those of the last write of "epoch", or of the first question: so several of them agree with each other.
 * They are the exact ones, whose walk costs about a millisecond a gigabyte: who writes "epoch" all the time does not get
 * more of his time spent on it than the allowance below, and meanwhile the last figures.
 */
#include "arca/arca.h"

#include "base/atomic.h"
#include "base/bits.h"
#include "base/options.h"
#include "base/os.h"
#include "front/figures.h"
#include "front/process.h"
#include "front/report.h"
#include "front/supply.h"

#include <errno.h>
#include <string.h>
#include <sys/types.h>

#define EXPORT __attribute__((visibility("default")))

#define VERSION_TEXT_OF(major, minor, patch) "Arca " #major "." #minor "." #patch
#define VERSION_TEXT(major, minor, patch) VERSION_TEXT_OF(major, minor, patch)

#define PARTS_MAX 6           /* of a name */
#define EVERY_ARENA ((size_t)4096) /* MALLCTL_ARENAS_ALL */

enum figure { ALLOCATED, ACTIVE, METADATA, RESIDENT, MAPPED, RETAINED, SMALL, LARGE, ACTIVE_PAGES, DIRTY_PAGES, LAZY_PAGES, FIGURES };

union value {
    bool flag;
    unsigned number;
    size_t bytes;
    ssize_t ms;
    uint64_t epoch;
    const char *text;
};

struct name {
    const char *path; /* N stands for a number */
    size_t size;      /* of the value; 0: none */
    int (*read)(const struct name *name, const size_t *mib, union value *value);
    int (*write)(const union value *value); /* or does it, when there is no value */
    enum figure figure;
};

static _Atomic size_t figures[FIGURES], bin_blocks[SIZE_CLASSES], bin_pools[SIZE_CLASSES];
static _Atomic uint64_t epoch;
static _Atomic unsigned arenas_given = 1; /* numbers: there is one heap behind all of them */

/* ---- what is asked -------------------------------------------------------------------------------- */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Walks may take a hundredth of the time that goes by, and of five seconds in advance, so that a few follow each other. */
#define WALK_MS_PER_US(us) ((us) / 10)
#define WALK_ADVANCE_MS 5000
static _Atomic uint64_t walks_paid_ms; /* when the walks so far will have been paid off */

static void new_figures(void)
{
    struct figures all;
    report_figures(&all);
    const struct arca_stats *sums = &all.stats;
    size_t active = bits_round_up(sums->allocated + sums->cached + sums->slack, OS_PAGE_SIZE);
    store_rlx(&figures[ALLOCATED], sums->allocated);
    store_rlx(&figures[ACTIVE], active);
    store_rlx(&figures[METADATA], sums->meta);
    store_rlx(&figures[RESIDENT], sums->resident);
    store_rlx(&figures[MAPPED], active + sums->meta);
    store_rlx(&figures[RETAINED], sums->mapped - smaller(sums->mapped, active + sums->dirty));
    store_rlx(&figures[SMALL], sums->allocated - smaller(sums->allocated, sums->large));
    store_rlx(&figures[LARGE], smaller(sums->allocated, sums->large));
    store_rlx(&figures[ACTIVE_PAGES], active / OS_PAGE_SIZE);
    store_rlx(&figures[DIRTY_PAGES], sums->dirty / OS_PAGE_SIZE);
    for (unsigned bin = 0; bin < SIZE_CLASSES; bin++) {
        store_rlx(&bin_blocks[bin], all.classes[bin].blocks);
        store_rlx(&bin_pools[bin], all.classes[bin].pools);
    }
}

/* Two threads at once may both walk, and pay for one. */
static void refresh(void)
{
    uint64_t now_ms = os_clock_ms(), paid_ms = load_rlx(&walks_paid_ms);
    if (paid_ms <= now_ms + WALK_ADVANCE_MS) {
        uint64_t start_us = os_thread_time_us();
        new_figures();
        store_rlx(&walks_paid_ms, (paid_ms > now_ms ? paid_ms : now_ms) + WALK_MS_PER_US(os_thread_time_us() - start_us));
    }
    add_rlx(&epoch, 1);
}

static int read_figure(const struct name *name, const size_t *mib, union value *value)
{
    (void)mib;
    if (load_rlx(&epoch) == 0)
        refresh();
    value->bytes = load_rlx(&figures[name->figure]);
    return 0;
}

static bool is_arena(size_t number)
{
    /* The number after the last means all of them, too: so it was before EVERY_ARENA. */
    return number <= load_rlx(&arenas_given) || number == EVERY_ARENA;
}

/* Of stats.arenas.N: the first has what there is, and so has the whole. */
static bool has_all(size_t number)
{
    return number == 0 || number == load_rlx(&arenas_given) || number == EVERY_ARENA;
}

static int read_arena_figure(const struct name *name, const size_t *mib, union value *value)
{
    if (!is_arena(mib[2]))
        return ENOENT;
    int status = read_figure(name, mib, value);
    value->bytes = has_all(mib[2]) ? value->bytes : 0;
    return status;
}

/* ---- bins: the size classes --------------------------------------------------------------------------- */

static int read_bins(const struct name *name, const size_t *mib, union value *value)
{
    (void)name;
    (void)mib;
    value->number = SIZE_CLASSES;
    return 0;
}

static int read_bin_size(const struct name *name, const size_t *mib, union value *value)
{
    (void)name;
    value->bytes = mib[2] < SIZE_CLASSES ? size_classes[mib[2]].block_size : 0;
    return mib[2] < SIZE_CLASSES ? 0 : ENOENT;
}

static int read_bin_capacity(const struct name *name, const size_t *mib, union value *value)
{
    (void)name;
    value->number = mib[2] < SIZE_CLASSES ? size_classes[mib[2]].capacity : 0;
    return mib[2] < SIZE_CLASSES ? 0 : ENOENT;
}

static int read_bin_count(const _Atomic size_t *counts, const size_t *mib, union value *value)
{
    if (!is_arena(mib[2]) || mib[4] >= SIZE_CLASSES)
        return ENOENT;
    if (load_rlx(&epoch) == 0)
        refresh();
    value->bytes = has_all(mib[2]) ? load_rlx(&counts[mib[4]]) : 0;
    return 0;
}

static int read_bin_blocks(const struct name *name, const size_t *mib, union value *value)
{
    (void)name;
    return read_bin_count(bin_blocks, mib, value);
}

static int read_bin_pools(const struct name *name, const size_t *mib, union value *value)
{
    (void)name;
    return read_bin_count(bin_pools, mib, value);
}

/* ---- the rest ------------------------------------------------------------------------------------------ */

static int read_epoch(const struct name *name, const size_t *mib, union value *value)
{
    (void)name;
    (void)mib;
    value->epoch = load_rlx(&epoch);
    return 0;
}

static int write_epoch(const union value *value)
{
    (void)value;
    refresh();
    return 0;
}

static int read_version(const struct name *name, const size_t *mib, union value *value)
{
    (void)name;
    (void)mib;
    value->text = VERSION_TEXT(ARCA_VERSION_MAJOR, ARCA_VERSION_MINOR, ARCA_VERSION_PATCH);
    return 0;
}

static int read_background(const struct name *name, const size_t *mib, union value *value)
{
    (void)name;
    (void)mib;
    value->flag = options.background != 0;
    return 0;
}

static int write_background(const union value *value)
{
    return value->flag == (options.background != 0) ? 0 : EPERM;
}

static int read_hold(const struct name *name, const size_t *mib, union value *value)
{
    (void)name;
    (void)mib;
    value->ms = options.purge == OPTION_NEVER ? -1 : (ssize_t)options.purge;
    return 0;
}

static int read_one(const struct name *name, const size_t *mib, union value *value)
{
    (void)name;
    (void)mib;
    value->number = 1;
    return 0;
}

static int read_arenas(const struct name *name, const size_t *mib, union value *value)
{
    (void)name;
    (void)mib;
    value->number = load_rlx(&arenas_given);
    return 0;
}

static int read_page(const struct name *name, const size_t *mib, union value *value)
{
    (void)name;
    (void)mib;
    value->bytes = OS_PAGE_SIZE;
    return 0;
}

static int read_quantum(const struct name *name, const size_t *mib, union value *value)
{
    (void)name;
    (void)mib;
    value->bytes = BLOCK_ALIGN;
    return 0;
}

/* A number of its own, for a program that goes on with nothing less; its blocks are of the same heap. */
static int create_arena(const struct name *name, const size_t *mib, union value *value)
{
    (void)name;
    (void)mib;
    value->number = add_rlx(&arenas_given, 1u);
    return 0;
}

static int purge(const union value *value)
{
    (void)value;
    arca_trim(0);
    return 0;
}

static int flush_thread(const union value *value)
{
    (void)value;
    supply_give_up_own();
    return 0;
}

/* Threads have their caches; those with a number have nothing in them. */
static int create_cache(const struct name *name, const size_t *mib, union value *value)
{
    static _Atomic unsigned given;
    (void)name;
    (void)mib;
    value->number = add_rlx(&given, 1u);
    return 0;
}

static int leave_cache(const union value *value)
{
    (void)value;
    return 0;
}

#define OF(member) sizeof(((union value *)0)->member)

static const struct name names[] = {
    { "version", OF(text), read_version, NULL, 0 },
    { "epoch", OF(epoch), read_epoch, write_epoch, 0 },
    { "background_thread", OF(flag), read_background, write_background, 0 },
    { "opt.background_thread", OF(flag), read_background, NULL, 0 },
    { "opt.narenas", OF(number), read_one, NULL, 0 },
    { "opt.dirty_decay_ms", OF(ms), read_hold, NULL, 0 },
    { "arenas.dirty_decay_ms", OF(ms), read_hold, NULL, 0 },
    { "arenas.narenas", OF(number), read_arenas, NULL, 0 },
    { "arenas.create", OF(number), create_arena, NULL, 0 },
    { "arena.N.dirty_decay_ms", OF(ms), read_hold, NULL, 0 },
    { "arena.N.purge", 0, NULL, purge, 0 },
    { "arena.N.destroy", 0, NULL, purge, 0 },
    { "arenas.page", OF(bytes), read_page, NULL, 0 },
    { "arenas.quantum", OF(bytes), read_quantum, NULL, 0 },
    { "arenas.nbins", OF(number), read_bins, NULL, 0 },
    { "arenas.bin.N.size", OF(bytes), read_bin_size, NULL, 0 },
    { "arenas.bin.N.nregs", OF(number), read_bin_capacity, NULL, 0 },
    { "tcache.create", OF(number), create_cache, NULL, 0 },
    { "tcache.flush", OF(number), NULL, leave_cache, 0 },
    { "tcache.destroy", OF(number), NULL, leave_cache, 0 },
    { "thread.tcache.flush", 0, NULL, flush_thread, 0 },
    { "stats.allocated", OF(bytes), read_figure, NULL, ALLOCATED },
    { "stats.active", OF(bytes), read_figure, NULL, ACTIVE },
    { "stats.metadata", OF(bytes), read_figure, NULL, METADATA },
    { "stats.resident", OF(bytes), read_figure, NULL, RESIDENT },
    { "stats.mapped", OF(bytes), read_figure, NULL, MAPPED },
    { "stats.retained", OF(bytes), read_figure, NULL, RETAINED },
    { "stats.arenas.N.small.allocated", OF(bytes), read_arena_figure, NULL, SMALL },
    { "stats.arenas.N.large.allocated", OF(bytes), read_arena_figure, NULL, LARGE },
    { "stats.arenas.N.pactive", OF(bytes), read_arena_figure, NULL, ACTIVE_PAGES },
    { "stats.arenas.N.pdirty", OF(bytes), read_arena_figure, NULL, DIRTY_PAGES },
    { "stats.arenas.N.pmuzzy", OF(bytes), read_arena_figure, NULL, LAZY_PAGES },
    { "stats.arenas.N.bins.N.curregs", OF(bytes), read_bin_blocks, NULL, 0 },
    { "stats.arenas.N.bins.N.curslabs", OF(bytes), read_bin_pools, NULL, 0 },
};

/* ---- how ------------------------------------------------------------------------------------------ */

static size_t parts_of(const char *path)
{
    size_t parts = 1;
    for (; *path != '\0'; path++)
        parts += *path == '.';
    return parts;
}

/* Decimal digits, moved past; false when there is none or they are too many. */
static bool read_number(const char **text, size_t *number)
{
    const char *start = *text;
    for (*number = 0; **text >= '0' && **text <= '9' && *text - start < 10; (*text)++)
        *number = *number * 10 + (size_t)(**text - '0');
    return *text != start;
}

/* The number at the N, if any, is put into the place of its part. */
static bool is_path(const char *path, const char *text, size_t *mib)
{
    size_t part = 0;
    for (; *path != '\0'; path++) {
        if (*path == 'N') {
            if (!read_number(&text, &mib[part]))
                return false;
            continue;
        }
        part += *path == '.';
        if (*path != *text++)
            return false;
    }
    return *text == '\0';
}

/* A MIB: which name, then for each further part its number, or 0. */
static int find(const char *text, size_t mib[PARTS_MAX])
{
    for (size_t i = 0; i < ARCA_ARRAY_LENGTH(names); i++) {
        memset(mib, 0, PARTS_MAX * sizeof *mib);
        if (is_path(names[i].path, text, mib)) {
            mib[0] = i;
            return 0;
        }
    }
    return ENOENT;
}

static int give(const struct name *name, const size_t *mib, void *old, size_t *old_size)
{
    union value value;
    if (name->read == NULL)
        return EPERM;
    int status = name->read(name, mib, &value);
    if (status != 0)
        return status;
    size_t size = smaller(*old_size, name->size);
    memcpy(old, &value, size);
    status = *old_size == name->size ? 0 : EINVAL;
    *old_size = size;
    return status;
}

static int take(const struct name *name, const void *fresh, size_t fresh_size)
{
    union value value = { 0 };
    if (name->write == NULL)
        return EPERM;
    if (fresh_size != name->size)
        return EINVAL;
    memcpy(&value, fresh, fresh_size);
    return name->write(&value);
}

static int answer(const size_t *mib, void *old, size_t *old_size, const void *fresh, size_t fresh_size)
{
    const struct name *name = &names[mib[0]];
    bool gives = old != NULL && old_size != NULL;
    int status = 0;
    process_start();
    process_after_fork();
    if (strncmp(name->path, "arena.", 6) == 0 && !is_arena(mib[1]))
        return ENOENT;
    if (name->size == 0)
        return gives || fresh != NULL ? EPERM : name->write(NULL);
    if (fresh != NULL)
        status = take(name, fresh, fresh_size);
    return status == 0 && gives ? give(name, mib, old, old_size) : status;
}

EXPORT int mallctl(const char *name, void *oldp, size_t *oldlenp, void *newp, size_t newlen);
EXPORT int mallctlnametomib(const char *name, size_t *mibp, size_t *miblenp);
EXPORT int mallctlbymib(const size_t *mib, size_t miblen, void *oldp, size_t *oldlenp, void *newp, size_t newlen);
EXPORT void malloc_stats_print(void (*write_cb)(void *, const char *), void *cbopaque, const char *opts);

EXPORT int mallctl(const char *name, void *oldp, size_t *oldlenp, void *newp, size_t newlen)
{
    size_t mib[PARTS_MAX];
    int status = find(name, mib);
    return status != 0 ? status : answer(mib, oldp, oldlenp, newp, newlen);
}

EXPORT int mallctlnametomib(const char *name, size_t *mibp, size_t *miblenp)
{
    size_t mib[PARTS_MAX];
    int status = find(name, mib);
    if (status != 0)
        return status;
    size_t parts = parts_of(name);
    if (*miblenp < parts)
        return EINVAL;
    memcpy(mibp, mib, parts * sizeof *mib);
    *miblenp = parts;
    return 0;
}

EXPORT int mallctlbymib(const size_t *mib, size_t miblen, void *oldp, size_t *oldlenp, void *newp, size_t newlen)
{
    if (miblen == 0 || mib[0] >= ARCA_ARRAY_LENGTH(names) || miblen != parts_of(names[mib[0]].path))
        return ENOENT;
    return answer(mib, oldp, oldlenp, newp, newlen);
}

struct sink {
    void (*write)(void *context, const char *text);
    void *context;
};

static void write_line(void *sink, const char *text)
{
    const struct sink *to = sink;
    to->write(to->context, text);
    to->write(to->context, "\n");
}

/* Of the options "J" is heeded, JSON instead of text; the others choose among sections that Arca's text does not have. */
EXPORT void malloc_stats_print(void (*write_cb)(void *, const char *), void *cbopaque, const char *opts)
{
    bool json = opts != NULL && strchr(opts, 'J') != NULL;
    if (write_cb != NULL)
        (json ? report_write_json : report_write)(write_line, &(struct sink){ write_cb, cbopaque });
    else if (json)
        report_print_json(OS_STDERR);
    else
        report_print();
}
