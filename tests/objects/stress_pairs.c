/*
 * Every pair of operations on one list, one map and the table of interned strings, by two threads.
 *
 * A round is a few calls of each thread on one container, mostly of one kind each.  Each call takes effect at one instant:
 * so there is an order of all calls, in which those of a thread keep theirs, that gives every call the answer it got, and
 * the container what it holds in the end.  The round looks for such an order in a model that one thread could run.
 *
 * An iterator answers at the end of its round, and must have what the container held when it began.
 */
#include "probe.h"

#include "tests/stress/blocks.h"

#include <sched.h>

#define CALLS 7 /* of a thread in a round */
#define ROUNDS STEPS(1500)
#define ITEMS_MOST 40
#define NONE UINT64_MAX

static _Atomic uint64_t probes_made;

struct call {
    unsigned thread, operation;
    size_t index; /* of an item, a key or a name */
    uint64_t number, answer;
    struct probe *probe; /* has the number */
    union {
        arca_list_iterator items;
        arca_map_iterator entries;
    };
};

struct model {
    uint64_t numbers[ITEMS_MOST];
    size_t length;
};

/* What the calls are about. */
struct subject {
    unsigned operations;
    const char *const *names;
    void *(*make)(struct model *model, uint64_t *random);
    void (*run)(void *container, struct call *call);
    void (*finish)(struct call *call);
    uint64_t (*apply)(struct model *model, const struct call *call); /* the answer */
    uint64_t (*content)(void *container);
    uint64_t (*model_content)(const struct model *model);
};

static struct probe *make(uint64_t number)
{
    atomic_fetch_add(&probes_made, 1);
    return probe_new(number);
}

static uint64_t mix(uint64_t hash, uint64_t number)
{
    uint64_t state = hash ^ number * 31;
    return harness_random(&state);
}

static uint64_t answer_of(void *owned)
{
    uint64_t number = owned != NULL ? ((struct probe *)owned)->number : NONE;
    arca_release(owned);
    return number;
}

/* ---- lists -------------------------------------------------------------------------------------------------------- */

enum { GET, LENGTH, SET, APPEND, INSERT, REMOVE, POP, CLEAR, ITERATE, COPY, DEEP_COPY, LIST_OPERATIONS };
static const char *const list_names[] = { "get", "length", "set", "append", "insert", "remove", "pop", "clear", "iterate", "copy",
                                          "deep_copy" };

static void *list_make(struct model *model, uint64_t *random)
{
    arca_list *list = arca_list_new();
    REQUIRE(list != NULL);
    model->length = harness_random(random) % 6;
    for (size_t i = 0; i < model->length; i++) {
        arca_auto struct probe *probe = make(model->numbers[i] = 1000 + i);
        REQUIRE(arca_list_append(list, probe) == 0);
    }
    return list;
}

static uint64_t items_hash(arca_list_iterator *each)
{
    uint64_t hash = 0;
    for (struct probe *probe; (probe = arca_list_next(each)) != NULL;)
        hash = mix(hash, probe->number);
    return hash;
}

static uint64_t list_content(void *list)
{
    arca_list_iterator each = arca_list_iterate(list);
    uint64_t hash = items_hash(&each);
    CHECK_EQ(answer_of(arca_list_get(list, arca_list_length(list))), NONE);
    return hash;
}

static uint64_t list_model_content(const struct model *model)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < model->length; i++)
        hash = mix(hash, model->numbers[i]);
    return hash;
}

static uint64_t content_of_copy(void *owned, uint64_t (*content)(void *container))
{
    REQUIRE(owned != NULL);
    uint64_t hash = content(owned);
    arca_release(owned);
    return hash;
}

static void list_run(void *list, struct call *call)
{
    switch (call->operation) {
    case GET:
        call->answer = answer_of(arca_list_get(list, call->index));
        break;
    case LENGTH:
        call->answer = arca_list_length(list);
        break;
    case SET:
        call->answer = (uint64_t)arca_list_set(list, call->index, call->probe);
        break;
    case APPEND:
        call->answer = (uint64_t)arca_list_append(list, call->probe);
        break;
    case INSERT:
        call->answer = (uint64_t)arca_list_insert(list, call->index, call->probe);
        break;
    case REMOVE:
        call->answer = answer_of(arca_list_remove(list, call->index));
        break;
    case POP:
        call->answer = answer_of(arca_list_pop(list));
        break;
    case CLEAR:
        call->answer = 0;
        arca_list_clear(list);
        break;
    case ITERATE:
        call->items = arca_list_iterate(list);
        break;
    case COPY:
        call->answer = content_of_copy(arca_copy(list), list_content);
        break;
    default:
        call->answer = content_of_copy(arca_deep_copy(list), list_content);
    }
}

