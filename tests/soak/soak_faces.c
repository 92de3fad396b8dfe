/* The library's other faces. */
#include "soak.h"

#include "../stress/blocks.h"

#include "arca/containers.h"
#include "arca/domains.h"
#include "arca/gc.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- explicit heaps that all threads use --------------------------------------------------------------------------- */

#define HEAPS 12
#define HEAP_BLOCKS 24
#define BURST_HEAPS 60

/* The child of a fork leaves alone what another thread was changing: there the flag stays up. */
struct shared_heap {
    atomic_flag busy;
    arca_heap *heap;
    struct held held[HEAP_BLOCKS];
};

static struct shared_heap shared_heaps[HEAPS];

static void heap_take(arca_heap *heap, struct held *held, uint64_t chance)
{
    size_t size = chance % 64 == 0 ? chance / 64 % 200000 : chance / 64 % 3000;
    void *block = chance % 3 == 0   ? arca_heap_calloc(heap, 1, size)
                  : chance % 3 == 1 ? arca_heap_aligned_alloc(heap, (size_t)16 << chance / 4 % 8, size)
                                    : arca_heap_malloc(heap, size);
    held_take(held, block, size, (unsigned char)(chance >> 32));
}

/* One in eight frees a whole heap, with what is in it. */
static void step_in_a_heap(uint64_t *random)
{
    uint64_t chance = harness_random(random);
    struct shared_heap *shared = &shared_heaps[chance % HEAPS];
    struct held *held = &shared->held[chance / HEAPS % HEAP_BLOCKS];
    chance /= HEAPS * HEAP_BLOCKS;
    if (atomic_flag_test_and_set(&shared->busy))
        return;
    if (shared->heap == NULL) {
        shared->heap = arca_heap_create();
        held_refused(shared->heap);
    } else if (chance % 64 == 0) {
        for (unsigned i = 0; i < HEAP_BLOCKS; i++) {
            if (shared->held[i].bytes != NULL)
                held_check(&shared->held[i], shared->held[i].size);
            shared->held[i].bytes = NULL;
        }
        arca_heap_destroy(shared->heap);
        shared->heap = NULL;
    } else if (held->bytes == NULL) {
        heap_take(shared->heap, held, chance / 64);
    } else if (chance % 3 == 0) {
        held_resize_to(held, 1 + chance / 64 % 5000);
    } else {
        held_free(held);
    }
    atomic_flag_clear(&shared->busy);
}

/* As many as a server has requests. */
static void burst_of_heaps(uint64_t *random)
{
    static _Thread_local struct { arca_heap *heap; struct held held; } burst[BURST_HEAPS];
    for (unsigned i = 0; i < BURST_HEAPS; i++) {
        burst[i].held.bytes = NULL;
        burst[i].heap = arca_heap_create();
        if (!held_refused(burst[i].heap))
            heap_take(burst[i].heap, &burst[i].held, harness_random(random));
    }
    for (unsigned i = 0; i < BURST_HEAPS; i++) {
        if (burst[i].held.bytes != NULL)
            held_check(&burst[i].held, burst[i].held.size);
        arca_heap_destroy(burst[i].heap);
    }
}

/* ---- containers ---------------------------------------------------------------------------------------------------- */

#define CONTAINERS 6
#define KEYS 40
#define ITEMS_MAX 200

static arca_list *lists[CONTAINERS];
static arca_map *maps[CONTAINERS];

/* A string whose second half is the first one, the other way round. */
static arca_str *make_str(uint64_t chance)
{
    char text[65];
    size_t half = (size_t)snprintf(text, 17, "%" PRIx64, chance / 4);
    for (size_t i = 0; i < half; i++)
        text[half + i] = text[half - 1 - i];
    return chance % 4 == 0 ? arca_str_intern(text, 2 * half) : arca_str_new(text, 2 * half);
}

/* An integer is a multiple of this. */
#define INT_FACTOR 1000003

static void check_item(void *item)
{
    if (arca_is_str(item)) {
        const char *text = arca_str_bytes(item);
        for (size_t i = 0, length = arca_str_length(item); i < length; i++) {
            if (text[i] != text[length - 1 - i])
                harness_fail_now(__FILE__, __LINE__, "the string at %p has changed: '%s'", item, text);
        }
    } else if (arca_is_int(item)) {
        if (arca_int_value(item) % INT_FACTOR != 0)
            harness_fail_now(__FILE__, __LINE__, "the integer at %p has changed: %" PRId64, item, arca_int_value(item));
    } else if (!arca_is_list(item) && !arca_is_map(item)) {
        harness_fail_now(__FILE__, __LINE__, "the object at %p is nothing that was put in", item);
    }
}

