/*
 * Objects, slots, weak references, finalisers that save their objects, and collections, beside a model of them: counts are what
 * the model says after every step, nobody dies whom a hand can reach, and a full collection leaves exactly those.
 */
#include "input.h"

#include "../cycles/graph.h"

#include "base/options.h"

#define THINGS 48
#define WEAKS 16
#define NONE -1

struct thing {
    struct node *node; /* NULL: there is none */
    unsigned hands;
    int slots[SLOTS];
    bool rises, lost; /* its finaliser saves it; its weak references are dead */
};

static struct thing things[THINGS];
static struct {
    arca_weak *weak;
    int thing; /* NONE: dead */
} weaks[WEAKS];

static int thing_of(const void *object)
{
    for (int i = 0; i < THINGS; i++) {
        if (things[i].node == object)
            return i;
    }
    harness_fail_now(__FILE__, __LINE__, "%p is not in the model", object);
}

static size_t mark(bool *reachable)
{
    int stack[THINGS];
    size_t top = 0, count = 0;
    memset(reachable, 0, THINGS * sizeof *reachable);
    for (int i = 0; i < THINGS; i++) {
        if (things[i].node != NULL && things[i].hands != 0) {
            reachable[i] = true;
            stack[top++] = i;
        }
    }
    while (top != 0) {
        struct thing *thing = &things[stack[--top]];
        count++;
        for (unsigned s = 0; s < SLOTS; s++) {
            int next = thing->slots[s];
            if (next != NONE && !reachable[next]) {
                reachable[next] = true;
                stack[top++] = next;
            }
        }
    }
    return count;
}

static void lose_weaks(int number)
{
    things[number].lost = true;
    for (unsigned i = 0; i < WEAKS; i++) {
        if (weaks[i].thing == number)
            weaks[i].thing = NONE;
    }
}

static void finalize(void *object)
{
    int number = thing_of(object);
    lose_weaks(number);
    if (things[number].rises) {
        things[number].rises = false;
        things[number].hands++;
        arca_retain(object);
    }
}

static void destroy(void *object)
{
    bool reachable[THINGS];
    int number = thing_of(object);
    mark(reachable);
    if (reachable[number])
        harness_fail_now(__FILE__, __LINE__, "%p dies in use", object);
    lose_weaks(number);
    node_destroy(object);
    things[number].node = NULL;
    for (unsigned s = 0; s < SLOTS; s++)
        things[number].slots[s] = NONE;
}

#define TYPE(name_, ...)                                                                                               \
    { .name = name_, .size = sizeof(struct node), .slots = node_slots, .slot_count = SLOTS, .destroy = destroy, __VA_ARGS__ }
static arca_type types[] = {
    TYPE("plain", .flags = 0), TYPE("final", .finalize = finalize), TYPE("own", .flags = ARCA_TYPE_OWN_BLOCKS),
    { .name = "huge", .size = 40000, .slots = node_slots, .slot_count = SLOTS, .destroy = destroy },
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    options.background = 0;
    options.collector = COLLECTOR_OFF;
    for (int i = 0; i < THINGS; i++) {
        for (unsigned s = 0; s < SLOTS; s++)
            things[i].slots[s] = NONE;
    }
    for (unsigned i = 0; i < WEAKS; i++)
        weaks[i].thing = NONE;
    return 0;
}

/* Exact whenever nothing is under way. */
static void expect_counts(void)
{
    size_t counts[THINGS] = { 0 };
    for (int i = 0; i < THINGS; i++) {
        if (things[i].node == NULL)
            continue;
        counts[i] += things[i].hands;
        for (unsigned s = 0; s < SLOTS; s++) {
            if (things[i].slots[s] != NONE)
                counts[things[i].slots[s]]++;
        }
    }
    for (int i = 0; i < THINGS; i++) {
        if (things[i].node == NULL)
            continue;
        node_check(things[i].node);
        if (counts[i] == 0 || arca_refcount(things[i].node) != counts[i])
            harness_fail_now(__FILE__, __LINE__, "the count of %p is %zu, not %zu", (void *)things[i].node,
                             arca_refcount(things[i].node), counts[i]);
    }
}

/* ---- steps: the model first, for what an operation sets free dies inside it ---------------------------------------- */

static void make(struct input *input)
{
    unsigned how = input_byte(input);
    for (int i = 0; i < THINGS; i++) {
        if (things[i].node != NULL)
            continue;
        struct node *node = node_of(&types[how % 4]);
        things[i].node = node;
        things[i].hands = 1;
        things[i].rises = how % 4 == 1 && how >= 192;
        things[i].lost = false;
        return;
    }
}

