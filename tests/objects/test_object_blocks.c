/* The memory of objects: header words that survive, pools that retire, spans that go home. */
#include "nodes.h"

#include "arenas/arena.h"
#include "arenas/page_map.h"
#include "base/poison.h"
#include "front/objects.h"
#include "gc/objects/header.h"
#include "heap/retired.h"
#include "heap/size_class.h"
#include "heap/watch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <urcu/urcu-bp.h>

static arca_type bytes_type = { .name = "bytes", .size = sizeof(arca_var_object), .item_size = 1 };

static uint32_t version_of(const void *object)
{
    return (uint32_t)(load_rlx(word_of(object)) >> 32);
}

TEST(object_blocks, a_version_goes_on_in_the_next_life_of_its_block)
{
    void *object = node_new();
    for (unsigned i = 0, reused = 0; i < 1000 || reused == 0; i++) {
        uint32_t before = version_of(object);
        arca_release(object);
        CHECK_EQ(word_count(load_rlx(word_of(object))), 0);
        CHECK_EQ(version_of(object), before);
        void *next = node_new();
        if (next == object) {
            CHECK_EQ(version_of(next), before + 1);
            reused++;
        }
        object = next;
    }
    arca_release(object);
}

static void *release_in_a_thread(void *object)
{
    arca_release(object);
    return NULL;
}

TEST(object_blocks, a_version_survives_the_way_home_from_another_thread)
{
    enum { OBJECTS = 5000 };
    static void *objects[OBJECTS];
    static uint32_t versions[OBJECTS];
    void *keep = node_new();
    for (unsigned i = 0; i < OBJECTS; i++) {
        objects[i] = node_new();
        for (unsigned j = 0; j <= i % 7; j++)
            arca_release(arca_retain(objects[i]));
        versions[i] = version_of(objects[i]);
    }
    for (unsigned i = 0; i < OBJECTS; i++) {
        if (i % 100 == 0)
            run_in_a_thread(release_in_a_thread, objects[i]);
        else
            arca_release(objects[i]);
        CHECK_EQ(version_of(objects[i]), versions[i]);
    }
    arca_heap_check();
    arca_release(keep);
}

/* ---- large objects --------------------------------------------------------------------------------------- */

TEST(object_blocks, large_objects_are_objects)
{
    for (size_t bytes = SMALL_MAX - 100; bytes < 100 << 20; bytes = bytes * 3 / 2) {
        arca_var_object *object = arca_new_var(&bytes_type, bytes);
        REQUIRE(object != NULL);
        CHECK(object_find((uintptr_t)object + bytes) == object);
        ((char *)(object + 1))[bytes - 1] = 1;
        arca_weak *weak = arca_weak_bind(object, NULL, NULL);
        arca_release(object);
        CHECK(arca_weak_upgrade(weak) == NULL);
        arca_release(weak);
    }
    arca_heap_check();
}

TEST(object_blocks, a_large_object_leaves_once_a_grace_period_has_passed)
{
    arca_release(arca_new_var(&bytes_type, 1000)); /* the thread that waits exists */
    size_t before = load_rlx(&arenas.used_slices);
    void *object = arca_new_var(&bytes_type, (size_t)32 << 20);
    REQUIRE(object != NULL);
    CHECK(load_rlx(&arenas.used_slices) >= before + 512);
    arca_release(object);
    WAIT_UNTIL(load_rlx(&arenas.used_slices) <= before + 2);
    arca_heap_check();
}

/* ---- pools ---------------------------------------------------------------------------------------------------- */

#define MANY STEPS(200000u)

static void make_and_drop_many(void)
{
    static void *objects[MANY];
    for (unsigned i = 0; i < MANY; i++)
        objects[i] = node_new();
    for (unsigned i = 0; i < MANY; i++)
        arca_release(objects[i]);
}