static void list_finish(struct call *call)
{
    if (call->operation == ITERATE)
        call->answer = items_hash(&call->items);
}

static uint64_t model_remove(struct model *model, size_t index)
{
    if (index >= model->length)
        return NONE;
    uint64_t number = model->numbers[index];
    model->length--;
    memmove(&model->numbers[index], &model->numbers[index + 1], (model->length - index) * sizeof *model->numbers);
    return number;
}

static uint64_t model_insert(struct model *model, size_t index, uint64_t number)
{
    if (index > model->length)
        return (uint64_t)-1;
    memmove(&model->numbers[index + 1], &model->numbers[index], (model->length - index) * sizeof *model->numbers);
    model->numbers[index] = number;
    model->length++;
    return 0;
}

static uint64_t list_apply(struct model *model, const struct call *call)
{
    switch (call->operation) {
    case GET:
        return call->index < model->length ? model->numbers[call->index] : NONE;
    case LENGTH:
        return model->length;
    case SET:
        if (call->index >= model->length)
            return (uint64_t)-1;
        model->numbers[call->index] = call->number;
        return 0;
    case APPEND:
        return model_insert(model, model->length, call->number);
    case INSERT:
        return model_insert(model, call->index, call->number);
    case REMOVE:
        return model_remove(model, call->index);
    case POP:
        return model_remove(model, model->length - 1);
    case CLEAR:
        model->length = 0;
        return 0;
    default:
        return list_model_content(model);
    }
}

static const struct subject lists = { LIST_OPERATIONS, list_names,   list_make,    list_run,
                                      list_finish,     list_apply, list_content, list_model_content };

/* ---- maps --------------------------------------------------------------------------------------------------------- */

#define KEYS 6 /* integers, strings and objects by turns; a model's numbers are the values, 0 where there is none */
static void *keys[KEYS];

enum { MAP_GET, CONTAINS, MAP_SET, SET_DEFAULT, MAP_REMOVE, MAP_CLEAR, MAP_ITERATE, MAP_COPY, MAP_DEEP_COPY, MAP_OPERATIONS };
static const char *const map_names[] = { "get", "contains", "set", "set_default", "remove", "clear", "iterate", "copy", "deep_copy" };

static void keys_make(void)
{
    for (unsigned i = 0; i < KEYS; i++)
        keys[i] = i % 3 == 0 ? (void *)integer(1000 + i) : i % 3 == 1 ? (void *)str((char[]){ (char)('a' + i), 0 }) : make(i);
}

static void *map_make(struct model *model, uint64_t *random)
{
    arca_map *map = arca_map_new();
    REQUIRE(map != NULL);
    memset(model->numbers, 0, sizeof model->numbers);
    for (size_t i = 0; i < KEYS; i++) {
        if (harness_random(random) % 2 == 0)
            continue;
        arca_auto struct probe *probe = make(model->numbers[i] = 1000 + i);
        REQUIRE(arca_map_set(map, keys[i], probe) == 0);
    }
    return map;
}

static uint64_t entry_hash(size_t key, uint64_t number)
{
    return number != 0 ? mix(key + 1, number) : 0;
}

/* In whatever order. */
static uint64_t entries_hash(arca_map_iterator *each)
{
    uint64_t hash = 0;
    while (arca_map_next(each)) {
        size_t key = 0;
        while (keys[key] != each->key)
            REQUIRE(++key < KEYS);
        hash += entry_hash(key, ((struct probe *)each->value)->number);
    }
    return hash;
}

static uint64_t map_content(void *map)
{
    arca_map_iterator each = arca_map_iterate(map);
    return entries_hash(&each);
}

static uint64_t map_model_content(const struct model *model)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < KEYS; i++)
        hash += entry_hash(i, model->numbers[i]);
    return hash;
}