/* Now and then a container in a container, itself perhaps. */
static void *make_item(uint64_t chance)
{
    switch (chance % 8) {
    case 0:
        return arca_retain(lists[chance / 8 % CONTAINERS]);
    case 1:
        return arca_retain(maps[chance / 8 % CONTAINERS]);
    case 2:
        return arca_list_new();
    case 3:
        return arca_int_new((int64_t)(chance / 8 % 1000) * INT_FACTOR);
    default:
        return make_str(chance / 8);
    }
}

static void check_and_release(void *item)
{
    if (item != NULL)
        check_item(item);
    arca_release(item);
}

static void see_list(arca_list *list)
{
    arca_list_iterator each = arca_list_iterate(list);
    for (void *item; (item = arca_list_next(&each)) != NULL;)
        check_item(item);
}

static void see_map(arca_map *map)
{
    arca_map_iterator each = arca_map_iterate(map);
    while (arca_map_next(&each)) {
        check_item(each.key);
        check_item(each.value);
    }
}

static void step_in_a_list(arca_list *list, uint64_t chance)
{
    size_t length = arca_list_length(list), at = length != 0 ? chance / 16 % length : 0;
    void *item = chance % 8 < 5 ? make_item(chance / 1024) : NULL;
    switch (length > ITEMS_MAX ? 5 + chance % 3 : chance % 8) {
    case 0:
    case 1:
    case 2:
        if (item != NULL)
            arca_list_append(list, item);
        break;
    case 3:
        if (item != NULL)
            arca_list_insert(list, at, item);
        break;
    case 4:
        if (item != NULL)
            arca_list_set(list, at, item);
        break;
    case 5:
        check_and_release(arca_list_remove(list, at));
        break;
    case 6:
        check_and_release(arca_list_pop(list));
        break;
    default:
        check_and_release(arca_list_get(list, at));
        break;
    }
    arca_release(item);
}

static void step_in_a_map(arca_map *map, uint64_t chance)
{
    arca_str *key = make_str(chance / 64 % KEYS);
    if (key == NULL)
        return;
    if (chance % 4 < 2) {
        void *item = make_item(chance / 4096);
        if (item != NULL)
            arca_map_set(map, key, item);
        arca_release(item);
    } else if (chance % 4 == 2) {
        check_and_release(arca_map_get(map, key));
    } else {
        check_and_release(arca_map_remove(map, key));
    }
    arca_release(key);
}

/* What others change meanwhile is copied as it is at some moment. */
static void step_in_a_container(uint64_t *random)
{
    uint64_t chance = harness_random(random);
    arca_list *list = lists[chance % CONTAINERS];
    arca_map *map = maps[chance / 8 % CONTAINERS];
    switch (chance / 64 % 64) {
    case 0:
        see_list(list);
        see_map(map);
        break;
    case 1:
        check_and_release(arca_copy(map));
        break;
    case 2:
        arca_list_clear(list);
        break;
    case 3:
        arca_map_clear(map);
        break;
    case 4:
        if (chance / 4096 % 16 == 0)
            check_and_release(arca_deep_copy(list));
        break;
    default:
        if (chance / 4096 % 2 == 0)
            step_in_a_list(list, chance / 8192);
        else
            step_in_a_map(map, chance / 8192);
        break;
    }
}

/* ---- domains, traced and served by others ---------------------------------------------------------------------------- */

#define DOMAIN_BLOCKS 24
#define SETS_MAX 300 /* what served once is kept */

struct domain_block {
    atomic_flag busy;
    struct held held;
};

static struct domain_block domain_blocks[ARCA_DOMAINS][DOMAIN_BLOCKS];
static struct arca_functions own[ARCA_DOMAINS];
static _Atomic int64_t counted[ARCA_DOMAINS]; /* blocks, by whichever functions */
static bool domains_failed_to_open;

static enum arca_domain domain_of(void *context)
{
    return (enum arca_domain)((struct arca_functions *)context - own);
}

