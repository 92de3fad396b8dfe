/*
 * Random graphs under every operation by several threads while another collects all generations back to back: nobody
 * ever meets a dead object, and in the end exactly what is reachable is alive.
 *
 * roots   objects that the test holds throughout; their slots are written by all
 * boxes   the same, for weak references
 * hands   objects that a thread holds
 */
#include "graph.h"

#define MUTATORS 3
#define ROOTS 48
#define BOXES 16
#define HANDS 12

struct thing {
    struct node node;
    uint64_t kind;
    uint64_t payload, sum;
};

/* Beyond the largest pool block. */
struct huge {
    struct thing thing;
    char rest[40000];
};

enum { PLAIN, FINAL, OWN, TRAVERSED, HUGE, KINDS };

static _Atomic size_t born[KINDS], dead[KINDS];
static struct thing *roots[ROOTS];
static struct node *boxes[BOXES];
static _Thread_local uint64_t chance;
static _Atomic bool stop, ending;

static uint64_t dice(uint64_t sides)
{
    return harness_random(&chance) % sides;
}

static void thing_check(struct thing *thing)
{
    node_check(&thing->node);
    if (thing->sum != thing->payload * 31 + thing->kind)
        harness_fail_now(__FILE__, __LINE__, "%p: its payload has changed", (void *)thing);
}

static void thing_destroy(void *object)
{
    struct thing *thing = object;
    thing_check(thing);
    for (unsigned i = 0; i < SLOTS; i++)
        CHECK(arca_slot_borrow(&thing->node.slots[i]) == NULL);
    atomic_store_explicit(&thing->node.stamp, STAMP_DEAD, memory_order_relaxed);
    atomic_fetch_add_explicit(&dead[thing->kind], 1, memory_order_relaxed);
}

static void thing_traverse(void *object, arca_visit *visit, void *context)
{
    struct thing *thing = object;
    for (unsigned i = 0; i < SLOTS; i++)
        visit(&thing->node.slots[i], context);
}

static struct thing *thing_new(unsigned kind);

static struct thing *any_root(void)
{
    return roots[dice(ROOTS)];
}

static void *upgrade_any(void)
{
    arca_weak *weak = arca_slot_load(&boxes[dice(BOXES)]->slots[dice(SLOTS)]);
    void *object = arca_weak_upgrade(weak);
    arca_release(weak);
    return object;
}

/* Some rise, some make garbage, some take others along. */
static void thing_finalize(void *object)
{
    struct thing *thing = object, *other;
    thing_check(thing);
    switch (atomic_load(&ending) ? 8 : dice(8)) {
    case 0:
        arca_slot_store(&any_root()->node.slots[dice(SLOTS)], thing);
        break;
    case 1:
        other = arca_slot_load(&thing->node.slots[0]);
        arca_slot_store(&any_root()->node.slots[dice(SLOTS)], other);
        arca_release(other);
        break;
    case 2:
        other = thing_new(PLAIN);
        arca_slot_store(&other->node.slots[0], other);
        arca_slot_store(&thing->node.slots[1], other);
        arca_release(other);
        break;
    case 3:
        other = upgrade_any();
        arca_slot_store(&thing->node.slots[2], other);
        arca_release(other);
        break;
    case 4:
        arca_slot_clear(&thing->node.slots[dice(SLOTS)]);
        break;
    default:
        break;
    }
}

#define THING(name_, size_) .name = name_, .size = size_, .destroy = thing_destroy
#define THING_SLOTS .slots = node_slots, .slot_count = SLOTS

static arca_type types[KINDS] = {
    [PLAIN] = { THING("plain", sizeof(struct thing)), THING_SLOTS },
    [FINAL] = { THING("final", sizeof(struct thing)), THING_SLOTS, .finalize = thing_finalize },
    [OWN] = { THING("own", sizeof(struct thing)), THING_SLOTS, .flags = ARCA_TYPE_OWN_BLOCKS },
    [TRAVERSED] = { THING("traversed", sizeof(struct thing)), .traverse = thing_traverse },
    [HUGE] = { THING("huge", sizeof(struct huge)), THING_SLOTS },
};