static void map_run(void *map, struct call *call)
{
    void *key = keys[call->index % KEYS];
    REQUIRE(arca_map_length(map) <= KEYS);
    switch (call->operation) {
    case MAP_GET:
        call->answer = answer_of(arca_map_get(map, key));
        break;
    case CONTAINS:
        call->answer = arca_map_contains(map, key);
        break;
    case MAP_SET:
        call->answer = (uint64_t)arca_map_set(map, key, call->probe);
        break;
    case SET_DEFAULT:
        call->answer = answer_of(arca_map_set_default(map, key, call->probe));
        break;
    case MAP_REMOVE:
        call->answer = answer_of(arca_map_remove(map, key));
        break;
    case MAP_CLEAR:
        call->answer = 0;
        arca_map_clear(map);
        break;
    case MAP_ITERATE:
        call->entries = arca_map_iterate(map);
        break;
    case MAP_COPY:
        call->answer = content_of_copy(arca_copy(map), map_content);
        break;
    default:
        call->answer = content_of_copy(arca_deep_copy(map), map_content);
    }
}

static void map_finish(struct call *call)
{
    if (call->operation == MAP_ITERATE)
        call->answer = entries_hash(&call->entries);
}

static uint64_t map_apply(struct model *model, const struct call *call)
{
    uint64_t *value = &model->numbers[call->index % KEYS], before = *value != 0 ? *value : NONE;
    switch (call->operation) {
    case MAP_GET:
        return before;
    case CONTAINS:
        return *value != 0;
    case MAP_SET:
        *value = call->number;
        return 0;
    case SET_DEFAULT:
        if (*value == 0)
            *value = call->number;
        return *value;
    case MAP_REMOVE:
        *value = 0;
        return before;
    case MAP_CLEAR:
        memset(model->numbers, 0, sizeof model->numbers);
        return 0;
    default:
        return map_model_content(model);
    }
}

static const struct subject maps = { MAP_OPERATIONS, map_names, map_make,    map_run,
                                     map_finish,     map_apply, map_content, map_model_content };

/* ---- interned strings ------------------------------------------------------------------------------------------------ */

enum { INTERN, DROP, DROP_ALL, STRING_OPERATIONS };
static const char *const string_names[] = { "intern", "drop", "drop_all" };

#define NAMES 6
static arca_str *held[2][NAMES];

static void *strings_make(struct model *model, uint64_t *random)
{
    (void)model, (void)random;
    return NULL;
}

static void strings_drop(unsigned thread, size_t name)
{
    arca_release(held[thread][name]);
    held[thread][name] = NULL;
}

static void strings_run(void *none, struct call *call)
{
    (void)none;
    size_t name = call->index % NAMES;
    char byte = (char)('a' + name);
    if (call->operation == INTERN) {
        arca_str *string = arca_str_intern(&byte, 1);
        REQUIRE(string != NULL && *arca_str_bytes(string) == byte);
        REQUIRE(held[call->thread][name] == NULL || held[call->thread][name] == string);
        strings_drop(call->thread, name);
        held[call->thread][name] = string;
    }
    for (size_t i = 0; i < NAMES; i++) {
        if (call->operation == DROP_ALL || (call->operation == DROP && i == name))
            strings_drop(call->thread, i);
    }
}

static void strings_finish(struct call *call)
{
    (void)call;
}

static uint64_t strings_apply(struct model *model, const struct call *call)
{
    (void)model, (void)call;
    return 0;
}

/* What both threads hold is one. */
static uint64_t strings_content(void *none)
{
    (void)none;
    for (size_t i = 0; i < NAMES; i++)
        CHECK(held[0][i] == NULL || held[1][i] == NULL || held[0][i] == held[1][i]);
    return 0;
}

static uint64_t strings_model_content(const struct model *model)
{
    (void)model;
    return 0;
}

static const struct subject strings = { STRING_OPERATIONS, string_names,  strings_make,    strings_run,
                                        strings_finish,    strings_apply, strings_content, strings_model_content };

/* ---- rounds --------------------------------------------------------------------------------------------------------- */

static const struct subject *subject;
static void *container;
static struct call calls[2][CALLS];
static _Atomic unsigned turn; /* of the rounds: odd while both threads make their calls */
static _Atomic unsigned ready, finished;