TEST(object_blocks, emptied_pools_go_back_to_their_arena)
{
    arca_release(node_new());
    size_t before = load_rlx(&arenas.used_slices);
    make_and_drop_many();
    WAIT_UNTIL((arca_trim(0), load_rlx(&arenas.used_slices) <= before + 4));
    WAIT_UNTIL(load_rlx(&retired_count) == 0);
    nodes_check_gone();
    arca_heap_check();
}

static void *read_for_a_while(void *barrier)
{
    urcu_bp_read_lock();
    pthread_barrier_wait(barrier);
    pthread_barrier_wait(barrier);
    urcu_bp_read_unlock();
    return NULL;
}

/* So many objects of so many bytes are made, and die together. */
static void come_and_go(size_t count, size_t bytes)
{
    void *objects[512];
    for (size_t i = 0; i < count; i++)
        objects[i] = arca_new_var(&bytes_type, bytes);
    for (size_t i = 0; i < count; i++)
        arca_release(objects[i]);
}

static void wait_until_taken(void)
{
    while (load_rlx(&watch_retired_bytes) != 0)
        wait_ms(1);
}

/* A reader keeps it from leaving: what dies faster than it leaves is born more slowly. */
static void retire_much(size_t count, size_t bytes)
{
    pthread_barrier_t barrier;
    size_t times = ((size_t)600 << 20) / (count * bytes);
    pthread_barrier_init(&barrier, NULL, 2);
    come_and_go(count, bytes);
    wait_until_taken();
    uint64_t waits = load_rlx(&watch_figures.waits);
    for (size_t i = 0; i < times / 4; i++)
        come_and_go(count, bytes);
    CHECK_EQ(load_rlx(&watch_figures.waits), waits);
    pthread_t reader = start_thread(read_for_a_while, &barrier);
    pthread_barrier_wait(&barrier);
    for (size_t i = 0; i < times; i++)
        come_and_go(count, bytes);
    CHECK(load_rlx(&watch_figures.waits) > waits);
    pthread_barrier_wait(&barrier);
    pthread_join(reader, NULL);
    wait_until_taken();
    pthread_barrier_destroy(&barrier);
}

static size_t pages_resident(void *object, size_t bytes)
{
    static unsigned char resident[4096];
    char *first = (char *)(((uintptr_t)object + OS_PAGE_SIZE) & ~(uintptr_t)(OS_PAGE_SIZE - 1));
    size_t pages = bytes / OS_PAGE_SIZE - 1, count = 0;
    REQUIRE(pages <= sizeof resident && mincore(first, pages * OS_PAGE_SIZE, resident) == 0);
    for (size_t i = 0; i < pages; i++)
        count += resident[i] & 1;
    return count;
}

/* One whose memory was never used is not written to; another is. */
TEST(object_blocks, a_large_object_is_clear)
{
    enum { BYTES = 12 << 20 };
    arca_var_object *object = arca_new_var(&bytes_type, BYTES);
    CHECK_EQ(pages_resident(object, BYTES), 0);
    for (unsigned round = 0; round < 4; round++) {
        const unsigned char *body = (unsigned char *)(object + 1);
        for (size_t i = 0; i < BYTES; i++)
            REQUIRE(body[i] == 0);
        memset(object + 1, 0xff, BYTES);
        arca_release(object);
        wait_until_taken();
        object = arca_new_var(&bytes_type, BYTES);
    }
    arca_release(object);
}

TEST(object_blocks, births_of_large_objects_wait_while_much_of_their_memory_waits)
{
    retire_much(1, (size_t)8 << 20);
}

TEST(object_blocks, births_of_objects_wait_while_much_memory_of_emptied_pools_waits)
{
    retire_much(512, (size_t)30 << 10);
}

