/* Lists, by one thread; against a model too. */
#include "probe.h"

#include "arca/gc.h"
#include "tests/unit/faults.h"

static arca_list *list_of(unsigned count)
{
    arca_list *list = arca_list_new();
    REQUIRE(list != NULL);
    for (unsigned i = 0; i < count; i++) {
        struct probe *probe = probe_new(i);
        REQUIRE(arca_list_append(list, probe) == 0);
        arca_release(probe);
    }
    return list;
}

static uint64_t number_at(arca_list *list, size_t index)
{
    struct probe *probe = arca_list_get(list, index);
    uint64_t number = probe != NULL ? probe->number : UINT64_MAX - 1;
    arca_release(probe);
    return number;
}

TEST(list, a_new_one_is_empty)
{
    arca_list *list = arca_list_new();
    CHECK(arca_is_list(list));
    CHECK_EQ(arca_list_length(list), 0);
    CHECK(arca_list_get(list, 0) == NULL);
    CHECK(arca_list_pop(list) == NULL);
    CHECK(arca_list_remove(list, 0) == NULL);
    arca_release(list);
}

TEST(list, items_stay_in_order_as_it_grows)
{
    enum { COUNT = 10000 };
    arca_list *list = list_of(COUNT);
    CHECK_EQ(arca_list_length(list), COUNT);
    for (unsigned i = 0; i < COUNT; i++)
        CHECK_EQ(number_at(list, i), i);
    CHECK(arca_list_get(list, COUNT) == NULL);
    CHECK(arca_list_get(list, SIZE_MAX) == NULL);
    CHECK_EQ(probes_dead, 0);
    arca_release(list);
    CHECK_EQ(probes_dead, COUNT);
}

TEST(list, the_list_and_the_caller_own_a_unit_each)
{
    arca_list *list = arca_list_new();
    struct probe *probe = probe_new(1);
    CHECK_EQ(arca_list_append(list, probe), 0);
    CHECK_EQ(arca_refcount(probe), 2);
    CHECK_EQ(arca_list_get(list, 0), probe);
    CHECK_EQ(arca_refcount(probe), 3);
    CHECK_EQ(arca_list_set(list, 0, probe), 0);
    CHECK_EQ(arca_refcount(probe), 3);
    CHECK_EQ(arca_list_insert(list, 0, probe), 0);
    CHECK_EQ(arca_refcount(probe), 4);
    CHECK_EQ(arca_list_pop(list), probe);
    CHECK_EQ(arca_refcount(probe), 4);
    CHECK_EQ(arca_list_remove(list, 0), probe);
    CHECK_EQ(arca_refcount(probe), 4);
    for (unsigned i = 0; i < 3; i++)
        arca_release(probe);
    arca_list_append(list, probe);
    arca_list_clear(list);
    CHECK_EQ(arca_refcount(probe), 1);
    arca_release(list);
    arca_release(probe);
    CHECK_EQ(probes_dead, 1);
}

TEST(list, set_replaces_and_releases)
{
    arca_list *list = list_of(3);
    struct probe *probe = probe_new(9);
    CHECK_EQ(arca_list_set(list, 1, probe), 0);
    arca_release(probe);
    CHECK_EQ(probes_dead, 1);
    CHECK_EQ(number_at(list, 0), 0);
    CHECK_EQ(number_at(list, 1), 9);
    CHECK_EQ(number_at(list, 2), 2);
    arca_release(list);
}

TEST(list, insert_and_remove_move_what_is_behind)
{
    enum { COUNT = 50 };
    for (unsigned at = 0; at <= COUNT; at++) {
        arca_list *list = list_of(COUNT);
        struct probe *probe = probe_new(1000);
        CHECK_EQ(arca_list_insert(list, at, probe), 0);
        arca_release(probe);
        CHECK_EQ(arca_list_length(list), COUNT + 1);
        for (unsigned i = 0; i <= COUNT; i++)
            CHECK_EQ(number_at(list, i), i < at ? i : i == at ? 1000 : i - 1);
        CHECK_EQ(seen(arca_list_remove(list, at)), probe);
        CHECK_EQ(arca_list_length(list), COUNT);
        for (unsigned i = 0; i < COUNT; i++)
            CHECK_EQ(number_at(list, i), i);
        arca_release(list);
    }
}

