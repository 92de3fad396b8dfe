/* Objects of Arca. */
#include <arca/object.h>

#include "rows.h"

struct node {
    arca_object object;
    arca_slot first, second;
    uint64_t payload[2];
};

static const uint32_t node_slots[] = {offsetof(struct node, first), offsetof(struct node, second)};
static arca_type node_type = {.name = "node", .size = sizeof(struct node), .slots = node_slots, .slot_count = 2};

static arca_type hot_type = {.name = "hot", .size = sizeof(struct node), .slots = node_slots, .slot_count = 2, .flags = ARCA_TYPE_HOT};

static struct node *shared; /* its first slot holds another */
static arca_weak *weak;

static struct node *node_of(arca_type *type)
{
    struct node *node = arca_new(type);
    if (node == NULL)
        abort();
    return node;
}

static struct node *node_new(void)
{
    return node_of(&node_type);
}

static void prepare(arca_type *type)
{
    if (shared != NULL)
        return;
    shared = node_of(type);
    arca_slot_put(&shared->first, node_of(type));
    weak = arca_weak_bind(shared, NULL, NULL);
}

static void prepare_shared(size_t operations)
{
    (void)operations;
    prepare(&node_type);
}

static void retain(size_t operations)
{
    for (size_t i = 0; i < operations; i++) {
        arca_retain(shared);
        keep(shared);
        arca_release(shared);
    }
}

/* Until there is a reserve, which needs the library's thread to have begun; five seconds at most. */
static void prepare_hot(size_t operations)
{
    (void)operations;
    prepare(&hot_type);
    for (int i = 0; arca_private_reserve == NULL && i < 5000; i++) {
        usleep(1000);
        retain(1);
    }
}

static void make(size_t operations)
{
    for (size_t i = 0; i < operations; i++) {
        struct node *node = node_new();
        keep(node);
        arca_release(node);
    }
}

static void load(size_t operations)
{
    for (size_t i = 0; i < operations; i++) {
        void *loaded = arca_slot_load(&shared->first);
        keep(loaded);
        arca_release(loaded);
    }
}

static void upgrade(size_t operations)
{
    for (size_t i = 0; i < operations; i++) {
        void *strong = arca_weak_upgrade(weak);
        keep(strong);
        arca_release(strong);
    }
}

static struct node *chain;

static void chain_build(size_t length)
{
    for (size_t i = 0; i < length; i++) {
        struct node *node = node_new();
        arca_slot_put(&node->first, chain);
        chain = node;
    }
}

static void chain_drop(size_t length)
{
    (void)length;
    arca_release(chain);
    chain = NULL;
}

/* Of neighbours in memory, what their fields do not take. */
static size_t header(void)
{
    size_t least = SIZE_MAX;
    for (uintptr_t last = 0, i = 0; i < 100; i++) {
        uintptr_t now = (uintptr_t)node_new();
        size_t distance = now > last ? now - last : last - now;
        if (distance < least)
            least = distance;
        last = now;
    }
    return least - (sizeof(struct node) - sizeof(arca_object));
}

static const struct row rows[] = {
    {"retain", 1, retain, prepare_shared, NULL},
    {"retain-2", 2, retain, prepare_shared, NULL},
    {"new", 1, make, NULL, NULL},
    {"load", 1, load, prepare_shared, NULL},
    {"load-2", 2, load, prepare_shared, NULL},
    {"weak", 1, upgrade, prepare_shared, NULL},
    {"weak-2", 2, upgrade, prepare_shared, NULL},
    {"hot-retain", 1, retain, prepare_hot, NULL},
    {"hot-retain-2", 2, retain, prepare_hot, NULL},
    {"hot-load", 1, load, prepare_hot, NULL},
    {"hot-weak", 1, upgrade, prepare_hot, NULL},
    {"chain", 1, chain_drop, chain_build, NULL},
    {"header", 1, NULL, NULL, header},
    {NULL, 0, NULL, NULL, NULL},
};

int main(int argc, char **argv)
{
    return rows_main(argc, argv, rows);
}