TEST(object_blocks, pages_of_objects_are_trimmed_only_outside_a_window)
{
    enum { OBJECTS = 4096 };
    static struct node *objects[OBJECTS];
    for (unsigned i = 0; i < OBJECTS; i++)
        objects[i] = node_new();
    struct node *last = node_new(); /* its pool has ours at the end */
    for (unsigned i = 1; i < OBJECTS; i++) { /* one stays in each 16 KiB, so that its pool does */
        if (i % 256 != 0)
            arca_release(objects[i]);
    }
    lock_acquire(&retired_window);
    for (unsigned i = 0; i < 5; i++) {
        arca_trim(0);
        wait_ms(60); /* sweeps want a while without slow operations */
    }
    for (unsigned i = 1; i < OBJECTS; i++)
        CHECK(version_of(objects[i]) != 0);
    lock_release(&retired_window);
    unsigned reset = 0;
    for (unsigned tries = 0; tries < 200 && reset == 0; tries++) {
        arca_trim(0);
        wait_ms(60);
        for (unsigned i = 1; i < OBJECTS; i++)
            reset += version_of(objects[i]) == 0;
    }
    CHECK(reset != 0);
    for (unsigned i = 0; i < OBJECTS; i += 256) {
        node_check(objects[i]);
        arca_release(objects[i]);
    }
    arca_release(last);
    arca_heap_check();
    nodes_check_gone();
}

/* ---- a type's own blocks ---------------------------------------------------------------------------------------- */

static arca_type private_type = {
    .name = "private", .size = sizeof(struct node), .destroy = node_destroy, .flags = ARCA_TYPE_OWN_BLOCKS
};
static arca_type rival_type = {
    .name = "rival", .size = sizeof(struct node), .destroy = node_destroy, .flags = ARCA_TYPE_OWN_BLOCKS
};

static int by_address(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return (x > y) - (x < y);
}

TEST(object_blocks, own_blocks_go_to_no_other_type)
{
    enum { OBJECTS = 3000 };
    static uintptr_t own[OBJECTS];
    struct node *keep[64];
    unsigned kept = 0;
    for (unsigned i = 0; i < OBJECTS; i++)
        own[i] = (uintptr_t)node_of(&private_type);
    for (unsigned i = 0; i < OBJECTS; i++) { /* each pool keeps one */
        if (i % 100 == 0)
            keep[kept++] = (struct node *)own[i];
        else
            arca_release((void *)own[i]);
    }
    qsort(own, OBJECTS, sizeof *own, by_address);
    arca_type *others[] = { &node_type, &rival_type };
    static void *made[2 * OBJECTS];
    for (unsigned i = 0; i < 2 * OBJECTS; i++) {
        made[i] = node_of(others[i % 2]);
        uintptr_t address = (uintptr_t)made[i];
        CHECK(bsearch(&address, own, OBJECTS, sizeof address, by_address) == NULL);
    }
    void *back = node_of(&private_type); /* one of its own, or one of a pool of its own that nobody has had yet */
    for (unsigned i = 0; i < 2 * OBJECTS; i++)
        CHECK(page_map_find((uintptr_t)made[i]) != page_map_find((uintptr_t)back));
    arca_release(back);
    for (unsigned i = 0; i < 2 * OBJECTS; i++)
        arca_release(made[i]);
    while (kept > 0)
        arca_release(keep[--kept]);
    nodes_check_gone();
    arca_heap_check();
}

static void *make_and_release_own(void *unused)
{
    struct node *mine[50];
    for (unsigned round = 0; round < STEPS(400); round++) {
        for (unsigned i = 0; i < 50; i++)
            mine[i] = node_of(&private_type);
        for (unsigned i = 0; i < 50; i++)
            arca_release(mine[i]);
    }
    return unused;
}

TEST(object_blocks, own_blocks_are_shared_by_threads)
{
    pthread_t threads[3];
    for (unsigned i = 0; i < 3; i++)
        threads[i] = start_thread(make_and_release_own, NULL);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    nodes_check_gone();
    arca_heap_check();
}

