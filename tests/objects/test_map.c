/* Maps, by one thread; against a model too. */
#include "probe.h"

#include "arca/gc.h"
#include "tests/unit/faults.h"

/* Releases the key, which is made for the call. */
static int set_number(arca_map *map, void *owned_key, uint64_t number)
{
    struct probe *value = probe_new(number);
    int result = arca_map_set(map, owned_key, value);
    arca_release(owned_key);
    arca_release(value);
    return result;
}

#define ABSENT (UINT64_MAX - 1)

static uint64_t number_of(arca_map *map, void *owned_key)
{
    struct probe *value = arca_map_get(map, owned_key);
    uint64_t number = value != NULL ? value->number : ABSENT;
    CHECK(arca_map_contains(map, owned_key) == (value != NULL));
    arca_release(value);
    arca_release(owned_key);
    return number;
}

static uint64_t remove_number(arca_map *map, void *owned_key)
{
    struct probe *value = arca_map_remove(map, owned_key);
    uint64_t number = value != NULL ? value->number : ABSENT;
    arca_release(value);
    arca_release(owned_key);
    return number;
}

TEST(map, a_new_one_is_empty)
{
    arca_map *map = arca_map_new();
    CHECK(arca_is_map(map));
    CHECK_EQ(arca_map_length(map), 0);
    CHECK_EQ(number_of(map, integer(1)), ABSENT);
    CHECK_EQ(remove_number(map, integer(1)), ABSENT);
    arca_map_clear(map);
    arca_release(map);
}

TEST(map, keys_are_found_as_it_grows)
{
    enum { COUNT = 5000 };
    arca_map *map = arca_map_new();
    char text[32];
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text, "%u", i);
        CHECK_EQ(set_number(map, integer((int64_t)i << 20), i), 0);
        CHECK_EQ(set_number(map, str(text), i + COUNT), 0);
        CHECK_EQ(arca_map_length(map), 2 * (i + 1));
    }
    for (unsigned i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text, "%u", i);
        CHECK_EQ(number_of(map, integer((int64_t)i << 20)), i);
        CHECK_EQ(number_of(map, str(text)), i + COUNT);
        CHECK_EQ(number_of(map, integer(((int64_t)i << 20) + 1)), ABSENT);
    }
    CHECK_EQ(probes_dead, 0);
    arca_release(map);
    CHECK_EQ(probes_dead, 2 * COUNT);
}

TEST(map, strings_by_content_integers_by_value_others_by_identity)
{
    arca_map *map = arca_map_new();
    arca_list *list = arca_list_new(), *other = arca_list_new();
    set_number(map, str("7"), 1);
    set_number(map, integer(700), 2);
    set_number(map, arca_retain(list), 3);
    set_number(map, arca_retain(map), 4);
    CHECK_EQ(number_of(map, str("7")), 1);
    CHECK_EQ(number_of(map, arca_str_intern("7", 1)), 1);
    CHECK_EQ(number_of(map, integer(700)), 2);
    CHECK_EQ(number_of(map, arca_retain(list)), 3);
    CHECK_EQ(number_of(map, arca_retain(map)), 4);
    CHECK_EQ(number_of(map, other), ABSENT);
    CHECK_EQ(number_of(map, integer(7)), ABSENT);
    CHECK_EQ(number_of(map, str("700")), ABSENT);
    arca_map_clear(map);
    arca_release(list);
    arca_release(map);
}

TEST(map, set_again_replaces_the_value_and_keeps_the_key)
{
    arca_map *map = arca_map_new();
    arca_str *key = str("key"), *equal = str("key");
    set_number(map, arca_retain(key), 1);
    CHECK_EQ(arca_refcount(key), 2);
    set_number(map, arca_retain(equal), 2);
    CHECK_EQ(probes_dead, 1);
    CHECK_EQ(arca_refcount(key), 2);
    CHECK_EQ(arca_refcount(equal), 1);
    CHECK_EQ(arca_map_length(map), 1);
    CHECK_EQ(number_of(map, equal), 2);
    arca_release(map);
    CHECK_EQ(arca_refcount(key), 1);
    arca_release(key);
}

