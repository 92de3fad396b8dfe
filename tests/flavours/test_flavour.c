/*
 * A program that uses liburcu itself, in the flavour that FLAVOUR names: its sections are entered by threads that make
 * objects in them, its grace periods hold, and its callbacks run, while the library's own flavour is at work beside it.
 */
#define URCU_API_MAP
#include FLAVOUR

#include "harness.h"

#include <arca/gc.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { READERS = 3, ROUNDS = 10000, VALID = 0x600d, FREED = 0xdead };

struct record {
    struct rcu_head head;
    _Atomic int state;
    struct record *next;
};

struct link {
    arca_object object;
    arca_slot next;
};

static const uint32_t link_slots[] = { offsetof(struct link, next) };
static arca_type link_type = { .name = "link", .size = sizeof(struct link), .slots = link_slots, .slot_count = 1 };

static struct record *shared;
static _Atomic unsigned called, stale, ended;
static arca_slot *place; /* of an object that all share */

static struct record *record_new(void)
{
    struct record *record = malloc(sizeof *record);
    REQUIRE(record != NULL);
    record->state = VALID;
    return record;
}

/* Its memory stays what it is until the end: who still looks at it finds that out. */
static struct record *_Atomic gone;

static void record_free(struct rcu_head *head)
{
    struct record *record = caa_container_of(head, struct record, head);
    record->state = FREED;
    record->next = gone;
    while (!atomic_compare_exchange_weak(&gone, &record->next, record))
        ;
    called++;
}

/* A ring of two that nobody holds, and one that is shared. */
static void make_objects(void)
{
    struct link *a = arca_new(&link_type), *b = arca_new(&link_type);
    REQUIRE(a != NULL && b != NULL);
    arca_slot_store(&a->next, b);
    arca_slot_store(&b->next, a);
    arca_slot_store(place, b);
    arca_release(arca_slot_load(place));
    arca_slot_clear(place);
    arca_release(a);
    arca_release(b);
}

static void *read_and_make(void *unused)
{
    rcu_register_thread();
    for (unsigned round = 0; round < ROUNDS; round++) {
        rcu_read_lock();
        struct record *record = rcu_dereference(shared);
        if (record->state != VALID)
            stale++;
        make_objects();
        if (record->state != VALID) /* the grace period has not waited for us */
            stale++;
        rcu_read_unlock();
        rcu_quiescent_state();
    }
    rcu_unregister_thread();
    ended++;
    return unused;
}

static bool count_links(void *object, void *count)
{
    *(size_t *)count += arca_type_of(object) == &link_type;
    return true;
}

TEST(flavour, a_program_that_uses_it_is_not_disturbed)
{
    pthread_t threads[READERS];
    unsigned queued = 0;
    struct link *root = arca_new(&link_type);
    place = &root->next;
    shared = record_new();
    rcu_register_thread();
    for (unsigned i = 0; i < READERS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, read_and_make, NULL) == 0);
    for (unsigned round = 0; ended < READERS; round++) {
        struct record *old = rcu_xchg_pointer(&shared, record_new());
        if (round % 100 == 0) {
            synchronize_rcu();
            record_free(&old->head);
        } else {
            call_rcu(&old->head, record_free);
        }
        queued++;
        if (round % 500 == 0) {
            rcu_thread_offline();
            CHECK(arca_gc_collect(2) >= 0);
            rcu_thread_online();
        }
        rcu_quiescent_state();
    }
    rcu_thread_offline();
    for (unsigned i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    rcu_thread_online();
    rcu_barrier();
    CHECK_EQ(called, queued);
    CHECK_EQ(stale, 0);
    free(shared);
    for (struct record *record = gone, *next; record != NULL; record = next) {
        next = record->next;
        free(record);
    }
    arca_release(root);
    CHECK(arca_gc_collect(2) >= 0);
    size_t left = 0;
    arca_gc_objects(-1, count_links, &left);
    CHECK_EQ(left, 0);
    rcu_unregister_thread();
}