static struct thing *thing_new(unsigned kind)
{
    struct thing *thing = arca_new(&types[kind]);
    REQUIRE(thing != NULL);
    thing->kind = kind;
    thing->payload = harness_random(&chance);
    thing->sum = thing->payload * 31 + kind;
    atomic_fetch_add_explicit(&born[kind], 1, memory_order_relaxed);
    atomic_store_explicit(&thing->node.stamp, node_stamp(thing), memory_order_relaxed);
    return thing;
}

/* ---- what a thread does ------------------------------------------------------------------------------------- */

static void hand_set(struct thing **hand, void *owned)
{
    struct thing *old = *hand;
    if (owned != NULL)
        thing_check(owned);
    *hand = owned;
    if (old != NULL)
        thing_check(old);
    arca_release(old);
}

static arca_slot *any_slot(struct thing *thing)
{
    return &thing->node.slots[dice(SLOTS)];
}

static _Atomic unsigned char called[1 << 16];
static _Atomic unsigned binds;

static void note_call(arca_weak *weak, void *data)
{
    CHECK(arca_weak_upgrade(weak) == NULL);
    CHECK_EQ(atomic_fetch_add(&called[(uintptr_t)data], 1), 0);
}

static void bind_any(void *object)
{
    unsigned number = atomic_fetch_add(&binds, 1);
    bool watched = number < sizeof called && number % 2 == 0;
    arca_weak *weak = arca_weak_bind(object, watched ? note_call : NULL, (void *)(uintptr_t)number);
    REQUIRE(weak != NULL);
    if (dice(16) == 0)
        arca_weak_sever(weak);
    arca_slot_store(&boxes[dice(BOXES)]->slots[dice(SLOTS)], weak);
    arca_release(weak);
}

/* Two that only this thread knows move units to and fro; then they hold each other. */
static void *make_nest(struct thing *guest)
{
    struct thing *a = thing_new(PLAIN), *b = thing_new((unsigned)dice(HUGE));
    arca_slot_put(&a->node.slots[0], arca_retain(guest));
    arca_slot_put(&a->node.slots[1], arca_retain(a));
    arca_slot_put(&b->node.slots[2], arca_slot_take(&a->node.slots[0]));
    arca_slot_swap(&a->node.slots[1], &b->node.slots[2]);
    arca_edit_begin(a);
    void *first = a->node.slots[0].arca_target; /* atomic for ThreadSanitizer: the collector may be looking */
    __atomic_store_n(&a->node.slots[0].arca_target, a->node.slots[1].arca_target, __ATOMIC_RELAXED);
    __atomic_store_n(&a->node.slots[1].arca_target, first, __ATOMIC_RELAXED);
    arca_edit_end(a);
    arca_slot_store(&b->node.slots[3], a);
    arca_slot_put(&a->node.slots[3], b);
    return a;
}

static unsigned any_kind(void)
{
    unsigned kind = (unsigned)dice(64);
    return kind == 0 ? HUGE : kind < 12 ? FINAL : kind < 16 ? OWN : kind < 24 ? TRAVERSED : PLAIN;
}

static void step(struct thing *hands[HANDS])
{
    struct thing **to = &hands[dice(HANDS)], *from = hands[dice(HANDS)], *third = hands[dice(HANDS)];
    switch (dice(16)) {
    case 0:
    case 1:
        hand_set(to, thing_new(any_kind()));
        break;
    case 2:
        hand_set(to, arca_retain(from));
        break;
    case 3:
    case 4:
        hand_set(to, NULL);
        break;
    case 5:
    case 6:
        if (from != NULL)
            arca_slot_store(any_slot(from), third);
        break;
    case 7:
        hand_set(to, arca_slot_load(any_slot(from != NULL ? from : any_root())));
        break;
    case 8:
        hand_set(to, arca_slot_load(any_slot(any_root())));
        break;
    case 9:
        hand_set(to, arca_slot_take(any_slot(from != NULL ? from : any_root())));
        break;
    case 10: /* the unit moves on, from hand to slot to hand */
        if (from != NULL && *to != NULL) {
            void *owned = *to;
            *to = NULL;
            hand_set(to, arca_slot_exchange(any_slot(from == owned ? any_root() : from), owned));
        }
        break;
    case 11:
        arca_slot_store(any_slot(any_root()), from);
        break;
    case 12:
        arca_slot_clear(any_slot(any_root()));
        break;
    case 13:
        if (from != NULL)
            bind_any(from);
        break;
    case 14:
        hand_set(to, upgrade_any());
        break;
    case 15:
        hand_set(to, make_nest(from));
        break;
    }
}

