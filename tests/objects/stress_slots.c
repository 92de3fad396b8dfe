/* Slots that several threads read and write; whatever they reach is alive. */
#include "nodes.h"

#include "arca/gc.h"

#define THREADS 4
#define ROOTS 8
#define ROUNDS STEPS(150000u)

static struct node *roots[ROOTS];

static void roots_make(void)
{
    for (unsigned i = 0; i < ROOTS; i++)
        roots[i] = node_new();
}

/* Cycles that came about are the collector's. */
static void roots_drop(void)
{
    for (unsigned i = 0; i < ROOTS; i++)
        arca_release(roots[i]);
    CHECK(arca_gc_collect(2) >= 0);
    nodes_check_gone();
    arca_heap_check();
}

static arca_slot *random_slot(uint64_t *random)
{
    uint64_t r = harness_random(random);
    struct node *root = roots[r % ROOTS];
    return r & 256 ? &root->left : &root->right;
}

static void *checked(void *object)
{
    if (object != NULL)
        node_check(object);
    return object;
}

static void step(uint64_t *random)
{
    arca_slot *slot = random_slot(random);
    struct node *node;
    switch (harness_random(random) % 8) {
    case 0:
        node = node_new();
        arca_slot_store(slot, node);
        arca_release(node);
        break;
    case 1:
        arca_release(checked(arca_slot_exchange(slot, node_new())));
        break;
    case 2:
        arca_release(checked(arca_slot_take(slot)));
        break;
    case 3: /* from slot to slot */
        node = checked(arca_slot_take(slot));
        arca_release(checked(arca_slot_exchange(random_slot(random), node)));
        break;
    case 4: /* a copy */
        node = checked(arca_slot_load(slot));
        arca_slot_store(random_slot(random), node);
        arca_release(node);
        break;
    case 5: /* deeper: into an object that others reach, too */
        node = checked(arca_slot_load(slot));
        if (node != NULL) {
            void *other = checked(arca_slot_load(random_slot(random)));
            arca_slot_store(harness_random(random) % 2 ? &node->left : &node->right, other);
            arca_release(other);
            arca_release(node);
        }
        break;
    default:
        arca_release(checked(arca_slot_load(slot)));
        break;
    }
}

static void *work(void *argument)
{
    uint64_t random = (uintptr_t)argument;
    for (unsigned i = 0; i < ROUNDS; i++)
        step(&random);
    return NULL;
}

static void run_workers(void *(*body)(void *), unsigned count)
{
    pthread_t threads[THREADS];
    uint64_t seed = harness_seed();
    for (unsigned i = 0; i < count; i++)
        threads[i] = start_thread(body, (void *)(uintptr_t)(seed + i));
    for (unsigned i = 0; i < 20; i++) {
        arca_heap_check();
        wait_ms(3);
        arca_trim(0);
    }
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

TEST(stress_slots, every_operation_against_every_other)
{
    roots_make();
    run_workers(work, THREADS);
    roots_drop();
}

TEST(stress_slots, the_same_while_a_collector_is_busy)
{
    const unsigned often[ARCA_GC_GENERATIONS] = { 1, 2, 2 };
    arca_gc_set_threshold(often);
    roots_make();
    run_workers(work, THREADS);
    roots_drop();
}

/* ---- one slot: load against store, the narrowest race ------------------------------------------------------ */

static void *load_one(void *unused)
{
    for (unsigned i = 0; i < ROUNDS; i++)
        arca_release(checked(arca_slot_load(&roots[0]->left)));
    return unused;
}

static void *store_one(void *unused)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct node *node = node_new();
        arca_slot_store(&roots[0]->left, node);
        arca_release(node);
    }
    return unused;
}

TEST(stress_slots, load_never_returns_what_a_store_has_freed)
{
    pthread_t threads[4];
    roots_make();
    for (unsigned i = 0; i < 4; i++)
        threads[i] = start_thread(i < 2 ? load_one : store_one, NULL);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    roots_drop();
}