/* True when there is an order of the calls from these on. */
static bool explains(struct model model, unsigned mine, unsigned theirs)
{
    if (mine == CALLS && theirs == CALLS)
        return subject->model_content(&model) == subject->content(container);
    for (unsigned thread = 0; thread < 2; thread++) {
        unsigned done = thread == 0 ? mine : theirs;
        struct model next = model;
        if (done < CALLS && subject->apply(&next, &calls[thread][done]) == calls[thread][done].answer &&
            explains(next, mine + (thread == 0), theirs + (thread == 1)))
            return true;
    }
    return false;
}

static void make_calls(unsigned thread, uint64_t *random)
{
    for (unsigned i = 0; i < CALLS; i++) {
        for (uint64_t n = harness_random(random) % 32; n > 0; n--)
            __asm__ volatile("");
        subject->run(container, &calls[thread][i]);
    }
    for (unsigned i = 0; i < CALLS; i++)
        subject->finish(&calls[thread][i]);
}

static void *their_calls(void *seed)
{
    uint64_t random = (uintptr_t)seed;
    for (unsigned round = 1;; round += 2) {
        unsigned now;
        while ((now = atomic_load(&turn)) < round)
            sched_yield();
        if (now == UINT32_MAX)
            return NULL;
        atomic_store(&ready, round);
        make_calls(1, &random);
        atomic_store(&finished, round);
    }
}

static void draw_calls(unsigned thread, unsigned operation, uint64_t *random)
{
    for (unsigned i = 0; i < CALLS; i++) {
        uint64_t r = harness_random(random), number = 10 * thread + i + 1;
        calls[thread][i] = (struct call){
            .thread = thread, .operation = r % 4 != 0 ? operation : (unsigned)(r / 4 % subject->operations), .index = r / 4096 % 6, .number = number,
            .probe = make(number),
        };
    }
}

static void print_calls(void)
{
    for (unsigned thread = 0; thread < 2; thread++)
        for (unsigned i = 0; i < CALLS; i++)
            fprintf(stderr, "thread %u: %s %zu %llu: %lld\n", thread, subject->names[calls[thread][i].operation],
                    calls[thread][i].index, (unsigned long long)calls[thread][i].number, (long long)calls[thread][i].answer);
}

static void play(unsigned mine, unsigned theirs, uint64_t *random)
{
    struct model model;
    container = subject->make(&model, random);
    draw_calls(0, mine, random);
    draw_calls(1, theirs, random);
    unsigned round = atomic_load(&turn) + 1;
    atomic_store(&turn, round);
    while (atomic_load(&ready) != round)
        sched_yield();
    make_calls(0, random);
    while (atomic_load(&finished) != round)
        sched_yield();
    if (!explains(model, 0, 0)) {
        print_calls();
        harness_fail_now(__FILE__, __LINE__, "no order of these calls explains the answers");
    }
    atomic_store(&turn, round + 1);
    for (unsigned i = 0; i < 2 * CALLS; i++)
        arca_release(calls[i / CALLS][i % CALLS].probe);
    arca_release(container);
}

static void play_all_pairs(const struct subject *what)
{
    subject = what;
    uint64_t random = harness_seed();
    pthread_t other = start_thread(their_calls, (void *)(uintptr_t)harness_random(&random));
    for (unsigned mine = 0; mine < what->operations; mine++)
        for (unsigned theirs = 0; theirs < what->operations; theirs++)
            for (unsigned round = 0; round < ROUNDS; round++)
                play(mine, theirs, &random);
    atomic_store(&turn, UINT32_MAX);
    pthread_join(other, NULL);
}

TEST(stress_pairs, of_operations_on_a_list_have_an_order)
{
    play_all_pairs(&lists);
    CHECK_EQ(probes_dead, probes_made);
}

TEST(stress_pairs, of_operations_on_a_map_have_an_order)
{
    keys_make();
    play_all_pairs(&maps);
    for (unsigned i = 0; i < KEYS; i++) {
        CHECK_EQ(arca_refcount(keys[i]), 1);
        arca_release(keys[i]);
    }
    CHECK_EQ(probes_dead, probes_made);
}

TEST(stress_pairs, of_interned_strings_agree_on_each)
{
    play_all_pairs(&strings);
    for (unsigned i = 0; i < 2 * NAMES; i++)
        arca_release(held[i / NAMES][i % NAMES]);
}
