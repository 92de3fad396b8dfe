#include "soak.h"

#include "../cycles/graph.h"

#include <unistd.h>

#define ROOTS 64
#define BOXES 16

static struct node *roots[ROOTS], *boxes[BOXES];
static _Atomic bool ending;
static _Atomic unsigned rises;

static arca_slot *slot_of(struct node *node, uint64_t chance)
{
    return &node->slots[chance % SLOTS];
}

/* One in eight lives on, in a root; once. */
static void rise_sometimes(void *object)
{
    node_check(object);
    unsigned turn = atomic_fetch_add(&rises, 1);
    if (!atomic_load(&ending) && turn % 8 == 0)
        arca_slot_store(slot_of(roots[turn / 8 % ROOTS], turn), object);
}

/* Beyond the largest pool block. */
struct huge {
    struct node node;
    char rest[40000];
};

static arca_type final_type = NODE_TYPE("final", .finalize = rise_sometimes);
static arca_type own_type = NODE_TYPE("own", .flags = ARCA_TYPE_OWN_BLOCKS);
static arca_type hot_type = NODE_TYPE("hot", .flags = ARCA_TYPE_HOT);
static arca_type huge_type = {
    .name = "huge", .size = sizeof(struct huge), .slots = node_slots, .slot_count = SLOTS, .destroy = node_destroy
};

/* NULL where memory is refused. */
static struct node *try_new(uint64_t chance)
{
    static arca_type *const types[8] = { &node_type, &final_type, &own_type, &hot_type, &hot_type, &node_type, &node_type, &node_type };
    arca_type *type = chance % 64 == 0 ? &huge_type : types[chance % 8];
    struct node *node = arca_new(type);
    if (node == NULL) {
        CHECK_EQ(errno, ENOMEM);
        return NULL;
    }
    return node_init(node);
}

static void note_loss(arca_weak *weak, void *data)
{
    (void)data;
    CHECK(arca_weak_upgrade(weak) == NULL);
}

static void bind(struct node *node, uint64_t chance)
{
    arca_weak *weak = arca_weak_bind(node, chance % 2 == 0 ? note_loss : NULL, NULL);
    if (weak == NULL)
        return;
    if (chance % 16 == 0)
        arca_weak_sever(weak);
    arca_slot_store(slot_of(boxes[chance / 16 % BOXES], chance / 256), weak);
    arca_release(weak);
}

static struct node *upgrade(uint64_t chance)
{
    arca_weak *weak = arca_slot_load(slot_of(boxes[chance / 16 % BOXES], chance / 256));
    struct node *node = arca_weak_upgrade(weak);
    arca_release(weak);
    return node;
}

/* A ring with a way in from the graph and a way out into it. */
static void make_ring(struct node *root, struct node *guest, uint64_t chance)
{
    struct node *first = try_new(chance / 8), *last = first;
    for (unsigned i = 0; first != NULL && i < 1 + chance % 6; i++) {
        struct node *next = try_new(chance >> i);
        if (next == NULL)
            break;
        arca_slot_put(&last->slots[0], next);
        last = next;
    }
    if (first == NULL)
        return;
    if (last != first)
        node_link(last, 1, first);
    node_link(first, 2, guest);
    if (chance % 4 == 0)
        arca_slot_store(slot_of(root, chance / 4), first);
    arca_release(first);
}

static void step(struct node **hand, uint64_t *random)
{
    uint64_t chance = harness_random(random);
    struct node *root = roots[chance / 16 % ROOTS], *got = NULL;
    chance /= 1024;
    switch (chance % 10) {
    case 0:
    case 1:
        make_ring(root, *hand, chance / 16);
        return;
    case 2:
        got = try_new(chance / 16);
        break;
    case 3:
    case 4:
        got = arca_slot_load(slot_of(root, chance / 16));
        break;
    case 5:
        if (*hand != NULL)
            arca_slot_store(slot_of(*hand, chance / 16), roots[chance / 64 % ROOTS]);
        arca_slot_store(slot_of(root, chance / 256), *hand);
        return;
    case 6:
        got = arca_slot_take(slot_of(root, chance / 16));
        break;
    case 7:
        if (*hand != NULL)
            bind(*hand, chance / 16);
        return;
    case 8:
        got = upgrade(chance / 16);
        break;
    default:
        arca_slot_clear(slot_of(root, chance / 16));
        return;
    }
    if (got != NULL)
        node_check(got);
    arca_release(*hand);
    *hand = got;
}

void objects_open(void)
{
    for (unsigned i = 0; i < ROOTS; i++)
        roots[i] = node_new();
    for (unsigned i = 0; i < BOXES; i++)
        boxes[i] = node_new();
}

/* On a crowded machine the collector falls behind, and the backlog that it allows by itself is a matter of objects, not of
 * bytes: some of these are large. */
#define NODES_MAX 100000

void objects_steps(unsigned steps, uint64_t *random)
{
    struct node *hand = NULL;
    if (nodes_alive() > NODES_MAX) {
        usleep(1000);
        return;
    }
    for (unsigned i = 0; i < steps; i++)
        step(&hand, random);
    arca_release(hand);
}

static bool look_at(void *object, void *unused)
{
    struct node *node = object;
    (void)unused;
    if (arca_type_of(object)->destroy == node_destroy &&
        atomic_load_explicit(&node->stamp, memory_order_relaxed) != 0) /* else it is just being made */
        node_check(node);
    return true;
}

void objects_collect(uint64_t *random)
{
    int generation = (int)(harness_random(random) % 3);
    if (arca_gc_collect(generation) < 0)
        CHECK_EQ(errno, ENOMEM);
    if (harness_random(random) % 8 == 0)
        arca_gc_objects(-1, look_at, NULL);
    if (harness_random(random) % 8 == 0) {
        arca_gc_freeze();
        arca_gc_unfreeze();
    }
}

void objects_close(void)
{
    atomic_store(&ending, true);
    for (unsigned i = 0; i < ROOTS; i++)
        arca_release(roots[i]);
    for (unsigned i = 0; i < BOXES; i++)
        arca_release(boxes[i]);
    while (arca_gc_collect(2) != 0 || arca_gc_collect(2) != 0)
        ;
    CHECK_EQ(nodes_alive(), 0);
}

uint64_t objects_born(void)
{
    return atomic_load(&nodes_born);
}