static struct thing *held(struct input *input)
{
    struct thing *thing = &things[input_byte(input) % THINGS];
    return thing->node != NULL && thing->hands != 0 ? thing : NULL;
}

static int index_of(const struct thing *thing)
{
    return thing == NULL ? NONE : (int)(thing - things);
}

static void let_go(struct thing *thing)
{
    thing->hands--;
    arca_release(thing->node);
}

static void store(struct thing *from, unsigned slot, const struct thing *to)
{
    from->slots[slot] = index_of(to);
    arca_slot_store(&from->node->slots[slot], to == NULL ? NULL : to->node);
}

/* A hand for what is in the slot. */
static void expect_hand(void *object, int number)
{
    if (object != (number == NONE ? NULL : things[number].node))
        harness_fail_now(__FILE__, __LINE__, "a slot has %p", object);
    if (number != NONE)
        things[number].hands++;
}

static void take(struct thing *from, unsigned slot)
{
    int number = from->slots[slot];
    from->slots[slot] = NONE;
    expect_hand(arca_slot_take(&from->node->slots[slot]), number);
}

/* The hand's unit moves into the slot. */
static void exchange(struct thing *from, unsigned slot, struct thing *to)
{
    int number = from->slots[slot];
    if (to == NULL || (to == from && to->hands < 2))
        return;
    to->hands--;
    from->slots[slot] = index_of(to);
    expect_hand(arca_slot_exchange(&from->node->slots[slot], to->node), number);
}

static void swap(struct thing *a, unsigned i, struct thing *b, unsigned j)
{
    if (b == NULL)
        return;
    int number = a->slots[i];
    a->slots[i] = b->slots[j];
    b->slots[j] = number;
    arca_slot_swap(&a->node->slots[i], &b->node->slots[j]);
}

static void use_weak(struct input *input, struct thing *thing)
{
    unsigned how = input_byte(input), number = how % WEAKS;
    if (weaks[number].weak == NULL) {
        weaks[number].weak = arca_weak_bind(thing->node, NULL, NULL);
        REQUIRE(weaks[number].weak != NULL);
        weaks[number].thing = thing->lost ? NONE : index_of(thing);
    } else if (how < 64) {
        arca_weak *weak = weaks[number].weak;
        weaks[number].weak = NULL;
        weaks[number].thing = NONE;
        arca_release(weak);
    } else if (how < 96) {
        weaks[number].thing = NONE;
        arca_weak_sever(weaks[number].weak);
    } else {
        expect_hand(arca_weak_upgrade(weaks[number].weak), weaks[number].thing);
    }
}

static void collect_all(void)
{
    bool reachable[THINGS];
    for (unsigned empty = 0; empty < 2;)
        empty = arca_gc_collect(2) == 0 ? empty + 1 : 0;
    CHECK_EQ(nodes_alive(), mark(reachable));
}

static void step(struct input *input)
{
    unsigned what = input_byte(input), slot = what / 16 % SLOTS;
    struct thing *thing;
    if (what % 16 < 4) {
        make(input);
        return;
    }
    if (what % 16 == 15) {
        if (what >= 128)
            collect_all();
        else
            CHECK(arca_gc_collect((int)(what / 16 % 3)) >= 0);
        return;
    }
    thing = held(input);
    if (thing == NULL)
        return;
    switch (what % 16) {
    case 4:
    case 5:
        let_go(thing);
        break;
    case 6:
        things[index_of(thing)].hands++;
        arca_retain(thing->node);
        break;
    case 7:
    case 8:
        store(thing, slot, held(input));
        break;
    case 9:
        expect_hand(arca_slot_load(&thing->node->slots[slot]), thing->slots[slot]);
        break;
    case 10:
        take(thing, slot);
        break;
    case 11:
        exchange(thing, slot, held(input));
        break;
    case 12:
        swap(thing, slot, held(input), what / 64);
        break;
    case 13:
        store(thing, slot, NULL);
        break;
    default:
        use_weak(input, thing);
        break;
    }
}

static void let_all_go(void)
{
    for (int i = 0; i < THINGS; i++) {
        things[i].rises = false;
        while (things[i].node != NULL && things[i].hands != 0)
            let_go(&things[i]);
    }
    for (unsigned i = 0; i < WEAKS; i++) {
        arca_release(weaks[i].weak);
        weaks[i].weak = NULL;
        weaks[i].thing = NONE;
    }
    collect_all();
    CHECK_EQ(nodes_alive(), 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input input = { bytes, bytes + size };
    arca_gc_disable();
    while (input_left(&input)) {
        step(&input);
        expect_counts();
    }
    let_all_go();
    arca_heap_check();
    if (harness_end() != 0)
        abort();
    return 0;
}