TEST(map, a_default_is_set_where_there_is_no_value)
{
    arca_map *map = arca_map_new();
    struct probe *first = probe_new(1), *second = probe_new(2);
    arca_str *key = str("key");
    for (unsigned round = 0; round < 2; round++) { /* the second time the key is there, without a value */
        CHECK(seen(arca_map_set_default(map, key, first)) == first);
        CHECK(seen(arca_map_set_default(map, key, second)) == first);
        CHECK_EQ(arca_map_length(map), 1);
        CHECK_EQ(arca_refcount(first), 2);
        CHECK_EQ(arca_refcount(second), 1);
        CHECK(seen(arca_map_remove(map, key)) == first);
        CHECK_EQ(arca_map_length(map), 0);
    }
    CHECK_EQ(arca_refcount(key), 2);
    arca_release(map);
    CHECK(arca_refcount(key) == 1 && arca_refcount(first) == 1);
    arca_release(key);
    arca_release(first);
    arca_release(second);
    CHECK_EQ(probes_dead, 2);
}

TEST(map, removed_keys_are_gone_and_may_come_back)
{
    arca_map *map = arca_map_new();
    struct probe *object = probe_new(0);
    void *keys[] = { str("key"), integer(1000), integer(1), object };
    for (unsigned round = 0; round < 100; round++) {
        for (unsigned i = 0; i < 4; i++) {
            CHECK_EQ(set_number(map, arca_retain(keys[i]), round), 0);
            CHECK_EQ(arca_map_length(map), 1);
            CHECK_EQ(remove_number(map, arca_retain(keys[i])), round);
            CHECK_EQ(arca_map_length(map), 0);
            CHECK_EQ(number_of(map, arca_retain(keys[i])), ABSENT);
            CHECK_EQ(remove_number(map, arca_retain(keys[i])), ABSENT);
        }
        CHECK_EQ(arca_refcount(object), 1);
        CHECK_EQ(probes_dead, 4 * (round + 1));
    }
    arca_release(map);
    for (unsigned i = 0; i < 4; i++)
        arca_release(keys[i]);
}

TEST(map, few_removed_keys_are_kept_and_the_table_shrinks)
{
    enum { COUNT = 3000, LEFT = 10 };
    static arca_int *keys[COUNT];
    arca_map *map = arca_map_new();
    for (unsigned i = 0; i < COUNT; i++)
        set_number(map, arca_retain(keys[i] = integer(1000 + i)), i);
    for (unsigned i = LEFT; i < COUNT; i++)
        CHECK_EQ(remove_number(map, arca_retain(keys[i])), i);
    unsigned kept = 0;
    for (unsigned i = LEFT; i < COUNT; i++)
        kept += arca_refcount(keys[i]) - 1;
    CHECK(kept <= LEFT + 32);
    arca_map_iterator each = arca_map_iterate(map);
    CHECK(((arca_var_object *)each.arca_storage)->count < 1000);
    arca_map_iterate_end(&each);
    for (unsigned i = 0; i < COUNT; i++) {
        CHECK_EQ(number_of(map, arca_retain(keys[i])), i < LEFT ? i : ABSENT);
        arca_release(keys[i]);
    }
    arca_release(map);
}

TEST(map, after_each_removal_no_more_keys_are_kept_than_are_in_use_and_32)
{
    enum { COUNT = 300 };
    arca_int *keys[COUNT];
    arca_map *map = arca_map_new();
    for (unsigned i = 0; i < COUNT; i++)
        set_number(map, arca_retain(keys[i] = integer(1000 + i)), i);
    for (unsigned removed = 1; removed <= COUNT; removed++) {
        size_t kept = 0;
        CHECK_EQ(remove_number(map, arca_retain(keys[removed - 1])), removed - 1);
        for (unsigned i = 0; i < removed; i++)
            kept += arca_refcount(keys[i]) - 1;
        CHECK(kept <= COUNT - removed + 32);
    }
    arca_release(map);
    for (unsigned i = 0; i < COUNT; i++)
        arca_release(keys[i]);
}

