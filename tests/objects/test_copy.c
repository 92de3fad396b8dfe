/* Shallow and deep copies. */
#include "probe.h"

#include "arca/gc.h"
#include "tests/unit/faults.h"

#include <limits.h>
#include <pthread.h>

static void append(arca_list *list, void *owned)
{
    REQUIRE(arca_list_append(list, owned) == 0);
    arca_release(owned);
}

static void set(arca_map *map, void *owned_key, void *owned_value)
{
    REQUIRE(arca_map_set(map, owned_key, owned_value) == 0);
    arca_release(owned_key);
    arca_release(owned_value);
}

static void *item(void *list, size_t index)
{
    return seen(arca_list_get(list, index));
}

TEST(copy, what_is_no_container_is_shared)
{
    void *objects[] = { str("text"), integer(1000), integer(1), arca_box_new(NULL, NULL), probe_new(1) };
    for (unsigned i = 0; i < 5; i++) {
        CHECK_EQ(seen(arca_copy(objects[i])), objects[i]);
        CHECK_EQ(seen(arca_deep_copy(objects[i])), objects[i]);
        CHECK_EQ(arca_refcount(objects[i]), i == 2 ? SIZE_MAX : 1);
        arca_release(objects[i]);
    }
    CHECK(arca_copy(NULL) == NULL);
    CHECK(arca_deep_copy(NULL) == NULL);
}

TEST(copy, a_shallow_one_has_the_same_items)
{
    arca_list *list = arca_list_new();
    arca_map *map = arca_map_new();
    struct probe *probe = probe_new(1);
    for (unsigned i = 0; i < 100; i++)
        append(list, arca_retain(probe));
    append(list, arca_list_new());
    set(map, str("list"), arca_retain(list));
    set(map, arca_retain(probe), integer(1000));
    arca_list *list_copy = arca_copy(list);
    arca_map *map_copy = arca_copy(map);
    CHECK(list_copy != list && map_copy != map);
    CHECK_EQ(arca_list_length(list_copy), 101);
    for (unsigned i = 0; i < 101; i++)
        CHECK_EQ(item(list_copy, i), item(list, i));
    CHECK_EQ(arca_map_length(map_copy), 2);
    arca_str *key = str("list");
    CHECK_EQ(seen(arca_map_get(map_copy, key)), list);
    CHECK_EQ(arca_int_value(seen(arca_map_get(map_copy, probe))), 1000);
    arca_release(key);

    arca_list_clear(list_copy);
    arca_map_clear(map_copy);
    CHECK_EQ(arca_list_length(list), 101);
    CHECK_EQ(arca_map_length(map), 2);
    arca_release(list_copy);
    arca_release(map_copy);
    arca_release(map);
    arca_release(list);
    CHECK_EQ(arca_refcount(probe), 1);
    arca_release(probe);
}

TEST(copy, a_deep_one_shares_no_container)
{
    arca_list *list = arca_list_new(), *inner = arca_list_new();
    arca_map *map = arca_map_new();
    struct probe *probe = probe_new(1);
    append(inner, arca_retain(probe));
    append(list, inner);
    set(map, str("probe"), arca_retain(probe));
    append(list, map);
    append(list, str("text"));
    arca_list *copy = arca_deep_copy(list);
    REQUIRE(arca_list_length(copy) == 3);
    CHECK(item(copy, 0) != inner && arca_is_list(item(copy, 0)));
    CHECK_EQ(item(item(copy, 0), 0), probe);
    CHECK(item(copy, 1) != map && arca_is_map(item(copy, 1)));
    CHECK_EQ(arca_map_length(item(copy, 1)), 1);
    CHECK_EQ(item(copy, 2), item(list, 2));
    CHECK_EQ(arca_refcount(probe), 5);
    arca_release(list);
    CHECK_EQ(arca_refcount(probe), 3);
    arca_release(copy);
    CHECK_EQ(arca_refcount(probe), 1);
    arca_release(probe);
}

TEST(copy, what_is_shared_in_the_original_is_shared_in_the_copy)
{
    arca_list *list = arca_list_new(), *shared = arca_list_new();
    arca_map *map = arca_map_new();
    append(list, arca_retain(shared));
    append(list, arca_retain(shared));
    set(map, arca_retain(shared), shared); /* a key, too */
    append(list, map);
    arca_list *copy = arca_deep_copy(list);
    void *shared_copy = item(copy, 0);
    CHECK(shared_copy != shared);
    CHECK_EQ(item(copy, 1), shared_copy);
    CHECK_EQ(seen(arca_map_get(item(copy, 2), shared_copy)), shared_copy);
    CHECK(!arca_map_contains(item(copy, 2), shared));
    CHECK_EQ(arca_refcount(shared_copy), 4);
    arca_release(copy);
    arca_release(list);
}

TEST(copy, cycles_are_kept)
{
    arca_list *list = arca_list_new();
    arca_map *map = arca_map_new();
    append(list, arca_retain(list));
    append(list, arca_retain(map));
    set(map, str("up"), arca_retain(list));
    set(map, str("self"), arca_retain(map));
    arca_list *copy = arca_deep_copy(list);
    arca_map *map_copy = arca_list_get(copy, 1);
    arca_str *up = str("up"), *self = str("self");
    CHECK(copy != list && (void *)map_copy != map);
    CHECK_EQ(item(copy, 0), copy);
    CHECK_EQ(seen(arca_map_get(map_copy, up)), copy);
    CHECK_EQ(seen(arca_map_get(map_copy, self)), map_copy);
    CHECK_EQ(arca_refcount(copy), 3);
    CHECK_EQ(arca_refcount(map_copy), 3);
    arca_release(up);
    arca_release(self);
    arca_map_clear(map_copy);
    arca_map_clear(map);
    arca_list_clear(copy);
    arca_list_clear(list);
    arca_release(copy);
    arca_release(map_copy);
    arca_release(list);
    arca_release(map);
}

