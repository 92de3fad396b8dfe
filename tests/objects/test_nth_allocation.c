/*
 * The n-th allocation of an operation fails, for every n and for every operation on objects that allocates; only that one,
 * or all from it on.  An operation that fails says so with ENOMEM, and then every count, every container and the number of
 * blocks are as before; done again, with memory, it succeeds.  One that succeeds without what it asked for leaves errno
 * alone.
 */
#include "probe.h"

#include "../unit/capture.h"
#include "base/options.h"

#include <arca/gc.h>

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- memory that ends ---------------------------------------------------------------------------------------------- */

/* Of this thread: the library's own is not counted. */
static _Thread_local struct {
    bool on, for_ever;
    unsigned left;    /* until the one that fails */
    unsigned refused; /* since it was set */
    long blocks;      /* that live */
} memory;

static bool refuse(void)
{
    if (!memory.on || memory.left == 0 || --memory.left != 0)
        return false;
    memory.left = memory.for_ever;
    memory.refused++;
    errno = ENOMEM;
    return true;
}

static void *count_block(void *block)
{
    memory.blocks += block != NULL;
    return block;
}

#define WRAP(type, name, parameters, ...)                                                                              \
    type *__real_##name parameters;                                                                                    \
    type *__wrap_##name parameters;                                                                                    \
    type *__wrap_##name parameters                                                                                     \
    {                                                                                                                  \
        return refuse() ? NULL : count_block(__real_##name(__VA_ARGS__));                                              \
    }
struct heap;
WRAP(void, arca_private_object_alloc, (size_t size), size)
WRAP(void, arca_private_object_alloc_own, (struct heap *heap, size_t size), heap, size)
WRAP(void, arca_calloc, (size_t count, size_t size), count, size)

struct heap *__real_arca_private_object_heap_create(void);
struct heap *__wrap_arca_private_object_heap_create(void);
struct heap *__wrap_arca_private_object_heap_create(void)
{
    return refuse() ? NULL : __real_arca_private_object_heap_create();
}

void __real_arca_private_object_free(void *block);
void __wrap_arca_private_object_free(void *block);
void __wrap_arca_private_object_free(void *block)
{
    memory.blocks--;
    __real_arca_private_object_free(block);
}

void __real_arca_free(void *block);
void __wrap_arca_free(void *block);
void __wrap_arca_free(void *block)
{
    memory.blocks -= block != NULL;
    __real_arca_free(block);
}

/* ---- what an operation meets ------------------------------------------------------------------------------------------ */

#define OTHERS 80
#define NAMES 65 /* as many as the table of interned strings has buckets, and one more */

/* Owned. */
static struct world {
    arca_list *list, *inner; /* inner: in the list, and holds it and the map */
    arca_map *map;           /* in inner; holds the list */
    struct probe *probe;     /* an item, a key and a value */
    arca_str *text;
    arca_int *number;
    arca_weak *weak;
    void *others[OTHERS];
    size_t count;
    arca_list_iterator items;
    arca_map_iterator entries;
} world;

static void keep(void *owned)
{
    REQUIRE(owned != NULL && world.count < OTHERS);
    world.others[world.count++] = owned;
}

static void append(arca_list *list, void *item)
{
    REQUIRE(arca_list_append(list, item) == 0);
}

static void set(arca_map *map, void *key, void *value)
{
    REQUIRE(arca_map_set(map, key, value) == 0);
}

static void world_make(void)
{
    world = (struct world){ .list = arca_list_new(), .inner = arca_list_new(), .map = arca_map_new() };
    world.probe = probe_new(1);
    world.text = str("text");
    world.number = integer(1000);
    REQUIRE(world.list != NULL && world.inner != NULL && world.map != NULL);
    append(world.list, world.probe);
    append(world.list, world.inner);
    append(world.inner, world.list);
    append(world.inner, world.map);
    set(world.map, world.text, world.list);
    set(world.map, world.number, world.text);
    set(world.map, world.probe, world.probe);
}

static void world_drop(void)
{
    arca_list_iterate_end(&world.items);
    arca_map_iterate_end(&world.entries);
    arca_list_clear(world.inner); /* the cycles */
    arca_map_clear(world.map);
    arca_release(world.list);
    arca_release(world.inner);
    arca_release(world.map);
    arca_release(world.probe);
    arca_release(world.text);
    arca_release(world.number);
    arca_release(world.weak);
    for (size_t i = 0; i < world.count; i++)
        arca_release(world.others[i]);
}

/* All that can be seen of it. */
struct sight {
    uint64_t words[1000];
    size_t count;
};

static void see(struct sight *sight, uint64_t word)
{
    REQUIRE(sight->count < sizeof sight->words / sizeof *sight->words);
    sight->words[sight->count++] = word;
}

static void see_object(struct sight *sight, void *object)
{
    see(sight, (uintptr_t)object);
    see(sight, arca_refcount(object));
}

static void see_list(struct sight *sight, arca_list *list)
{
    see_object(sight, list);
    see(sight, arca_list_length(list));
    void *item;
    for (size_t i = 0; (item = arca_list_get(list, i)) != NULL; i++)
        see_object(sight, seen(item));
}

static void see_map(struct sight *sight, arca_map *map)
{
    see_object(sight, map);
    see(sight, arca_map_length(map));
    arca_map_iterator each = arca_map_iterate(map);
    while (arca_map_next(&each)) {
        see_object(sight, each.key);
        see_object(sight, each.value);
        see(sight, seen(arca_map_get(map, each.key)) == each.value && arca_map_contains(map, each.key));
    }
}

static struct sight world_see(void)
{
    struct sight sight = { .count = 0 };
    see_list(&sight, world.list);
    see_list(&sight, world.inner);
    see_map(&sight, world.map);
    see_object(&sight, world.probe);
    see_object(&sight, world.text);
    see_object(&sight, world.number);
    see_object(&sight, world.weak);
    see(&sight, (uintptr_t)seen(arca_weak_upgrade(world.weak)));
    for (size_t i = 0; i < world.count; i++)
        see_object(&sight, world.others[i]);
    see(&sight, probes_dead);
    see(&sight, options.debug == DEBUG_OFF ? (uint64_t)memory.blocks : 0); /* else the dead are kept a while */
    return sight;
}

/* ---- operations --------------------------------------------------------------------------------------------------------- */

static bool made(void *owned)
{
    arca_release(owned);
    return owned != NULL;
}

static arca_type row_type = { .name = "row", .size = sizeof(arca_var_object), .item_size = sizeof(arca_slot),
                              .flags = ARCA_TYPE_ITEM_SLOTS };
static arca_type own_type = { .name = "own", .size = 48, .flags = ARCA_TYPE_OWN_BLOCKS };

static bool new_object(void) { return made(arca_new(&probe_type)); }
static bool new_row(void) { return made(arca_new_var(&row_type, 10)); }
static bool new_large_row(void) { return made(arca_new_var(&row_type, 10000)); }
static bool new_own(void) { return made(arca_new(&own_type)); }
static bool attach(void) { return arca_thread_attach() == 0; }

/* As in a process that has not used it. */
static void forget_type(void)
{
    memset(&own_type.arca_private, 0, sizeof own_type.arca_private);
}

static void never_called(arca_weak *weak, void *data)
{
    (void)weak, (void)data;
    harness_fail(__FILE__, __LINE__, "a callback of a weak reference that is dead");
}

static void bind_once(void)
{
    world.weak = arca_weak_bind(world.probe, NULL, NULL);
    REQUIRE(world.weak != NULL);
}

static bool bind(void) { return made(arca_weak_bind(world.probe, NULL, NULL)); }
static bool bind_with_callback(void) { return made(arca_weak_bind(world.probe, never_called, NULL)); }
static bool upgrade(void) { return made(arca_weak_upgrade(world.weak)); }

static bool new_int(void) { return made(arca_int_new(INT64_MIN)); }
static bool shared_int(void) { return made(arca_int_new(256)); }
static bool new_str(void) { return made(arca_str_new("some bytes", 10)); }
static bool intern(void) { return made(arca_str_intern("some bytes", 10)); }
static bool intern_long(void) { return made(arca_str_intern((char[100]){ 0 }, 100)); }
static void intern_once(void) { keep(arca_str_intern("some bytes", 10)); }

static void intern_many(void)
{
    char name[16];
    for (unsigned i = 0; i < NAMES - 1; i++)
        keep(arca_str_intern(name, (size_t)snprintf(name, sizeof name, "name %u", i)));
}

static void never_destroyed(void *data)
{
    harness_fail(__FILE__, __LINE__, "a box that was never made has its data destroyed");
    (void)data;
}

static bool new_box(void)
{
    struct { arca_object object; void *data; void (*destroy)(void *); } *box = (void *)arca_box_new(&world, never_destroyed);
    if (box != NULL)
        box->destroy = NULL;
    return made(box);
}

static bool new_list(void) { return made(arca_list_new()); }
static bool append_to_list(void) { return arca_list_append(world.list, world.text) == 0; }
static bool insert_in_list(void) { return arca_list_insert(world.list, 0, world.text) == 0; }
static bool set_in_list(void) { return arca_list_set(world.list, 0, world.text) == 0; }
static bool remove_from_list(void) { return made(arca_list_remove(world.list, 0)); }
static bool pop_list(void) { return made(arca_list_pop(world.list)); }
static bool get_from_list(void) { return made(arca_list_get(world.list, 1)); }
static bool clear_list(void) { return arca_list_clear(world.list), true; }
static void empty_list(void) { arca_list_clear(world.list); }

static bool iterate_list(void)
{
    arca_list_iterator each = arca_list_iterate(world.list);
    size_t count = 0;
    while (arca_list_next(&each) != NULL)
        count++;
    return count == arca_list_length(world.list);
}

static void fill_list(void)
{
    while (arca_list_length(world.list) != 4)
        append(world.list, world.number);
}

static void pin_list(void)
{
    fill_list();
    arca_release(arca_list_pop(world.list)); /* there is room */
    world.items = arca_list_iterate(world.list);
}

/* The next to be taken out leaves it with less than a quarter of its storage. */
static void thin_list(void)
{
    while (arca_list_length(world.list) != 35)
        append(world.list, world.number);
    while (arca_list_length(world.list) != 14)
        arca_release(arca_list_pop(world.list));
}

static bool new_map(void) { return made(arca_map_new()); }
static bool set_new(void) { return arca_map_set(world.map, world.inner, world.inner) == 0; }
static bool set_text(void) { return arca_map_set(world.map, world.text, world.text) == 0; }
static bool default_new(void) { return seen(arca_map_set_default(world.map, world.inner, world.inner)) == world.inner; }
static bool default_text(void) { return seen(arca_map_set_default(world.map, world.text, world.text)) == world.list; }
static bool remove_text(void) { return made(arca_map_remove(world.map, world.text)); }
static bool remove_probe(void) { return made(arca_map_remove(world.map, world.probe)); }
static bool remove_nothing(void) { return arca_map_remove(world.map, world.inner) == NULL && errno == 0; }
static bool get_text(void) { return made(arca_map_get(world.map, world.text)) && arca_map_contains(world.map, world.text); }
static bool clear_map(void) { return arca_map_clear(world.map), true; }
static void empty_map(void) { arca_map_clear(world.map); }

static bool iterate_map(void)
{
    arca_map_iterator each = arca_map_iterate(world.map);
    size_t count = 0;
    while (arca_map_next(&each))
        count++;
    return count == arca_map_length(world.map);
}

static void fill_map(void)
{
    set(world.map, world.list, world.text);
    set(world.map, world.map, world.text);
}

static void pin_map(void)
{
    world.entries = arca_map_iterate(world.map);
}

/* Many keys without a value. */
static void thin_map(void)
{
    for (int i = 0; i < 60; i++) {
        arca_auto arca_int *key = integer(i);
        set(world.map, key, world.text);
    }
    for (int i = 0; i < 47; i++) {
        arca_auto arca_int *key = integer(i);
        arca_release(arca_map_remove(world.map, key));
    }
}

static bool copy_list(void) { return made(arca_copy(world.list)); }
static bool copy_map(void) { return made(arca_copy(world.map)); }
static bool copy_text(void) { return made(arca_copy(world.text)); }

/* Its cycles are its own. */
static bool deep_copy(void)
{
    arca_auto arca_list *copy = arca_deep_copy(world.list);
    if (copy == NULL)
        return false;
    arca_auto arca_list *inner = arca_list_get(copy, 1);
    arca_auto arca_map *map = arca_list_get(inner, 1);
    CHECK(inner != world.inner && map != world.map && arca_map_length(map) == 3 && seen(arca_list_get(inner, 0)) == copy);
    arca_list_clear(inner);
    arca_map_clear(map);
    return true;
}

static const struct operation {
    const char *name;
    void (*prepare)(void);
    bool (*run)(void);
    unsigned allocations, needed; /* it goes on without those after that many */
} operations[] = {
    { "arca_new", NULL, new_object, 1, 1 },
    { "arca_new_var", NULL, new_row, 1, 1 },
    { "arca_new_var, large", NULL, new_large_row, 1, 1 },
    { "arca_new, the first of its own blocks", forget_type, new_own, 2, 2 },
    { "arca_thread_attach", NULL, attach, 1, 1 },
    { "arca_weak_bind, the first", NULL, bind, 2, 2 },
    { "arca_weak_bind, the first, with a callback", NULL, bind_with_callback, 2, 2 },
    { "arca_weak_bind, the second", bind_once, bind, 1, 1 },
    { "arca_weak_upgrade", bind_once, upgrade, 0, 0 },
    { "arca_int_new", NULL, new_int, 1, 1 },
    { "arca_int_new, a shared one", NULL, shared_int, 0, 0 },
    { "arca_str_new", NULL, new_str, 1, 1 },
    { "arca_str_intern", NULL, intern, 3, 3 },
    { "arca_str_intern, one that is there", intern_once, intern, 0, 0 },
    { "arca_str_intern, too long", NULL, intern_long, 1, 1 },
    { "arca_box_new", NULL, new_box, 1, 1 },
    { "arca_list_new", NULL, new_list, 1, 1 },
    { "arca_list_append", NULL, append_to_list, 0, 0 },
    { "arca_list_append, the first", empty_list, append_to_list, 1, 1 },
    { "arca_list_append, beyond the room", fill_list, append_to_list, 1, 1 },
    { "arca_list_append, beside an iterator", pin_list, append_to_list, 0, 0 },
    { "arca_list_insert", NULL, insert_in_list, 0, 0 },
    { "arca_list_insert, the first", empty_list, insert_in_list, 1, 1 },
    { "arca_list_insert, beyond the room", fill_list, insert_in_list, 1, 1 },
    { "arca_list_insert, beside an iterator", pin_list, insert_in_list, 1, 1 },
    { "arca_list_set", NULL, set_in_list, 0, 0 },
    { "arca_list_set, beside an iterator", pin_list, set_in_list, 1, 1 },
    { "arca_list_remove", NULL, remove_from_list, 0, 0 },
    { "arca_list_remove, beside an iterator", pin_list, remove_from_list, 1, 1 },
    { "arca_list_remove, few are left", thin_list, remove_from_list, 1, 0 },
    { "arca_list_pop", NULL, pop_list, 0, 0 },
    { "arca_list_pop, beside an iterator", pin_list, pop_list, 1, 1 },
    { "arca_list_pop, few are left", thin_list, pop_list, 1, 0 },
    { "arca_list_get", NULL, get_from_list, 0, 0 },
    { "arca_list_clear", NULL, clear_list, 0, 0 },
    { "arca_list_clear, beside an iterator", pin_list, clear_list, 0, 0 },
    { "arca_list_iterate", NULL, iterate_list, 0, 0 },
    { "arca_map_new", NULL, new_map, 1, 1 },
    { "arca_map_set", NULL, set_new, 0, 0 },
    { "arca_map_set, the first", empty_map, set_new, 1, 1 },
    { "arca_map_set, beyond the room", fill_map, set_new, 1, 1 },
    { "arca_map_set, a key that is there", NULL, set_text, 0, 0 },
    { "arca_map_set, a key that is there, beside an iterator", pin_map, set_text, 1, 1 },
    { "arca_map_set, a new key beside an iterator", pin_map, set_new, 0, 0 },
    { "arca_map_set_default", NULL, default_new, 0, 0 },
    { "arca_map_set_default, the first", empty_map, default_new, 1, 1 },
    { "arca_map_set_default, beyond the room", fill_map, default_new, 1, 1 },
    { "arca_map_set_default, a key that is there, beside an iterator", pin_map, default_text, 0, 0 },
    { "arca_map_remove", NULL, remove_text, 0, 0 },
    { "arca_map_remove, an object", NULL, remove_probe, 0, 0 },
    { "arca_map_remove, what is not there", NULL, remove_nothing, 0, 0 },
    { "arca_map_remove, what is not there, beside an iterator", pin_map, remove_nothing, 0, 0 },
    { "arca_map_remove, beside an iterator", pin_map, remove_text, 1, 1 },
    { "arca_map_remove, few are left", thin_map, remove_text, 1, 0 },
    { "arca_map_get", NULL, get_text, 0, 0 },
    { "arca_map_clear", NULL, clear_map, 0, 0 },
    { "arca_map_clear, beside an iterator", pin_map, clear_map, 0, 0 },
    { "arca_map_iterate", NULL, iterate_map, 0, 0 },
    { "arca_copy, a list", NULL, copy_list, 2, 2 },
    { "arca_copy, an empty list", empty_list, copy_list, 1, 1 },
    { "arca_copy, a map", NULL, copy_map, 2, 2 },
    { "arca_copy, an empty map", empty_map, copy_map, 1, 1 },
    { "arca_copy, a string", NULL, copy_text, 0, 0 },
    { "arca_deep_copy", NULL, deep_copy, 10, 10 },
    { "arca_str_intern, as many as the table has room for", intern_many, intern, 4, 3 },
};

#define EXPECT(condition)                                                                                              \
    ((condition) ? (void)0                                                                                             \
                 : harness_fail(__FILE__, __LINE__, "%s: %s is false, where allocation %u fails%s", operation->name,   \
                                #condition, n, for_ever ? " and all after it" : ""))

/* The table of interned strings has grown once: from then on it has a block. */
static void warm_up(void)
{
    world_make();
    intern_many();
    intern_once();
    world_drop();
}

/* False when it does not come to an n-th allocation. */
static bool fail(const struct operation *operation, unsigned n, bool for_ever)
{
    const long blocks = memory.blocks;
    world_make();
    if (operation->prepare != NULL)
        operation->prepare();
    const struct sight before = world_see();
    memory.for_ever = for_ever, memory.left = n, memory.refused = 0, memory.on = true;
    errno = 0;
    bool succeeded = operation->run();
    int error = errno;
    memory.on = false;
    if (succeeded) {
        EXPECT(error == 0);
        EXPECT(memory.refused == 0 || n > operation->needed);
    } else {
        const struct sight after = world_see();
        EXPECT(error == ENOMEM && memory.refused != 0);
        EXPECT(after.count == before.count && memcmp(after.words, before.words, before.count * sizeof *before.words) == 0);
        EXPECT(operation->run());
    }
    world_drop();
    EXPECT(memory.blocks == blocks || options.debug == DEBUG_REFS);
    arca_heap_check();
    return memory.refused != 0;
}

static void fail_all(void)
{
    arca_gc_disable(); /* what dies while it runs is freed later, by others */
    warm_up();
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        const struct operation *operation = &operations[i];
        for (unsigned for_ever = 0; for_ever < 2; for_ever++) {
            unsigned n = 1;
            while (fail(operation, n, for_ever))
                n++;
            EXPECT(n - 1 == operation->allocations);
        }
    }
}

TEST(nth_allocation, fails_and_nothing_has_changed)
{
    fail_all();
}

static void fail_all_and_exit(void)
{
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        fail_all();
        exit(harness_end() != 0);
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
}

TEST(nth_allocation, fails_and_no_type_has_objects_left)
{
    options.debug = DEBUG_REFS;
    CHECK_STR(capture(fail_all_and_exit), "");
}
