/* The list of blocks on their way home. */
#include "harness.h"

#include "heap/remote.h"

#include <pthread.h>

#define PRODUCERS 3
#define BLOCKS 30000
#define CHAIN 5

TEST(remote, a_new_list_is_empty)
{
    struct remote_list list = { NULL };
    CHECK(remote_is_empty(&list));
    CHECK(remote_drain(&list) == NULL);
}

TEST(remote, a_drain_takes_all_and_leaves_nothing)
{
    struct remote_list list = { NULL };
    struct block a, b;
    remote_push(&list, &a, &a);
    remote_push(&list, &b, &b);
    CHECK_EQ(remote_drain(&list), &b);
    CHECK_EQ(b.next, &a);
    CHECK(a.next == NULL);
    CHECK(remote_is_empty(&list));
}

TEST(remote, a_chain_is_pushed_in_one_piece)
{
    struct remote_list list = { NULL };
    struct block old, chain[3];
    chain[0].next = &chain[1];
    chain[1].next = &chain[2];
    remote_push(&list, &old, &old);
    remote_push(&list, &chain[0], &chain[2]);
    struct block *block = remote_drain(&list);
    CHECK_EQ(block, &chain[0]);
    CHECK_EQ(chain[1].next, &chain[2]);
    CHECK_EQ(chain[2].next, &old);
    CHECK(old.next == NULL);
}

TEST(remote, what_is_pushed_after_a_drain_waits_for_the_next)
{
    struct remote_list list = { NULL };
    struct block a, b;
    remote_push(&list, &a, &a);
    struct block *first = remote_drain(&list);
    remote_push(&list, &b, &b);
    CHECK_EQ(first, &a);
    CHECK(a.next == NULL);
    CHECK_EQ(remote_drain(&list), &b);
    CHECK(b.next == NULL);
}

/* ---- P:remote --------------------------------------------------------------------------------------------- */

struct numbered {
    struct block block;
    unsigned producer, number; /* plain words, handed over by the push */
};

static struct remote_list shared = { NULL };
static struct numbered blocks[PRODUCERS][BLOCKS];

static void *produce(void *argument)
{
    unsigned producer = (unsigned)(uintptr_t)argument;
    for (unsigned i = 0; i < BLOCKS; i += CHAIN) {
        for (unsigned k = 0; k < CHAIN; k++) {
            struct numbered *one = &blocks[producer][i + k];
            one->producer = producer;
            one->number = i + k;
            one->block.next = k + 1 < CHAIN ? &blocks[producer][i + k + 1].block : NULL;
        }
        remote_push(&shared, &blocks[producer][i].block, &blocks[producer][i + CHAIN - 1].block);
    }
    return NULL;
}

TEST(remote, every_block_pushed_during_drains_arrives_once_and_whole)
{
    static bool seen[PRODUCERS][BLOCKS];
    pthread_t threads[PRODUCERS];
    for (uintptr_t i = 0; i < PRODUCERS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, produce, (void *)i) == 0);
    for (unsigned arrived = 0; arrived < PRODUCERS * BLOCKS;) {
        for (struct block *block = remote_drain(&shared); block != NULL; block = block->next) {
            const struct numbered *one = (const struct numbered *)block;
            REQUIRE(one->producer < PRODUCERS && one->number < BLOCKS);
            REQUIRE(one == &blocks[one->producer][one->number]);
            CHECK(!seen[one->producer][one->number]);
            seen[one->producer][one->number] = true;
            arrived++;
        }
    }
    for (unsigned i = 0; i < PRODUCERS; i++)
        pthread_join(threads[i], NULL);
    CHECK(remote_is_empty(&shared));
}

/* Scripted: the drainer sees that the list is not empty before the second push, and drains after it. */
static _Atomic unsigned step;

static void await(unsigned wanted)
{
    while (load_rlx(&step) < wanted)
        ;
}

static struct numbered scripted[2];

static void *push_two(void *unused)
{
    scripted[0].number = 100;
    remote_push(&shared, &scripted[0].block, &scripted[0].block);
    store_rlx(&step, 1u);
    await(2);
    scripted[1].number = 200;
    remote_push(&shared, &scripted[1].block, &scripted[1].block);
    store_rlx(&step, 3u);
    return unused;
}

TEST(remote, a_push_between_the_look_and_the_drain_is_not_lost)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, push_two, NULL) == 0);
    await(1);
    CHECK(!remote_is_empty(&shared));
    store_rlx(&step, 2u);
    await(3);
    struct block *block = remote_drain(&shared);
    CHECK_EQ(block, &scripted[1]);
    CHECK_EQ(((struct numbered *)block)->number, 200);
    CHECK_EQ(((struct numbered *)block->next)->number, 100);
    pthread_join(thread, NULL);
}