TEST(copy, a_map_keeps_its_order)
{
    arca_map *map = arca_map_new();
    for (unsigned i = 0; i < 1000; i++)
        set(map, integer((int64_t)(i * 7919 % 1000)), integer((int64_t)i));
    for (unsigned kind = 0; kind < 2; kind++) {
        arca_map *copy = kind == 0 ? arca_copy(map) : arca_deep_copy(map);
        arca_map_iterator each = arca_map_iterate(copy);
        for (unsigned i = 0; i < 1000; i++) {
            REQUIRE(arca_map_next(&each));
            CHECK_EQ(arca_int_value(each.value), i);
        }
        CHECK(!arca_map_next(&each));
        arca_release(copy);
    }
    arca_release(map);
}

/* ---- depth ------------------------------------------------------------------------------------------------ */

/* The sanitizers' frames and shadow want more. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define DEPTH 30000
#define STACK_BYTES (256 << 10)
#else
#define DEPTH 1000000
#define STACK_BYTES (64 << 10)
#endif

/* Lists and maps by turns, a probe at the end. */
static void *chain_new(unsigned depth)
{
    void *chain = probe_new(0);
    for (unsigned i = 0; i < depth; i++) {
        void *outer = i % 2 != 0 ? (void *)arca_map_new() : (void *)arca_list_new();
        REQUIRE(outer != NULL);
        if (i % 2 != 0)
            set(outer, integer(1), chain);
        else
            append(outer, chain);
        chain = outer;
    }
    return chain;
}

static unsigned chain_length(void *chain)
{
    unsigned length = 0;
    arca_int *one = integer(1);
    for (arca_retain(chain); arca_is_list(chain) || arca_is_map(chain); length++) {
        void *inner = arca_is_list(chain) ? arca_list_get(chain, 0) : arca_map_get(chain, one);
        arca_release(chain);
        chain = inner;
    }
    arca_release(chain);
    return length;
}

static void *copy_a_chain(void *unused)
{
    (void)unused;
    void *chain = chain_new(DEPTH), *copy = arca_deep_copy(chain);
    CHECK_EQ(chain_length(copy), DEPTH);
    arca_release(chain);
    CHECK_EQ(chain_length(copy), DEPTH);
    CHECK_EQ(probes_dead, 0);
    arca_release(copy);
    CHECK_EQ(probes_dead, 1);
    return NULL;
}

TEST(copy, a_deep_chain_is_copied_on_a_small_stack)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    REQUIRE(pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0);
    REQUIRE(pthread_create(&thread, &attributes, copy_a_chain, NULL) == 0);
    pthread_join(thread, NULL);
}

/* ---- no memory ---------------------------------------------------------------------------------------------- */

/* Everything that can be had without the system, as a chain: lists that hold each other. */
static arca_list *use_up(void)
{
    arca_list *hoard = NULL;
    arca_gc_disable(); /* what dies during a collection is free after it */
    os_fault_after(1, true);
    for (arca_list *outer; (outer = arca_list_new()) != NULL; hoard = outer) {
        if (hoard != NULL && arca_list_append(outer, hoard) != 0) {
            arca_release(outer);
            break;
        }
        arca_release(hoard);
    }
    return hoard;
}

static arca_list *give_back(arca_list *hoard)
{
    arca_list *rest = arca_list_get(hoard, 0);
    arca_release(hoard);
    return rest;
}

/* A copy that fails in the middle, at a random place: what is left in the hoard decides where. */
TEST(copy, without_memory_nothing_is_left_behind)
{
    arca_list *list = arca_list_new();
    struct probe *probe = probe_new(1);
    for (unsigned i = 0; i < 300; i++) {
        arca_list *inner = arca_list_new();
        append(inner, arca_retain(probe));
        append(inner, arca_retain(list)); /* cycles, in the copy too */
        append(inner, integer(1000));
        append(list, inner);
    }
    arca_map *map = arca_map_new();
    for (unsigned i = 0; i < 300; i++)
        set(map, integer(1000 + i), arca_retain(probe));
    append(list, arca_retain(map));
    size_t count = arca_refcount(probe);
    arca_list *hoard = use_up();
    unsigned failed = 0;
    for (unsigned room = 0; room < 2000; room += 7) {
        for (unsigned i = 0; i < 7; i++)
            hoard = give_back(hoard);
        errno = 0;
        arca_list *copy = arca_deep_copy(list);
        if (copy == NULL) {
            failed++;
            CHECK_EQ(errno, ENOMEM);
        } else {
            CHECK_EQ(arca_list_length(copy), 301);
            for (unsigned i = 0; i < 300; i++)
                arca_list_clear(item(copy, i));
            arca_release(copy);
        }
        arca_map *shallow = arca_copy(map);
        CHECK(shallow == NULL || arca_map_length(shallow) == 300);
        arca_release(shallow);
        REQUIRE(arca_refcount(probe) == count);
        REQUIRE(arca_refcount(list) == 301);
    }
    os_fault_after(0, false);
    CHECK(failed > 0);
    arca_list *copy = arca_deep_copy(map);
    CHECK(copy != NULL);
    arca_release(copy);
    arca_list_clear(list);
    arca_release(list);
    arca_release(map);
    arca_release(hoard);
    CHECK_EQ(arca_refcount(probe), 1);
    arca_release(probe);
}