TEST(map, null_is_no_key_no_value_and_an_empty_map)
{
    arca_map *map = arca_map_new();
    arca_int *one = integer(1);
    errno = 0;
    CHECK_EQ(arca_map_set(map, NULL, one), -1);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(arca_map_set(map, one, NULL), -1);
    CHECK_EQ(arca_map_set(NULL, one, one), -1);
    CHECK_EQ(arca_map_length(map), 0);
    CHECK_EQ(arca_map_set(map, one, one), 0);
    CHECK(arca_map_get(map, NULL) == NULL);
    CHECK(arca_map_get(NULL, one) == NULL);
    CHECK(!arca_map_contains(map, NULL));
    CHECK(!arca_map_contains(NULL, one));
    errno = 0;
    CHECK(arca_map_remove(map, NULL) == NULL);
    CHECK_EQ(errno, EINVAL);
    errno = 0;
    CHECK(arca_map_remove(NULL, one) == NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(arca_map_length(NULL), 0);
    arca_map_clear(NULL);
    arca_map_iterator each = arca_map_iterate(NULL);
    CHECK(!arca_map_next(&each));
    CHECK(!arca_is_map(NULL));
    CHECK(!arca_is_map(one));
    arca_release(map);
}

/* ---- iterators ------------------------------------------------------------------------------------------ */

static arca_map *map_of(unsigned count)
{
    arca_map *map = arca_map_new();
    REQUIRE(map != NULL);
    for (unsigned i = 0; i < count; i++)
        REQUIRE(set_number(map, integer((int64_t)i), i) == 0);
    return map;
}

static void set_some(arca_map *map)
{
    for (unsigned i = 0; i < 20; i++)
        set_number(map, integer((int64_t)i), 99);
}

static void add_some(arca_map *map)
{
    for (unsigned i = 0; i < 100; i++)
        set_number(map, integer(1000 + i), 99);
}

static void add_one(arca_map *map)
{
    set_number(map, integer(1000), 99);
}

static void remove_all(arca_map *map)
{
    for (unsigned i = 0; i < 20; i++)
        remove_number(map, integer((int64_t)i));
}

static void remove_and_set(arca_map *map)
{
    remove_all(map);
    set_some(map);
}

TEST(map, an_iterator_sees_what_was_there_whatever_happens)
{
    void (*const changes[])(arca_map *) = { set_some, add_some, add_one, remove_all, remove_and_set, arca_map_clear };
    enum { COUNT = 20 };
    for (unsigned change = 0; change < sizeof changes / sizeof *changes; change++) {
        for (unsigned before = 0; before <= COUNT; before++) {
            arca_map *map = map_of(COUNT);
            arca_map_iterator each = arca_map_iterate(map);
            unsigned count = 0;
            for (;; count++) {
                if (count == before)
                    changes[change](map);
                if (!arca_map_next(&each))
                    break;
                CHECK_EQ(arca_int_value(each.key), count);
                CHECK_EQ(((struct probe *)each.value)->number, count);
            }
            CHECK_EQ(count, COUNT);
            CHECK(!arca_map_next(&each));
            arca_release(map);
        }
    }
}

TEST(map, an_iterator_leaves_out_what_was_removed)
{
    arca_map *map = map_of(5);
    struct probe *object = probe_new(5);
    set_number(map, arca_retain(object), 5);
    remove_number(map, integer(2));
    remove_number(map, arca_retain(object));
    arca_map_iterator each = arca_map_iterate(map);
    const int64_t expected[] = { 0, 1, 3, 4 };
    for (unsigned i = 0; i < 4; i++) {
        REQUIRE(arca_map_next(&each));
        CHECK_EQ(arca_int_value(each.key), expected[i]);
    }
    CHECK(!arca_map_next(&each));
    arca_release(object);
    arca_release(map);
}

TEST(map, an_iterator_outlives_its_map_and_may_end_early)
{
    arca_map *map = map_of(5);
    arca_map_iterator each = arca_map_iterate(map), other = arca_map_iterate(map);
    arca_release(map);
    CHECK(arca_map_next(&each));
    CHECK(arca_map_next(&other));
    arca_map_iterate_end(&each);
    arca_map_iterate_end(&each);
    CHECK_EQ(probes_dead, 0);
    for (unsigned i = 1; i < 5; i++)
        CHECK(arca_map_next(&other));
    CHECK(!arca_map_next(&other));
    CHECK_EQ(probes_dead, 5);
}

TEST(map, a_table_is_copied_only_while_an_iterator_looks)
{
    arca_map *map = map_of(5);
    arca_map_iterator each = arca_map_iterate(map);
    void *storage = each.arca_storage;
    set_number(map, integer(3), 33);
    arca_map_iterator other = arca_map_iterate(map);
    CHECK(other.arca_storage != storage);
    storage = other.arca_storage;
    arca_map_iterate_end(&each);
    arca_map_iterate_end(&other);
    set_number(map, integer(3), 34);
    other = arca_map_iterate(map);
    CHECK_EQ(other.arca_storage, storage);
    arca_map_iterate_end(&other);
    CHECK_EQ(number_of(map, integer(3)), 34);
    arca_release(map);
}

/* ---- death -------------------------------------------------------------------------------------------------- */

/* A value or key whose death changes the map that it was in: every lock must be free by then. */
static unsigned last_words;

static void change_map(void *data)
{
    last_words++;
    set_number(data, integer(5000 + last_words), 1);
    remove_number(data, integer(5000 + last_words));
}

TEST(map, a_dying_key_or_value_may_change_its_map)
{
    arca_map *map = arca_map_new();
    arca_int *one = integer(1);
    for (unsigned way = 0; way < 4; way++) {
        arca_box *box = arca_box_new(map, change_map), *key = arca_box_new(map, change_map);
        last_words = 0;
        CHECK_EQ(arca_map_set(map, one, box), 0);
        CHECK_EQ(arca_map_set(map, key, one), 0);
        arca_release(box);
        if (way == 0)
            set_number(map, integer(1), 7);
        else if (way == 1)
            arca_release(arca_map_remove(map, one));
        else
            arca_map_clear(map);
        CHECK_EQ(last_words, 1);
        if (way < 2)
            CHECK_EQ(seen(arca_map_remove(map, key)), one);
        arca_release(key);
        CHECK_EQ(last_words, 2);
    }
    arca_release(map);
}

TEST(map, one_that_holds_itself_is_collected)
{
    arca_map *by_value = map_of(100), *by_key = map_of(100);
    CHECK_EQ(set_number(by_key, arca_retain(by_key), 1), 0);
    arca_int *one = integer(1);
    CHECK_EQ(arca_map_set(by_value, one, by_value), 0);
    CHECK_EQ(probes_dead, 1);
    arca_release(by_value);
    arca_release(by_key);
    CHECK_EQ(probes_dead, 1);
    CHECK_EQ(arca_gc_collect(ARCA_GC_GENERATIONS - 1), 4);
    CHECK_EQ(probes_dead, 201);
}

/* ---- model --------------------------------------------------------------------------------------------------- */

enum { KEYS = 150 };

/* A third of them each: integers, strings, objects. */
static void *key_at(unsigned i)
{
    static struct probe *objects[KEYS];
    char text[16];
    switch (i % 3) {
    case 0:
        return integer((int64_t)i * 40 - 1000);
    case 1:
        snprintf(text, sizeof text, "%u", i);
        return str(text);
    default:
        if (objects[i] == NULL)
            objects[i] = probe_new(i);
        return arca_retain(objects[i]);
    }
}

static size_t model_length(const uint64_t *model)
{
    size_t length = 0;
    for (unsigned i = 0; i < KEYS; i++)
        length += model[i] != ABSENT;
    return length;
}

static void check_model(arca_map *map, const uint64_t *model)
{
    REQUIRE(arca_map_length(map) == model_length(model));
    for (unsigned i = 0; i < KEYS; i++)
        REQUIRE(number_of(map, key_at(i)) == model[i]);
    arca_map_iterator each = arca_map_iterate(map);
    size_t length = 0;
    for (; arca_map_next(&each); length++)
        REQUIRE(seen(arca_map_get(map, each.key)) == each.value);
    REQUIRE(length == arca_map_length(map));
}

TEST(map, random_changes_agree_with_an_array)
{
    static uint64_t model[KEYS];
    uint64_t random = harness_seed();
    arca_map *map = arca_map_new();
    for (unsigned i = 0; i < KEYS; i++)
        model[i] = ABSENT;
    for (unsigned step = 1; step <= 30000; step++) {
        unsigned i = (unsigned)(harness_random(&random) % KEYS), what = (unsigned)(harness_random(&random) % 100);
        /* Turns of growing and of shrinking. */
        if (what < (step / 1000 % 2 ? 65 : 35)) {
            REQUIRE(set_number(map, key_at(i), step) == 0);
            model[i] = step;
        } else if (what < 99 || step % 16 != 0) {
            REQUIRE(remove_number(map, key_at(i)) == model[i]);
            model[i] = ABSENT;
        } else {
            arca_map_clear(map);
            for (i = 0; i < KEYS; i++)
                model[i] = ABSENT;
        }
        if (step % 101 == 0)
            check_model(map, model);
    }
    check_model(map, model);
    arca_release(map);
}

/* ---- no memory ------------------------------------------------------------------------------------------------ */

TEST(map, without_memory_contents_and_counts_are_as_before)
{
    arca_map *map = map_of(5);
    struct probe *value = probe_new(9);
    arca_map_iterator each = arca_map_iterate(map);
    arca_list *keys = arca_list_new();
    for (int64_t i = 0; i < 100000; i++) {
        arca_auto arca_int *key = integer(i);
        REQUIRE(arca_list_append(keys, key) == 0);
    }
    arca_gc_disable(); /* what dies during a collection is free after it */
    os_fault_after(1, true);
    size_t added = 0;
    for (int64_t i = 10;; i++, added++) {
        arca_int *key = arca_list_get(keys, (size_t)i);
        if (key == NULL)
            key = arca_int_new(i);
        if (key == NULL || arca_map_set(map, key, value) != 0) {
            arca_release(key);
            break;
        }
        arca_release(key);
    }
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(arca_map_length(map), 5 + added);
    CHECK_EQ(arca_refcount(value), 1 + added);
    for (unsigned i = 0; i < 5; i++)
        CHECK(arca_map_next(&each) && arca_int_value(each.key) == i);
    arca_map_iterate_end(&each);
    each = arca_map_iterate(map);
    errno = 0;
    CHECK_EQ(arca_map_set(map, arca_int_new(1), value), -1);
    CHECK_EQ(errno, ENOMEM);
    CHECK(arca_map_remove(map, arca_int_new(1)) == NULL);
    CHECK_EQ(arca_map_length(map), 5 + added);
    CHECK_EQ(arca_refcount(value), 1 + added);
    arca_map_iterate_end(&each);
    os_fault_after(0, false);
    CHECK_EQ(number_of(map, integer(1)), 1);
    arca_release(map);
    CHECK_EQ(arca_refcount(value), 1);
    arca_release(value);
    arca_release(keys);
}
