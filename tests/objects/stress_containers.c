/* Containers under fire: every operation against every other, and what must be true all the time. */
#include "probe.h"

#include "arca/gc.h"
#include "tests/stress/blocks.h"

#define THREADS 3

static arca_list *list;
static arca_map *map;
static _Atomic bool done;
static _Atomic uint64_t probes_made;

static struct probe *make(uint64_t number)
{
    atomic_fetch_add(&probes_made, 1);
    return probe_new(number);
}

/* Bodies in threads of their own, with their index: first the workers, then those that go on until all workers are
 * done. */
static void run(unsigned workers, unsigned count, void *(*const bodies[])(void *))
{
    pthread_t threads[8];
    harness_seed(); /* drawn before others ask */
    for (uintptr_t i = 0; i < count; i++)
        threads[i] = start_thread(bodies[i], (void *)i);
    for (unsigned i = 0; i < count; i++) {
        if (i == workers)
            atomic_store(&done, true);
        pthread_join(threads[i], NULL);
    }
}

static uint64_t seed_of(void *index)
{
    return harness_seed() + (uintptr_t)index;
}

/* ---- appends and snapshots ------------------------------------------------------------------------------- */

#define APPENDS STEPS(100000)
#define NUMBER(thread, i) ((uint64_t)(thread) << 32 | (i))

static void *append_mine(void *index)
{
    for (uint64_t i = 0; i < APPENDS; i++) {
        struct probe *probe = make(NUMBER((uintptr_t)index, i));
        REQUIRE(arca_list_append(list, probe) == 0);
        arca_release(probe);
    }
    return NULL;
}

/* In a snapshot each thread's numbers are 0, 1, 2 … up to somewhere. */
static void check_snapshot(arca_list *which, uint64_t next[THREADS])
{
    arca_list_iterator each = arca_list_iterate(which);
    memset(next, 0, THREADS * sizeof *next);
    for (struct probe *probe; (probe = arca_list_next(&each)) != NULL;) {
        unsigned thread = (unsigned)(probe->number >> 32);
        REQUIRE(thread < THREADS);
        REQUIRE(probe->number == NUMBER(thread, next[thread]));
        next[thread]++;
    }
}

static void *look_at_snapshots(void *index)
{
    uint64_t random = seed_of(index), next[THREADS], before[THREADS] = { 0 };
    while (!atomic_load(&done)) {
        if (harness_random(&random) % 4 == 0) {
            arca_auto arca_list *copy = arca_copy(list);
            check_snapshot(copy, next);
        } else {
            check_snapshot(list, next);
        }
        for (unsigned i = 0; i < THREADS; i++) {
            REQUIRE(next[i] >= before[i]);
            before[i] = next[i];
        }
        size_t length = arca_list_length(list);
        if (length != 0) {
            struct probe *probe = arca_list_get(list, harness_random(&random) % length);
            REQUIRE(probe != NULL && (uint32_t)probe->number < APPENDS);
            arca_release(probe);
        }
    }
    return NULL;
}

TEST(stress_containers, appends_are_all_there_and_in_order)
{
    uint64_t next[THREADS];
    list = arca_list_new();
    run(3, 4, (void *(*const[])(void *)){ append_mine, append_mine, append_mine, look_at_snapshots });
    CHECK_EQ(arca_list_length(list), (size_t)THREADS * APPENDS);
    check_snapshot(list, next);
    for (unsigned i = 0; i < THREADS; i++)
        CHECK_EQ(next[i], APPENDS);
    CHECK_EQ(probes_dead, 0);
    arca_release(list);
    CHECK_EQ(probes_dead, probes_made);
}

/* ---- a queue ------------------------------------------------------------------------------------------------- */

#define QUEUED STEPS(100000)

static _Atomic uint64_t sum_in, sum_out, taken;

static void *put_in(void *index)
{
    uint64_t random = seed_of(index);
    for (unsigned i = 0; i < QUEUED; i++) {
        struct probe *probe = make(harness_random(&random) >> 32);
        atomic_fetch_add(&sum_in, probe->number);
        size_t length = arca_list_length(list);
        if (harness_random(&random) % 2 == 0 || arca_list_insert(list, length / 2, probe) != 0)
            REQUIRE(arca_list_append(list, probe) == 0);
        arca_release(probe);
    }
    return NULL;
}

static void *take_out(void *index)
{
    uint64_t random = seed_of(index);
    while (atomic_load(&taken) < 2 * QUEUED) {
        struct probe *probe = harness_random(&random) % 4 == 0 ? arca_list_remove(list, 0) : arca_list_pop(list);
        if (probe == NULL)
            continue;
        atomic_fetch_add(&taken, 1);
        atomic_fetch_add(&sum_out, probe->number);
        arca_release(probe);
    }
    return NULL;
}