/* ---- units that move between slots under readers ------------------------------------------------------------ */

static _Atomic bool moved_enough;

static void *read_both(void *unused)
{
    while (!atomic_load_explicit(&moved_enough, memory_order_relaxed)) {
        for (unsigned i = 0; i < ROOTS; i++) {
            struct node *left = checked(arca_slot_load(&roots[i]->left)), *right = checked(arca_slot_load(&roots[i]->right));
            arca_release(left);
            arca_release(right);
        }
    }
    return unused;
}

static void turn_round(struct node *node)
{
    arca_edit_begin(node);
    void *left = arca_slot_borrow(&node->left);
    __atomic_store_n(&node->left.arca_target, arca_slot_borrow(&node->right), __ATOMIC_RELEASE);
    __atomic_store_n(&node->right.arca_target, left, __ATOMIC_RELEASE);
    arca_edit_end(node);
}

TEST(stress_slots, moved_units_are_neither_lost_nor_doubled)
{
    pthread_t readers[2];
    roots_make();
    for (unsigned i = 0; i < ROOTS; i++) {
        arca_slot_put(&roots[i]->left, node_new());
        arca_slot_put(&roots[i]->right, node_new());
    }
    for (unsigned i = 0; i < 2; i++)
        readers[i] = start_thread(read_both, NULL);
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct node *from = roots[i % ROOTS], *to = roots[(i * 3 + 1) % ROOTS];
        if (i % 4 == 0) {
            void *unit = arca_slot_take(&from->left);
            unit = arca_slot_exchange(&to->right, unit);
            arca_slot_put(&from->left, unit);
        } else if (i % 7 == 0) {
            turn_round(from);
        } else if (from != to || i % 2 != 0) {
            arca_slot_swap(&from->left, i % 2 ? &from->right : &to->left);
        }
    }
    atomic_store(&moved_enough, true);
    for (unsigned i = 0; i < 2; i++)
        pthread_join(readers[i], NULL);
    CHECK_EQ(atomic_load(&nodes_dead), 0);
    for (unsigned i = 0; i < ROOTS; i++) {
        CHECK_EQ(arca_refcount(arca_slot_borrow(&roots[i]->left)), 1);
        CHECK_EQ(arca_refcount(arca_slot_borrow(&roots[i]->right)), 1);
    }
    roots_drop();
}

/* ---- store into an object against its death -------------------------------------------------------------------- */

static void *fill_and_drop(void *argument)
{
    uint64_t random = (uintptr_t)argument;
    for (unsigned i = 0; i < ROUNDS / 4; i++) {
        struct node *node = checked(arca_slot_load(&roots[0]->left));
        if (node == NULL) {
            node = node_new();
            arca_slot_store(&roots[0]->left, node);
        }
        struct node *child = node_new();
        arca_slot_store(harness_random(&random) % 2 ? &node->left : &node->right, child);
        arca_release(child);
        if (harness_random(&random) % 3 == 0)
            arca_slot_clear(&roots[0]->left);
        arca_release(node); /* often the last unit */
    }
    return NULL;
}

TEST(stress_slots, a_store_before_the_last_release_is_not_lost)
{
    roots_make();
    run_workers(fill_and_drop, THREADS);
    roots_drop();
}

/* ---- released by another thread than the one that made it -------------------------------------------------------- */

#define RING 256

static _Atomic(void *) ring[RING];

static void *pass_around(void *argument)
{
    uint64_t random = (uintptr_t)argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        void *old = atomic_exchange(&ring[harness_random(&random) % RING], node_new());
        arca_release(checked(old));
    }
    return NULL;
}

TEST(stress_slots, objects_die_in_other_threads)
{
    run_workers(pass_around, THREADS);
    for (unsigned i = 0; i < RING; i++)
        arca_release(atomic_load(&ring[i]));
    nodes_check_gone();
    arca_heap_check();
}