static void *mutate(void *number)
{
    struct thing *hands[HANDS] = { NULL };
    chance = harness_seed() + (uintptr_t)number;
    for (unsigned i = 0; i < STEPS(2000000); i++)
        step(hands);
    for (unsigned i = 0; i < HANDS; i++)
        hand_set(&hands[i], NULL);
    return NULL;
}

/* One that is just being made has no stamp yet. */
static bool check_object(void *object, void *unused)
{
    struct node *node = object;
    (void)unused;
    if (atomic_load_explicit(&node->stamp, memory_order_relaxed) != 0)
        node_check(node);
    return true;
}

static void *collect(void *unused)
{
    chance = harness_seed() + 99;
    while (!atomic_load(&stop)) {
        CHECK(arca_gc_collect((int)dice(3)) >= 0);
        if (dice(16) == 0)
            arca_gc_objects((int)dice(4) - 1, check_object, NULL);
        if (dice(16) == 0)
            arca_gc_referrers(any_root(), check_object, NULL);
        if (dice(16) == 0)
            arca_gc_referents(any_root(), check_object, NULL);
        if (dice(32) == 0) {
            arca_gc_freeze();
            arca_gc_unfreeze();
        }
    }
    return unused;
}

/* ---- in the end ------------------------------------------------------------------------------------------------- */

static size_t alive(void)
{
    size_t sum = 0;
    for (unsigned kind = 0; kind < KINDS; kind++)
        sum += atomic_load(&born[kind]) - atomic_load(&dead[kind]);
    return sum;
}

static void collect_all(void)
{
    while (arca_gc_collect(2) != 0 || arca_gc_collect(2) != 0)
        ;
}

/* By the payload, which nobody reads any more. */
static size_t reach(struct thing *first)
{
    size_t count = 0;
    struct thing **stack = malloc((alive() * SLOTS + 1) * sizeof *stack);
    size_t top = 0;
    stack[top++] = first;
    while (top != 0) {
        struct thing *thing = stack[--top];
        if (thing->payload == 0)
            continue;
        thing_check(thing);
        thing->payload = 0;
        thing->sum = thing->kind;
        count++;
        for (unsigned i = 0; i < SLOTS; i++) {
            struct thing *next = arca_slot_borrow(&thing->node.slots[i]);
            if (next != NULL && next->payload != 0)
                stack[top++] = next;
        }
    }
    free(stack);
    return count;
}

TEST(stress_graph, nobody_meets_the_dead_and_only_the_reachable_live)
{
    pthread_t mutators[MUTATORS], collector;
    chance = harness_seed();
    for (unsigned i = 0; i < ROOTS; i++)
        roots[i] = thing_new(PLAIN);
    for (unsigned i = 0; i < BOXES; i++)
        boxes[i] = node_new();
    for (uintptr_t t = 0; t < MUTATORS; t++)
        mutators[t] = start_thread(mutate, (void *)(t + 1));
    collector = start_thread(collect, NULL);
    for (unsigned t = 0; t < MUTATORS; t++)
        pthread_join(mutators[t], NULL);
    atomic_store(&stop, true);
    pthread_join(collector, NULL);
    collect_all();
    size_t reachable = 0;
    for (unsigned i = 0; i < ROOTS; i++)
        reachable += reach(roots[i]);
    CHECK_EQ(reachable, alive());
    struct arca_gc_stats stats = stats_now();
    for (unsigned g = 0; g < 3; g++)
        fprintf(stderr, "generation %u: %lu collections, %lu found, %lu freed, %lu not proved\n", g,
                (unsigned long)stats.generations[g].collections, (unsigned long)stats.generations[g].found,
                (unsigned long)stats.generations[g].collected, (unsigned long)stats.generations[g].aborted);
    atomic_store(&ending, true); /* there will be no roots to save anything in */
    for (unsigned i = 0; i < ROOTS; i++)
        arca_release(roots[i]);
    collect_all();
    for (unsigned kind = 0; kind < KINDS; kind++)
        CHECK_EQ(atomic_load(&born[kind]), atomic_load(&dead[kind]));
}