static void *count_malloc(void *context, size_t size)
{
    struct arca_functions *below = context;
    void *block = below->malloc(below->context, size);
    atomic_fetch_add(&counted[domain_of(context)], block != NULL);
    return block;
}

static void *count_calloc(void *context, size_t count, size_t size)
{
    struct arca_functions *below = context;
    void *block = below->calloc(below->context, count, size);
    atomic_fetch_add(&counted[domain_of(context)], block != NULL);
    return block;
}

static void *count_realloc(void *context, void *block, size_t size)
{
    struct arca_functions *below = context;
    void *grown = below->realloc(below->context, block, size);
    atomic_fetch_add(&counted[domain_of(context)], block == NULL && grown != NULL);
    return grown;
}

static void count_free(void *context, void *block)
{
    struct arca_functions *below = context;
    atomic_fetch_sub(&counted[domain_of(context)], 1);
    below->free(below->context, block);
}

static bool serve_counting(enum arca_domain domain)
{
    struct arca_functions counting = { sizeof counting, &own[domain], count_malloc, count_calloc, count_realloc, count_free };
    return arca_domain_set(domain, &counting) == 0;
}

static void step_in_a_domain(uint64_t *random)
{
    uint64_t chance = harness_random(random);
    enum arca_domain domain = (enum arca_domain)(chance % ARCA_DOMAINS);
    struct domain_block *block = &domain_blocks[domain][chance / 4 % DOMAIN_BLOCKS];
    struct held *held = &block->held;
    size_t size = 1 + chance / 1024 % 4000;
    if (domains_failed_to_open || atomic_flag_test_and_set(&block->busy))
        return;
    if (held->bytes == NULL) {
        void *fresh = chance / 128 % 2 == 0 ? arca_domain_malloc(domain, size) : arca_domain_calloc(domain, 1, size);
        held_take(held, fresh, size, (unsigned char)(chance >> 32));
    } else if (chance / 128 % 3 == 0) {
        size_t old = held->size;
        void *grown = arca_domain_realloc(domain, held->bytes, size);
        if (!held_refused(grown)) {
            *held = (struct held){ grown, old < size ? old : size, held->stamp };
            if (STRIDE(old) == STRIDE(size))
                held_check(held, old < size ? old : 0);
            held_take(held, grown, size, held->stamp);
        }
    } else {
        held_check(held, held->size);
        arca_domain_free(domain, held->bytes);
        held->bytes = NULL;
    }
    atomic_flag_clear(&block->busy);
}

static void trace_for_a_while(uint64_t *random)
{
    struct arca_trace_figures figures = { .size = sizeof figures };
    arca_trace_start();
    struct arca_trace_sites *earlier = arca_trace_snapshot();
    for (unsigned i = 0; i < 200; i++)
        step_in_a_domain(random);
    CHECK_EQ(arca_trace_get(&figures), 0);
    struct arca_trace_sites *later = arca_trace_snapshot();
    struct arca_trace_sites *difference = earlier != NULL && later != NULL ? arca_trace_difference(later, earlier) : NULL;
    arca_trace_dump("/dev/null", harness_random(random) % 2 == 0 ? ARCA_PROFILE_LIVE : ARCA_PROFILE_PEAK);
    arca_free(earlier);
    arca_free(later);
    arca_free(difference);
    if (harness_random(random) % 2 == 0)
        arca_trace_stop();
}

/* ---- what is asked --------------------------------------------------------------------------------------------------- */

static void ask_for_figures(void)
{
    struct arca_stats stats = { .size = sizeof stats };
    struct arca_class_stats rows[128];
    if (arca_stats_get(&stats) == 0)
        CHECK_EQ(stats.live + stats.slack + stats.cached + stats.dirty + stats.meta, stats.resident);
    CHECK(arca_stats_classes(rows, 128, sizeof rows[0]) != 0);
    struct arca_gc_stats collector = { .size = sizeof collector };
    CHECK_EQ(arca_gc_get_stats(&collector), 0);
}

static void ask_for_options(void)
{
    static const char *const names[] = { "purge", "limit", "collector", "debug", "nonsense" };
    for (unsigned i = 0; i < 5; i++) {
        uint64_t value;
        char text[64];
        CHECK_EQ(arca_option_get(names[i], &value), i != 4);
        CHECK_EQ(arca_option_text(names[i], text, sizeof text), i != 4);
        CHECK((arca_option_source(names[i]) != NULL) == (i != 4));
    }
}