TEST(stress_containers, what_goes_into_a_list_comes_out_once)
{
    list = arca_list_new();
    run(4, 4, (void *(*const[])(void *)){ put_in, put_in, take_out, take_out });
    CHECK_EQ(taken, 2 * QUEUED);
    CHECK_EQ(sum_in, sum_out);
    CHECK_EQ(arca_list_length(list), 0);
    arca_release(list);
    CHECK_EQ(probes_dead, probes_made);
}

/* ---- moves ------------------------------------------------------------------------------------------------------- */

#define FIXED 100
#define MOVES STEPS(40000)
#define GUEST 1000000

/* The list is 0 … FIXED - 1, maybe with a guest in a place, maybe with guests behind.  The places are in different
 * cache lines. */
static const size_t places[] = { 0, FIXED - 10 };

static void *move_items(void *index)
{
    uint64_t random = seed_of(index);
    for (unsigned i = 0; i < MOVES; i++) {
        struct probe *guest = make(GUEST);
        switch (harness_random(&random) % 8) {
        case 0: /* grow and shrink */
            for (unsigned n = 0; n < 600; n++)
                REQUIRE(arca_list_append(list, guest) == 0);
            for (unsigned n = 0; n < 600; n++)
                REQUIRE(seen(arca_list_pop(list)) == guest);
            break;
        case 1: { /* replace an item by one that looks like it */
            size_t at = harness_random(&random) % FIXED;
            guest->number = at;
            REQUIRE(arca_list_set(list, at, guest) == 0);
            break;
        }
        default: {
            size_t place = places[harness_random(&random) % 2];
            REQUIRE(arca_list_insert(list, place, guest) == 0);
            REQUIRE(seen(arca_list_remove(list, place)) == guest);
            break;
        }
        }
        arca_release(guest);
    }
    return NULL;
}

static void *get_items(void *index)
{
    uint64_t random = seed_of(index);
    while (!atomic_load(&done)) {
        uint64_t r = harness_random(&random), at = r % 4 < 2 ? places[r % 4] : r / 4 % FIXED;
        struct probe *probe = arca_list_get(list, at);
        REQUIRE(probe != NULL);
        REQUIRE(probe->number == at ||
                (probe->number == GUEST ? at == places[0] || at == places[1] : probe->number == at - 1));
        arca_release(probe);
    }
    return NULL;
}

static void *iterate_items(void *index)
{
    (void)index;
    while (!atomic_load(&done)) {
        arca_list_iterator each = arca_list_iterate(list);
        uint64_t found = 0, guests = 0;
        for (struct probe *probe; (probe = arca_list_next(&each)) != NULL;) {
            REQUIRE(probe->number == GUEST || probe->number == found);
            found += probe->number != GUEST;
            guests += probe->number == GUEST && found < FIXED;
        }
        REQUIRE(found == FIXED && guests <= 1);
    }
    return NULL;
}

TEST(stress_containers, items_are_never_missed_while_they_move)
{
    list = arca_list_new();
    for (unsigned i = 0; i < FIXED; i++) {
        struct probe *probe = make(i);
        REQUIRE(arca_list_append(list, probe) == 0);
        arca_release(probe);
    }
    run(1, 4, (void *(*const[])(void *)){ move_items, get_items, iterate_items, get_items });
    CHECK_EQ(arca_list_length(list), FIXED);
    arca_release(list);
    CHECK_EQ(probes_dead, probes_made);
}

/* ---- one instant ------------------------------------------------------------------------------------------------ */

#define INSERTS STEPS(3000)
#define LONG 4500 /* more than one edit */

/* After k inserts item i is START + i - k. */
#define START 1000000

static void *insert_in_front(void *index)
{
    (void)index;
    for (unsigned k = 1; k <= INSERTS; k++) {
        struct probe *probe = make(START - k);
        REQUIRE(arca_list_insert(list, 0, probe) == 0);
        arca_release(probe);
    }
    return NULL;
}

static uint64_t inserts_seen(uint64_t at)
{
    struct probe *probe = arca_list_get(list, at);
    REQUIRE(probe != NULL);
    uint64_t inserts = START + at - probe->number;
    arca_release(probe);
    return inserts;
}

/* The items at the end move first. */
/* The last item is where the length says. */
static void *look_at_length(void *index)
{
    (void)index;
    while (!atomic_load(&done)) {
        uint64_t length = arca_list_length(list), inserts = inserts_seen(length - 1);
        REQUIRE(inserts >= length - LONG);
        REQUIRE(arca_list_length(list) >= inserts + LONG);
    }
    return NULL;
}

static void *look_at_both_ends(void *index)
{
    (void)index;
    while (!atomic_load(&done)) {
        uint64_t at_end = inserts_seen(LONG - 1);
        REQUIRE(inserts_seen(0) >= at_end);
    }
    return NULL;
}

