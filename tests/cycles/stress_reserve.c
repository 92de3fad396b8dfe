/* Hot objects in the hands, reserves, slots and weak references of many threads, while reserves are recalled. */
#include "../objects/nodes.h"

#include "arca/gc.h"

#define THREADS 4
#define PLACES 24
#define ROUNDS STEPS(1000000)

static arca_type hot_type = {
    .name = "hot", .size = sizeof(struct node), .slots = node_slots, .slot_count = 2, .destroy = node_destroy,
    .flags = ARCA_TYPE_HOT
};

static struct node *places[PLACES]; /* each has one of the shared nodes in its left slot, and a weak reference in its right */
static _Atomic bool done;

static void publish(struct node *place)
{
    struct node *node = node_of(&hot_type);
    arca_weak *weak = arca_weak_bind(node, NULL, NULL);
    arca_slot_store(&place->right, weak);
    arca_slot_store(&place->left, node);
    arca_release(weak);
    arca_release(node);
}

/* Makes a cycle of two, which only a collection takes apart. */
static void tie(struct node *node, uint64_t *random)
{
    struct node *other = arca_slot_load(&places[harness_random(random) % PLACES]->left);
    arca_slot_store(&node->left, other);
    arca_slot_store(&other->right, node);
    arca_release(other);
}

static void use(struct node *node)
{
    if (node == NULL)
        return;
    for (unsigned i = 0; i < 8; i++) {
        arca_retain(node);
        node_check(node);
    }
    for (unsigned i = 0; i < 8; i++)
        arca_release(node);
    node_check(node);
    arca_release(node);
}

static void *work(void *argument)
{
    uint64_t random = (uintptr_t)argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct node *place = places[harness_random(&random) % PLACES];
        arca_weak *weak;
        unsigned choice = harness_random(&random) % 256;
        if (choice < 4) {
            publish(place);
        } else if (choice < 8) {
            struct node *node = arca_slot_load(&place->left);
            tie(node, &random);
            use(node);
        } else if (choice < 100) {
            weak = arca_slot_load(&place->right);
            use(arca_weak_upgrade(weak));
            arca_release(weak);
        } else {
            use(arca_slot_load(&place->left));
        }
    }
    return NULL;
}

static void *recall(void *argument)
{
    (void)argument;
    for (unsigned i = 0; !atomic_load(&done); i++) {
        CHECK(arca_gc_collect(i % 8 == 0 ? 2 : 0) >= 0);
        wait_ms(1);
    }
    return NULL;
}

/* Threads that come and go use what the others use. */
static void *visit(void *argument)
{
    uint64_t random = (uintptr_t)argument;
    for (unsigned i = 0; i < 50; i++)
        use(arca_slot_load(&places[harness_random(&random) % PLACES]->left));
    return NULL;
}

static void *come_and_go(void *argument)
{
    for (uintptr_t i = 1; !atomic_load(&done); i++)
        run_in_a_thread(visit, (void *)(i + (uintptr_t)argument));
    return NULL;
}

TEST(stress_reserve, nobody_dies_too_early_and_all_die)
{
    pthread_t threads[THREADS], recaller, visitors;
    for (unsigned i = 0; i < PLACES; i++) {
        places[i] = node_new();
        publish(places[i]);
    }
    recaller = start_thread(recall, NULL);
    visitors = start_thread(come_and_go, &places);
    for (uintptr_t i = 0; i < THREADS; i++)
        threads[i] = start_thread(work, (void *)(i + 1));
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&done, true);
    pthread_join(recaller, NULL);
    pthread_join(visitors, NULL);
    for (unsigned i = 0; i < PLACES; i++)
        arca_release(places[i]);
    CHECK(arca_gc_collect(2) >= 0);
    nodes_check_gone();
}