/* ---- looking ----------------------------------------------------------------------------------------------------- */

TEST(object_blocks, any_value_may_be_looked_up)
{
    struct node *node = node_new();
    void *block = arca_malloc(48), *large = arca_malloc(1 << 20);
    for (unsigned i = 0; i < sizeof *node; i++)
        CHECK(object_find((uintptr_t)node + i) == node);
    CHECK(object_find((uintptr_t)block) == NULL);
    CHECK(object_find((uintptr_t)large) == NULL);
    CHECK(object_find((uintptr_t)&node) == NULL);
    uint64_t random = harness_seed();
    object_find(0);
    object_find(UINTPTR_MAX);
    for (unsigned i = 0; i < 100000; i++) {
        uintptr_t value = harness_random(&random) >> harness_random(&random) % 64;
        uintptr_t found = (uintptr_t)object_find(value);
        CHECK(found <= value);
    }
    arca_free(block);
    arca_free(large);
    arca_release(node);
}

#ifdef POISON_BY_ASAN

int __asan_address_is_poisoned(const volatile void *address);

TEST(object_blocks, the_body_of_a_dead_object_is_poisoned_and_its_header_is_not)
{
    const size_t sizes[] = { 16, 100, 20000, 100000 };
    arca_release(arca_new_var(&bytes_type, 0));
    urcu_bp_read_lock(); /* so that no memory leaves for other uses meanwhile */
    for (unsigned i = 0; i < 4; i++) {
        arca_var_object *object = arca_new_var(&bytes_type, sizes[i]);
        char *last = (char *)(object + 1) + sizes[i] - 1;
        CHECK(!__asan_address_is_poisoned(&object->count) && !__asan_address_is_poisoned(last));
        arca_release(object);
        CHECK(__asan_address_is_poisoned(&object->count) && __asan_address_is_poisoned(last));
        CHECK(!__asan_address_is_poisoned(&object->object.arca_word) && !__asan_address_is_poisoned(&object->object.arca_kind));
    }
    urcu_bp_read_unlock();
}

TEST(object_blocks, what_leaves_for_other_uses_is_not_poisoned)
{
    arca_release(node_new());
    make_and_drop_many();
    WAIT_UNTIL((arca_trim(0), load_rlx(&retired_count) == 0));
    for (unsigned i = 0; i < 1000; i++) {
        char *block = arca_malloc(60000);
        REQUIRE(block != NULL);
        memset(block, 1, 60000);
    }
}

#endif

/* ---- objects are not malloc's ---------------------------------------------------------------------------------------- */

TEST_ABORTS(object_blocks, free_of_an_object_is_named, "an object, to be released and not freed\n")
{
    arca_free(node_new());
}

TEST_ABORTS(object_blocks, free_of_a_large_object_is_named, "an object, to be released and not freed\n")
{
    arca_free(arca_new_var(&bytes_type, 1 << 20));
}

TEST_ABORTS(object_blocks, realloc_of_an_object_is_named, "arca: realloc(): ")
{
    arca_free(arca_realloc(node_new(), 100));
}

TEST_ABORTS(object_blocks, realloc_of_a_large_object_is_named, "an object, to be released and not freed\n")
{
    arca_free(arca_realloc(arca_new_var(&bytes_type, 1 << 20), 100));
}

TEST_ABORTS(object_blocks, usable_size_of_an_object_is_named, "an object, to be released and not freed\n")
{
    if (arca_malloc_usable_size(node_new()) != 0)
        arca_trim(0);
}

static void *free_in_a_thread(void *object)
{
    for (unsigned i = 0; i < 100; i++) /* a heap of its own */
        arca_free(arca_malloc(100));
    arca_free(object);
    return NULL;
}

TEST_ABORTS(object_blocks, free_of_an_object_in_another_thread_is_named, "an object, to be released and not freed\n")
{
    run_in_a_thread(free_in_a_thread, node_new());
}