TEST(stress_containers, an_insert_happens_at_one_instant)
{
    list = arca_list_new();
    for (unsigned i = 0; i < LONG; i++) {
        struct probe *probe = make(START + i);
        REQUIRE(arca_list_append(list, probe) == 0);
        arca_release(probe);
    }
    run(1, 3, (void *(*const[])(void *)){ insert_in_front, look_at_both_ends, look_at_length });
    CHECK_EQ(inserts_seen(0), INSERTS);
    arca_release(list);
    CHECK_EQ(probes_dead, probes_made);
}

/* ---- maps --------------------------------------------------------------------------------------------------------- */

#define KEYS 120
#define MAP_STEPS STEPS(400000)

static struct probe *object_keys[KEYS];

static void *key_at(unsigned i)
{
    char text[16];
    switch (i % 3) {
    case 0:
        return integer((int64_t)i * 100);
    case 1:
        return arca_str_new(text, (size_t)snprintf(text, sizeof text, "%u", i));
    default:
        return arca_retain(object_keys[i]);
    }
}

/* Every fifth is always there. */
static bool is_fixed(unsigned i)
{
    return i % 5 == 0;
}

static void set_value(unsigned i, void *key, uint64_t *random)
{
    struct probe *value = make(harness_random(random) % 1000000 * KEYS + i);
    REQUIRE(arca_map_set(map, key, value) == 0);
    arca_release(value);
}

static void check_value(unsigned i, struct probe *value)
{
    REQUIRE(value != NULL || !is_fixed(i));
    REQUIRE(value == NULL || value->number % KEYS == i);
}

static void check_entries(arca_map *which)
{
    arca_map_iterator each = arca_map_iterate(which);
    bool found[KEYS] = { false };
    while (arca_map_next(&each)) {
        unsigned i = (unsigned)(((struct probe *)each.value)->number % KEYS);
        void *key = key_at(i);
        if (i % 3 == 0)
            REQUIRE(arca_int_value(each.key) == arca_int_value(key));
        else if (i % 3 == 1)
            REQUIRE(arca_str_equal(each.key, key));
        else
            REQUIRE(each.key == key);
        arca_release(key);
        REQUIRE(!found[i]);
        found[i] = true;
    }
    for (unsigned i = 0; i < KEYS; i++)
        REQUIRE(found[i] || !is_fixed(i));
}

static void *change_map(void *index)
{
    uint64_t random = seed_of(index);
    for (unsigned step = 0; step < MAP_STEPS; step++) {
        unsigned i = (unsigned)(harness_random(&random) % KEYS);
        arca_auto void *key = key_at(i);
        struct probe *value = NULL;
        switch (harness_random(&random) % 8) {
        case 0:
        case 1:
            set_value(i, key, &random);
            continue;
        case 2:
        case 3:
            if (is_fixed(i))
                continue;
            value = arca_map_remove(map, key);
            break;
        case 4:
            if (step % 16 == 0)
                check_entries(map);
            continue;
        default:
            value = arca_map_get(map, key);
        }
        check_value(i, value);
        arca_release(value);
    }
    return NULL;
}

static void *read_map(void *index)
{
    uint64_t random = seed_of(index);
    while (!atomic_load(&done)) {
        unsigned i = (unsigned)(harness_random(&random) % KEYS);
        arca_auto void *key = key_at(i);
        arca_auto struct probe *value = arca_map_get(map, key);
        check_value(i, value);
        REQUIRE(arca_map_contains(map, key) || !is_fixed(i));
        REQUIRE(arca_map_length(map) <= KEYS);
        if (harness_random(&random) % 64 == 0) {
            arca_auto arca_map *copy = arca_deep_copy(map);
            check_entries(copy);
        }
    }
    return NULL;
}

TEST(stress_containers, a_key_has_its_own_value_or_none)
{
    uint64_t random = harness_seed();
    map = arca_map_new();
    for (unsigned i = 0; i < KEYS; i++)
        object_keys[i] = make(i);
    for (unsigned i = 0; i < KEYS; i++) {
        arca_auto void *key = key_at(i);
        if (is_fixed(i))
            set_value(i, key, &random);
    }
    run(3, 4, (void *(*const[])(void *)){ change_map, change_map, change_map, read_map });
    check_entries(map);
    arca_release(map);
    for (unsigned i = 0; i < KEYS; i++) {
        CHECK_EQ(arca_refcount(object_keys[i]), 1);
        arca_release(object_keys[i]);
    }
    CHECK_EQ(probes_dead, probes_made);
}

/* ---- the collector ------------------------------------------------------------------------------------------------- */

#define TURNS STEPS(30000)

