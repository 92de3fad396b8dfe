/* A list of maps of 3 to 5 entries, each to an object of its own, gives way to a list of a random 1 % of the maps. */
#include <arca/containers.h>

#include "workload.h"

enum { MAPS = 1000000, SURVIVE_PERCENT = 1, MOST_ENTRIES = 5 };

static const char *const names[MOST_ENTRIES] = {"id", "name", "size", "time", "owner"};
static arca_str *keys[MOST_ENTRIES]; /* of all maps, as interned strings are in other languages */
static arca_list *list;

static void require(bool fact)
{
    if (!fact)
        workload_die("no memory for an object");
}

static arca_map *map_new(size_t index)
{
    arca_map *map = arca_map_new();
    require(map != NULL);
    for (size_t i = 0; i < 3 + index % 3; i++) {
        arca_int *value = arca_int_new((int64_t)(1000 + index));
        require(value != NULL && arca_map_set(map, keys[i], value) == 0);
        arca_release(value);
    }
    return map;
}

static void prepare(void)
{
    for (size_t i = 0; i < MOST_ENTRIES; i++)
        require((keys[i] = arca_str_intern(names[i], strlen(names[i]))) != NULL);
    require((list = arca_list_new()) != NULL);
}

static void burst(void)
{
    struct rng rng = rng_make(0);
    for (size_t i = 0; i < MAPS; i++) {
        arca_map *map = map_new(i);
        require(arca_list_append(list, map) == 0);
        arca_release(map);
    }
    arca_list *rest = arca_list_new();
    require(rest != NULL);
    for (size_t i = 0; i < MAPS; i++)
        if (rng_next(&rng) % 100 < SURVIVE_PERCENT) {
            arca_auto void *map = arca_list_get(list, i);
            require(arca_list_append(rest, map) == 0);
        }
    arca_release(list);
    list = rest;
}

int main(int argc, char **argv)
{
    return workload_main(argc, argv, prepare, burst);
}
