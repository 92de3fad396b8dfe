/* Weak references whose objects die, rise and are made meanwhile. */
#include "nodes.h"

#include "arca/gc.h"

#define THREADS 4
#define PLACES 16
#define ROUNDS STEPS(60000u)

static struct node *places[PLACES]; /* left: a weak reference, or NULL; right: an object that rose */
static _Atomic size_t calls_wanted, calls_made;

static void places_make(void)
{
    for (unsigned i = 0; i < PLACES; i++)
        places[i] = node_new();
}

static void places_drop(void)
{
    for (unsigned i = 0; i < PLACES; i++)
        arca_release(places[i]);
    CHECK(arca_gc_collect(2) >= 0);
    nodes_check_gone();
    arca_heap_check();
}

static void run_workers(void *(*body)(void *))
{
    pthread_t threads[THREADS];
    uint64_t seed = harness_seed();
    for (unsigned i = 0; i < THREADS; i++)
        threads[i] = start_thread(body, (void *)(uintptr_t)(seed + i));
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

/* ---- upgrade against the last release -------------------------------------------------------------------- */

static void *publish_and_upgrade(void *argument)
{
    uint64_t random = (uintptr_t)argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct node *place = places[harness_random(&random) % PLACES];
        if (harness_random(&random) % 2) {
            struct node *node = node_new();
            arca_weak *weak = arca_weak_bind(node, NULL, NULL);
            arca_slot_store(&place->left, weak);
            arca_release(weak);
            arca_release(node); /* the last, or an upgrade was faster */
        } else {
            arca_weak *weak = arca_slot_load(&place->left);
            struct node *node = arca_weak_upgrade(weak);
            if (node != NULL) {
                node_check(node);
                arca_weak *other = arca_weak_bind(node, NULL, NULL);
                arca_slot_store(&places[harness_random(&random) % PLACES]->left, other);
                arca_release(other);
                arca_release(node);
            }
            arca_release(weak);
        }
    }
    return NULL;
}

TEST(stress_weak, upgrade_gets_a_living_object_or_null)
{
    places_make();
    run_workers(publish_and_upgrade);
    places_drop();
}

/* ---- one object, all threads ------------------------------------------------------------------------------------ */

static pthread_barrier_t turn;
static arca_weak *contended;

static void *race_for_the_last(void *argument)
{
    for (unsigned i = 0; i < ROUNDS / 20; i++) {
        if (argument != NULL) {
            struct node *node = node_new();
            contended = arca_weak_bind(node, NULL, NULL);
            pthread_barrier_wait(&turn);
            arca_release(node);
        } else {
            pthread_barrier_wait(&turn);
            struct node *node = arca_weak_upgrade(contended);
            if (node != NULL)
                node_check(node);
            arca_release(node);
        }
        pthread_barrier_wait(&turn);
        if (argument != NULL) {
            CHECK(arca_weak_upgrade(contended) == NULL);
            arca_release(contended);
        }
    }
    return NULL;
}

TEST(stress_weak, the_last_release_and_an_upgrade_at_once)
{
    pthread_t threads[3];
    pthread_barrier_init(&turn, NULL, 3);
    for (unsigned i = 0; i < 3; i++)
        threads[i] = start_thread(race_for_the_last, i == 0 ? &turn : NULL);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    nodes_check_gone();
}

/* ---- callbacks -------------------------------------------------------------------------------------------------- */

#define KEPT 64

static void count_call(arca_weak *weak, void *data)
{
    CHECK(arca_weak_upgrade(weak) == NULL);
    CHECK_EQ(atomic_fetch_add((_Atomic unsigned *)data, 1), 0);
    atomic_fetch_add(&calls_made, 1);
}

struct watch {
    arca_weak *weak;
    _Atomic unsigned calls;
};