TEST(list, an_index_out_of_range_changes_nothing)
{
    arca_list *list = list_of(3);
    struct probe *probe = probe_new(9);
    const size_t bad[] = { 4, 100, SIZE_MAX - 1, SIZE_MAX };
    for (unsigned i = 0; i < 4; i++) {
        errno = 0;
        CHECK_EQ(arca_list_insert(list, bad[i], probe), -1);
        CHECK_EQ(errno, ERANGE);
    }
    errno = 0;
    CHECK_EQ(arca_list_set(list, 3, probe), -1);
    CHECK_EQ(errno, ERANGE);
    CHECK_EQ(arca_list_set(list, SIZE_MAX, probe), -1);
    CHECK(arca_list_remove(list, 3) == NULL);
    CHECK(arca_list_remove(list, SIZE_MAX) == NULL);
    CHECK_EQ(arca_list_length(list), 3);
    CHECK_EQ(arca_refcount(probe), 1);
    arca_release(probe);
    arca_release(list);
}

TEST(list, null_is_no_item_and_an_empty_list)
{
    arca_list *list = list_of(1);
    errno = 0;
    CHECK_EQ(arca_list_append(list, NULL), -1);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(arca_list_insert(list, 0, NULL), -1);
    CHECK_EQ(arca_list_set(list, 0, NULL), -1);
    CHECK_EQ(arca_list_append(NULL, list), -1);
    CHECK_EQ(arca_list_insert(NULL, 0, list), -1);
    CHECK_EQ(arca_list_set(NULL, 0, list), -1);
    CHECK_EQ(arca_list_length(list), 1);
    CHECK_EQ(arca_list_length(NULL), 0);
    CHECK(arca_list_get(NULL, 0) == NULL);
    errno = 0;
    CHECK(arca_list_pop(NULL) == NULL);
    CHECK_EQ(errno, EINVAL);
    errno = 0;
    CHECK(arca_list_remove(NULL, 0) == NULL);
    CHECK_EQ(errno, EINVAL);
    arca_list_clear(NULL);
    arca_list_iterator each = arca_list_iterate(NULL);
    CHECK(arca_list_next(&each) == NULL);
    CHECK(!arca_is_list(NULL));
    CHECK(!arca_is_list(arca_int_new(1)));
    arca_release(list);
}

static size_t room_of(arca_list *list)
{
    arca_list_iterator each = arca_list_iterate(list);
    size_t room = ((arca_var_object *)each.arca_storage)->count;
    arca_list_iterate_end(&each);
    return room;
}

TEST(list, an_emptied_list_gives_its_storage_back)
{
    enum { COUNT = 100000 };
    arca_list *list = arca_list_new();
    for (unsigned i = 0; i < COUNT; i++)
        REQUIRE(arca_list_append(list, arca_int_new(i % 100)) == 0);
    CHECK(room_of(list) >= COUNT);
    for (unsigned i = COUNT; i > 10; i--)
        CHECK_EQ(arca_int_value(arca_list_pop(list)), (i - 1) % 100);
    CHECK(room_of(list) <= 100);
    for (unsigned i = 0; i < 10; i++)
        CHECK_EQ(arca_int_value(seen(arca_list_get(list, i))), i);
    arca_release(list);
}

/* ---- iterators ------------------------------------------------------------------------------------------ */

static void append_number(arca_list *list, uint64_t number)
{
    struct probe *probe = probe_new(number);
    REQUIRE(arca_list_append(list, probe) == 0);
    arca_release(probe);
}

static void insert_first(arca_list *list)
{
    struct probe *probe = probe_new(77);
    REQUIRE(arca_list_insert(list, 0, probe) == 0);
    arca_release(probe);
}

static void set_first(arca_list *list)
{
    struct probe *probe = probe_new(88);
    REQUIRE(arca_list_set(list, 0, probe) == 0);
    arca_release(probe);
}

static void append_some(arca_list *list)
{
    for (unsigned i = 0; i < 40; i++)
        append_number(list, 99);
}

static void pop_and_append(arca_list *list)
{
    arca_release(arca_list_pop(list));
    append_number(list, 55);
}

static void pop_all(arca_list *list)
{
    void *item;
    while ((item = arca_list_pop(list)) != NULL)
        arca_release(item);
}

static void remove_first(arca_list *list)
{
    arca_release(arca_list_remove(list, 0));
}

TEST(list, an_iterator_sees_what_was_there_whatever_happens)
{
    void (*const changes[])(arca_list *) = { insert_first, set_first,    append_some,    pop_and_append,
                                             pop_all,      remove_first, arca_list_clear };
    enum { COUNT = 20 };
    for (unsigned change = 0; change < sizeof changes / sizeof *changes; change++) {
        for (unsigned before = 0; before <= COUNT; before++) {
            arca_list *list = list_of(COUNT);
            arca_list_iterator each = arca_list_iterate(list);
            unsigned count = 0;
            for (struct probe *probe;; count++) {
                if (count == before)
                    changes[change](list);
                if ((probe = arca_list_next(&each)) == NULL)
                    break;
                CHECK_EQ(probe->number, count);
            }
            CHECK_EQ(count, COUNT);
            CHECK(arca_list_next(&each) == NULL);
            arca_release(list);
        }
    }
}