/* A list that holds a probe and the list that holds it: everything is in a cycle. */
static arca_list *inner_new(uint64_t number)
{
    arca_list *inner = arca_list_new();
    struct probe *probe = make(number);
    REQUIRE(inner != NULL && arca_list_append(inner, probe) == 0 && arca_list_append(inner, list) == 0);
    arca_release(probe);
    return inner;
}

static void *turn_inner_lists(void *index)
{
    uint64_t random = seed_of(index);
    for (unsigned i = 0; i < TURNS; i++) {
        uint64_t r = harness_random(&random), at = r / 4 % FIXED;
        arca_auto arca_list *inner = inner_new(r % 4 == 0 ? at : GUEST);
        if (r % 4 == 0) {
            REQUIRE(arca_list_set(list, at, inner) == 0);
        } else {
            REQUIRE(arca_list_insert(list, at, inner) == 0);
            REQUIRE(seen(arca_list_remove(list, at)) == inner);
        }
    }
    return NULL;
}

static void *get_inner_lists(void *index)
{
    uint64_t random = seed_of(index);
    while (!atomic_load(&done)) {
        uint64_t at = harness_random(&random) % FIXED;
        arca_auto arca_list *inner = arca_list_get(list, at);
        arca_auto struct probe *probe = arca_list_get(inner, 0);
        REQUIRE(probe != NULL);
        REQUIRE(probe->number == at || probe->number == GUEST || probe->number == at - 1);
        REQUIRE(seen(arca_list_get(inner, 1)) == list);
    }
    return NULL;
}

/* Cycles of maps that nobody else has, with a value that nobody else has, and one that many have. */
static void *make_garbage(void *index)
{
    uint64_t random = seed_of(index);
    while (!atomic_load(&done)) {
        arca_auto arca_map *a = arca_map_new(), *b = arca_map_new();
        arca_auto void *copy = NULL;
        arca_auto arca_int *key = integer((int64_t)(harness_random(&random) % 1000));
        set_value(0, key, &random);
        REQUIRE(arca_map_set(a, b, a) == 0 && arca_map_set(b, key, a) == 0 && arca_map_set(a, key, map) == 0);
        arca_auto struct probe *probe = make(1);
        REQUIRE(arca_map_set(b, a, probe) == 0);
        if (harness_random(&random) % 16 == 0)
            REQUIRE((copy = arca_deep_copy(a)) != NULL);
        if (harness_random(&random) % 16 == 0)
            arca_map_clear(map);
    }
    return NULL;
}

static void *collect(void *index)
{
    uint64_t random = seed_of(index);
    while (!atomic_load(&done))
        REQUIRE(arca_gc_collect((int)(harness_random(&random) % ARCA_GC_GENERATIONS)) >= 0);
    return NULL;
}

TEST(stress_containers, the_collector_takes_garbage_and_nothing_else)
{
    list = arca_list_new();
    map = arca_map_new();
    for (unsigned i = 0; i < FIXED; i++) {
        arca_auto arca_list *inner = inner_new(i);
        REQUIRE(arca_list_append(list, inner) == 0);
    }
    run(1, 4, (void *(*const[])(void *)){ turn_inner_lists, get_inner_lists, make_garbage, collect });
    for (unsigned i = 0; i < FIXED; i++) {
        arca_auto arca_list *inner = arca_list_get(list, i);
        CHECK_EQ(((struct probe *)seen(arca_list_get(inner, 0)))->number, i);
    }
    arca_release(map);
    arca_release(list);
    arca_gc_collect(ARCA_GC_GENERATIONS - 1);
    CHECK_EQ(probes_dead, probes_made);
}

/* ---- interning ------------------------------------------------------------------------------------------------------ */

#define NAMES 200 /* three a bucket */
#define INTERNS STEPS(400000)

static void *intern_names(void *index)
{
    uint64_t random = seed_of(index);
    arca_str *held[NAMES] = { NULL };
    for (unsigned step = 0; step < INTERNS; step++) {
        unsigned name = (unsigned)(harness_random(&random) % NAMES);
        char text[16];
        size_t length = (size_t)snprintf(text, sizeof text, "name %u", name);
        if (held[name] == NULL || harness_random(&random) % 4 == 0) {
            arca_str *string = arca_str_intern(text, length);
            REQUIRE(string != NULL && strcmp(arca_str_bytes(string), text) == 0);
            REQUIRE(held[name] == NULL || held[name] == string);
            arca_release(held[name]);
            held[name] = NULL;
            if (harness_random(&random) % 16 == 0)
                held[name] = string;
            else
                arca_release(string);
        } else {
            arca_release(held[name]);
            held[name] = NULL;
        }
    }
    for (unsigned name = 0; name < NAMES; name++)
        arca_release(held[name]);
    return NULL;
}

TEST(stress_containers, an_interned_string_is_the_only_one_of_its_bytes)
{
    run(4, 4, (void *(*const[])(void *)){ intern_names, intern_names, intern_names, intern_names });
}
