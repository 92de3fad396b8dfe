/* A list of maps of 3 to 5 entries, each to an object of its own, gives way to a list of a random 1 % of the maps. */
#include <arca/object.h>

#include "workload.h"

enum { MAPS = 1000000, SURVIVE_PERCENT = 1 };

struct leaf {
    arca_object object;
    uint64_t payload[2];
};

struct array {
    arca_var_object head;
    arca_slot items[];
};

static arca_type leaf_type = {.name = "leaf", .size = sizeof(struct leaf), .flags = ARCA_TYPE_ACYCLIC};
static arca_type array_type = {.name = "array", .size = sizeof(struct array), .item_size = sizeof(arca_slot),
                               .flags = ARCA_TYPE_ITEM_SLOTS};

static struct array *list;

static struct array *array_new(struct meter *meter, size_t count)
{
    struct array *array = arca_new_var(&array_type, count);
    if (array == NULL)
        workload_die("no memory for an array");
    meter_add(meter, (int64_t)(sizeof *array + count * sizeof *array->items));
    return array;
}

static struct array *map_new(struct meter *meter, size_t entries)
{
    struct array *map = array_new(meter, entries);
    for (size_t i = 0; i < entries; i++) {
        struct leaf *leaf = arca_new(&leaf_type);
        if (leaf == NULL)
            workload_die("no memory for a leaf");
        meter_add(meter, sizeof *leaf);
        arca_slot_put(&map->items[i], leaf);
    }
    return map;
}

static void prepare(void)
{
}

static void burst(void)
{
    struct rng rng = rng_make(0);
    struct meter meter = {0};
    list = array_new(&meter, MAPS);
    for (size_t i = 0; i < MAPS; i++)
        arca_slot_put(&list->items[i], map_new(&meter, 3 + i % 3));
    meter_flush(&meter);
    struct array *rest = array_new(&meter, MAPS / 50);
    for (size_t i = 0, kept = 0; i < MAPS; i++)
        if (rng_next(&rng) % 100 < SURVIVE_PERCENT)
            arca_slot_store(&rest->items[kept++], arca_slot_borrow(&list->items[i]));
    arca_release(list);
    list = rest;
}

int main(int argc, char **argv)
{
    return workload_main(argc, argv, prepare, burst);
}