TEST(list, an_iterator_outlives_its_list)
{
    arca_list *list = list_of(5);
    arca_list_iterator each = arca_list_iterate(list);
    arca_release(list);
    CHECK_EQ(probes_dead, 0);
    for (unsigned i = 0; i < 5; i++)
        CHECK_EQ(((struct probe *)arca_list_next(&each))->number, i);
    CHECK(arca_list_next(&each) == NULL);
    CHECK_EQ(probes_dead, 5);
}

TEST(list, an_iterator_may_end_early_and_twice)
{
    arca_list *list = list_of(5);
    arca_list_iterator each = arca_list_iterate(list);
    CHECK(arca_list_next(&each) != NULL);
    arca_list_iterate_end(&each);
    arca_list_iterate_end(&each);
    CHECK(arca_list_next(&each) == NULL);
    arca_release(list);
    CHECK_EQ(probes_dead, 5);
}

TEST(list, a_storage_is_copied_only_while_an_iterator_looks)
{
    arca_list *list = list_of(5);
    arca_list_iterator each = arca_list_iterate(list);
    void *storage = each.arca_storage;
    set_first(list);
    arca_list_iterator other = arca_list_iterate(list);
    CHECK(other.arca_storage != storage);
    storage = other.arca_storage;
    arca_list_iterate_end(&each);
    arca_list_iterate_end(&other);
    set_first(list);
    other = arca_list_iterate(list);
    CHECK_EQ(other.arca_storage, storage);
    arca_list_iterate_end(&other);
    arca_release(list);
}

/* ---- death -------------------------------------------------------------------------------------------------- */

/* An item whose death changes the list that it was in: every lock must be free by then. */
static unsigned last_words;

static void append_to_list(void *data)
{
    last_words++;
    REQUIRE(arca_list_append(data, arca_int_new(1)) == 0);
    arca_release(arca_list_remove(data, 0));
}

static void append_box(arca_list *list)
{
    arca_box *box = arca_box_new(list, append_to_list);
    REQUIRE(arca_list_append(list, box) == 0);
    arca_release(box);
}

TEST(list, a_dying_item_may_change_its_list)
{
    arca_list *list = arca_list_new();
    append_box(list);
    set_first(list);
    CHECK_EQ(last_words, 1);
    append_box(list);
    arca_list_clear(list);
    CHECK_EQ(last_words, 2);
    for (unsigned i = 0; i < 40; i++)
        append_box(list);
    pop_all(list);
    CHECK_EQ(last_words, 42);
    for (unsigned i = 0; i < 40; i++)
        append_box(list);
    arca_list_iterator each = arca_list_iterate(list);
    arca_list_clear(list);
    CHECK_EQ(last_words, 42);
    arca_list_iterate_end(&each);
    CHECK_EQ(last_words, 82);
    arca_release(list);
}

TEST(list, one_that_holds_itself_is_collected)
{
    arca_list *list = list_of(100);
    CHECK_EQ(arca_list_append(list, list), 0);
    arca_release(list);
    CHECK_EQ(probes_dead, 0);
    CHECK_EQ(arca_gc_collect(ARCA_GC_GENERATIONS - 1), 2); /* and its storage */
    CHECK_EQ(probes_dead, 100);
}

/* ---- model --------------------------------------------------------------------------------------------------- */

#define MODEL_MOST 300

static void model_step(arca_list *list, uint64_t *model, size_t *length, uint64_t *random, uint64_t number)
{
    size_t at = harness_random(random) % (*length + 1);
    struct probe *probe = probe_new(number), *taken = NULL;
    switch (harness_random(random) % 6) {
    case 0:
    case 1:
        if (*length == MODEL_MOST)
            break;
        CHECK_EQ(at == *length ? arca_list_append(list, probe) : arca_list_insert(list, at, probe), 0);
        memmove(&model[at + 1], &model[at], (*length - at) * sizeof *model);
        model[at] = number;
        ++*length;
        break;
    case 2:
        if (at < *length) {
            CHECK_EQ(arca_list_set(list, at, probe), 0);
            model[at] = number;
        }
        break;
    case 3:
        if (at < *length) {
            taken = arca_list_remove(list, at);
            CHECK_EQ(taken->number, model[at]);
            memmove(&model[at], &model[at + 1], (*length - at - 1) * sizeof *model);
            --*length;
        }
        break;
    case 4:
        taken = arca_list_pop(list);
        CHECK_EQ(taken != NULL, *length != 0);
        if (taken != NULL)
            CHECK_EQ(taken->number, model[--*length]);
        break;
    default:
        if (harness_random(random) % 64 == 0) {
            arca_list_clear(list);
            *length = 0;
        }
    }
    arca_release(taken);
    arca_release(probe);
}