/* Binds several to one object; some die before it, some are severed, the others are called once. */
static void *watch_objects(void *argument)
{
    uint64_t random = (uintptr_t)argument;
    for (unsigned round = 0; round < ROUNDS / KEPT / 2; round++) {
        struct watch watches[KEPT] = { { NULL, 0 } };
        struct node *node = node_new();
        bool kept[KEPT];
        for (unsigned i = 0; i < KEPT; i++) {
            watches[i].weak = arca_weak_bind(node, count_call, &watches[i].calls);
            arca_slot_store(&places[harness_random(&random) % PLACES]->left, watches[i].weak);
        }
        for (unsigned i = 0; i < KEPT; i++) {
            kept[i] = harness_random(&random) % 4 != 0;
            if (!kept[i])
                arca_weak_sever(watches[i].weak);
            /* Others upgrade what they find in the places meanwhile. */
            arca_weak *other = arca_slot_take(&places[harness_random(&random) % PLACES]->left);
            arca_release(arca_weak_upgrade(other));
            arca_release(other);
        }
        arca_release(node);
        /* It may be in other threads' hands a little longer. */
        for (unsigned i = 0; i < KEPT; i++) {
            while (kept[i] && atomic_load(&watches[i].calls) == 0)
                wait_ms(1);
            CHECK_EQ(atomic_load(&watches[i].calls), kept[i]);
            atomic_fetch_add(&calls_wanted, kept[i]);
            arca_release(watches[i].weak);
        }
    }
    return NULL;
}

TEST(stress_weak, callbacks_come_exactly_once)
{
    places_make();
    run_workers(watch_objects);
    CHECK_EQ(atomic_load(&calls_made), atomic_load(&calls_wanted));
    places_drop();
}

/* ---- sever, death of the reference, death of the object ------------------------------------------------------------ */

static void ignore_call(arca_weak *weak, void *data)
{
    (void)data;
    CHECK(arca_weak_upgrade(weak) == NULL);
}

static void *drop_in_any_order(void *argument)
{
    uint64_t random = (uintptr_t)argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct node *place = places[harness_random(&random) % 2];
        switch (harness_random(&random) % 4) {
        case 0: {
            struct node *node = node_new();
            arca_slot_store(&place->right, node);
            arca_release(node);
            break;
        }
        case 1: {
            struct node *node = arca_slot_load(&place->right);
            arca_weak *weak = arca_weak_bind(node, ignore_call, NULL);
            arca_slot_store(&place->left, weak);
            arca_release(weak);
            arca_release(node);
            break;
        }
        case 2: {
            arca_weak *weak = arca_slot_load(&place->left);
            arca_weak_sever(weak);
            arca_release(weak);
            break;
        }
        default:
            arca_slot_clear(harness_random(&random) % 2 ? &place->left : &place->right);
            break;
        }
    }
    return NULL;
}

TEST(stress_weak, references_and_objects_die_in_any_order)
{
    places_make();
    run_workers(drop_in_any_order);
    places_drop();
}

/* ---- objects that rise ------------------------------------------------------------------------------------------------ */

static void rise(void *object)
{
    node_check(object);
    uint64_t random = (uintptr_t)object;
    if (harness_random(&random) % 3 != 0)
        arca_slot_store(&places[harness_random(&random) % PLACES]->right, object);
}

static arca_type rising_type = {
    .name = "rising", .size = sizeof(struct node), .slots = node_slots, .slot_count = 2,
    .finalize = rise, .destroy = node_destroy,
};

static void *raise_and_upgrade(void *argument)
{
    uint64_t random = (uintptr_t)argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct node *place = places[harness_random(&random) % PLACES];
        struct node *node = harness_random(&random) % 2 ? node_of(&rising_type) : arca_slot_load(&place->right);
        arca_weak *weak = arca_weak_bind(node, ignore_call, NULL); /* to a finalised one as well */
        arca_slot_store(&place->left, weak);
        arca_release(weak);
        arca_release(node);
        weak = arca_slot_load(&places[harness_random(&random) % PLACES]->left);
        node = arca_weak_upgrade(weak);
        if (node != NULL)
            node_check(node);
        arca_release(node);
        arca_release(weak);
    }
    return NULL;
}

TEST(stress_weak, objects_that_rise_are_upgraded_whole)
{
    places_make();
    run_workers(raise_and_upgrade);
    /* What rises last finds its place gone: the places go last. */
    for (unsigned i = 0; i < PLACES; i++)
        arca_slot_clear(&places[i]->right);
    for (unsigned i = 0; i < PLACES; i++)
        arca_slot_clear(&places[i]->right);
    places_drop();
}