static void write_all_that_is_known(uint64_t *random)
{
    int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nothing < 0)
        return;
    arca_dump(nothing, harness_random(random) % 2 == 0);
    close(nothing);
    arca_profile_dump("/dev/null", harness_random(random) % 2 == 0 ? ARCA_PROFILE_LIVE : ARCA_PROFILE_PEAK);
}

/* Under a preloaded Arca these are its own, too.  ThreadSanitizer does not see the loader's own lock, by which what one
 * thread allocates there another one frees: under it, one does this at a time. */
static void open_libraries(uint64_t *random)
{
#ifdef __SANITIZE_THREAD__
    static atomic_flag busy = ATOMIC_FLAG_INIT; /* caught by a fork, it stays up in the child */
    if (atomic_flag_test_and_set(&busy))
        return;
#endif
    static const char *const names[] = { "libz.so.1", "libresolv.so.2", "libelf.so.1", "libncurses.so.6", "libgcc_s.so.1", "no-library.so" };
    for (unsigned i = 0; i < 3; i++) {
        void *library = dlopen(names[harness_random(random) % 6], harness_random(random) % 2 == 0 ? RTLD_NOW : RTLD_LAZY);
        if (library != NULL)
            dlclose(library);
    }
#ifdef __SANITIZE_THREAD__
    atomic_flag_clear(&busy);
#endif
}

/* ---- all of it -------------------------------------------------------------------------------------------------------- */

static void make_containers(void)
{
    for (unsigned i = 0; i < CONTAINERS; i++) {
        lists[i] = arca_list_new();
        maps[i] = arca_map_new();
        REQUIRE(lists[i] != NULL && maps[i] != NULL);
    }
}

/* Another thread may have been changing any of them. */
void faces_live_as_child(void)
{
    make_containers();
}

void faces_open(void)
{
    held_may_fail = true;
    make_containers();
    for (unsigned domain = 0; domain < ARCA_DOMAINS; domain++) {
        own[domain].size = sizeof own[domain];
        REQUIRE(arca_domain_get((enum arca_domain)domain, &own[domain]) == 0);
        domains_failed_to_open |= !serve_counting((enum arca_domain)domain);
    }
}

void faces_steps(unsigned steps, uint64_t *random)
{
    for (unsigned i = 0; i < steps; i++) {
        step_in_a_heap(random);
        step_in_a_container(random);
        step_in_a_domain(random);
    }
}

void faces_chore(uint64_t *random)
{
    static unsigned sets;
    switch (harness_random(random) % 8) {
    case 0:
    case 1:
        burst_of_heaps(random);
        break;
    case 2:
        trace_for_a_while(random);
        break;
    case 3:
        arca_trace_stop();
        if (sets < SETS_MAX) {
            sets++;
            serve_counting((enum arca_domain)(harness_random(random) % ARCA_DOMAINS));
        }
        break;
    case 4:
        write_all_that_is_known(random);
        break;
    case 5:
        open_libraries(random);
        break;
    default:
        ask_for_figures();
        ask_for_options();
        break;
    }
}

void faces_close(void)
{
    for (unsigned i = 0; i < HEAPS; i++) {
        for (unsigned k = 0; k < HEAP_BLOCKS; k++) {
            if (shared_heaps[i].held[k].bytes != NULL)
                held_check(&shared_heaps[i].held[k], shared_heaps[i].held[k].size);
        }
        arca_heap_destroy(shared_heaps[i].heap);
    }
    for (unsigned i = 0; i < CONTAINERS; i++) {
        see_list(lists[i]);
        see_map(maps[i]);
        arca_release(lists[i]);
        arca_release(maps[i]);
    }
    for (unsigned domain = 0; domain < ARCA_DOMAINS; domain++) {
        for (unsigned i = 0; i < DOMAIN_BLOCKS; i++) {
            struct held *held = &domain_blocks[domain][i].held;
            if (held->bytes == NULL)
                continue;
            held_check(held, held->size);
            arca_domain_free((enum arca_domain)domain, held->bytes);
        }
        CHECK_EQ(counted[domain], 0);
    }
    arca_trace_stop();
}