TEST(list, random_changes_agree_with_an_array)
{
    static uint64_t model[MODEL_MOST], snapshot[MODEL_MOST];
    uint64_t random = harness_seed();
    size_t length = 0, snapped = 0;
    arca_list *list = arca_list_new();
    arca_list_iterator each = arca_list_iterate(list);
    for (unsigned step = 1; step <= 20000; step++) {
        model_step(list, model, &length, &random, step);
        REQUIRE(arca_list_length(list) == length);
        if (length != 0) {
            size_t at = harness_random(&random) % length;
            REQUIRE(number_at(list, at) == model[at]);
        }
        if (step % 97 == 0) {
            for (size_t i = 0; i < snapped; i++)
                REQUIRE(((struct probe *)arca_list_next(&each))->number == snapshot[i]);
            REQUIRE(arca_list_next(&each) == NULL);
            each = arca_list_iterate(list);
            memcpy(snapshot, model, length * sizeof *model);
            snapped = length;
            for (size_t i = 0; i < length; i++)
                REQUIRE(number_at(list, i) == model[i]);
        }
    }
    arca_list_iterate_end(&each);
    arca_release(list);
    CHECK_EQ(probes_dead, 20000);
}

/* ---- no memory ------------------------------------------------------------------------------------------------ */

TEST(list, without_memory_contents_and_counts_are_as_before)
{
    arca_list *list = list_of(6);
    struct probe *probe = probe_new(9);
    arca_list_iterator each = arca_list_iterate(list);
    arca_gc_disable(); /* what dies during a collection is free after it */
    os_fault_after(1, true);
    while (arca_list_append(list, probe) == 0)
        ;
    CHECK_EQ(errno, ENOMEM);
    size_t length = arca_list_length(list);
    errno = 0;
    CHECK_EQ(arca_list_insert(list, 2, probe), -1);
    CHECK_EQ(errno, ENOMEM);
    CHECK_EQ(arca_list_length(list), length);
    /* The iterator looks at the first storage only. */
    CHECK_EQ(arca_list_set(list, 1, probe), 0);
    CHECK_EQ(seen(arca_list_get(list, 1)), probe);
    for (unsigned i = 0; i < 6; i++)
        CHECK_EQ(((struct probe *)arca_list_next(&each))->number, i);
    arca_list_iterate_end(&each);
    CHECK_EQ(arca_refcount(probe), 1 + length - 6 + 1);
    CHECK_EQ(number_at(list, 0), 0);
    CHECK_EQ(number_at(list, 5), 5);
    CHECK_EQ(seen(arca_list_get(list, length - 1)), probe);

    each = arca_list_iterate(list);
    size_t count = arca_refcount(probe);
    errno = 0;
    CHECK_EQ(arca_list_set(list, 0, probe), -1);
    CHECK_EQ(errno, ENOMEM);
    CHECK(arca_list_pop(list) == NULL);
    CHECK(arca_list_remove(list, 0) == NULL);
    CHECK_EQ(arca_list_length(list), length);
    CHECK_EQ(arca_refcount(probe), count);
    arca_list_iterate_end(&each);
    os_fault_after(0, false);
    CHECK_EQ(number_at(list, 5), 5);
    arca_release(list);
    CHECK_EQ(arca_refcount(probe), 1);
    arca_release(probe);
}

static arca_type filler_type = { .name = "filler", .size = sizeof(arca_var_object), .item_size = 1 };

/* A smaller storage is a favour: a list that gets none keeps the one it has. */
TEST(list, without_memory_items_can_be_removed_all_the_same)
{
    enum { COUNT = 100000 };
    arca_list *list = arca_list_new();
    for (unsigned i = 0; i < COUNT; i++)
        REQUIRE(arca_list_append(list, arca_int_new(i % 100)) == 0);
    arca_gc_disable(); /* what dies during a collection is free after it */
    os_fault_after(1, true);
    for (size_t bytes = (size_t)1 << 30; bytes > 32768; bytes /= 2) {
        while (arca_new_var(&filler_type, bytes) != NULL)
            ;
    }
    for (unsigned i = COUNT; i > COUNT / 8; i--)
        REQUIRE(arca_int_value(arca_list_pop(list)) == (i - 1) % 100);
    os_fault_after(0, false);
    arca_release(arca_list_pop(list));
    CHECK(room_of(list) < COUNT);
    arca_release(list);
}
