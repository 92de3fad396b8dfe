/* The list of blocks on their way home. */
#include "harness.h"
#include "threads.h"

#include "heap/remote.h"

#include <sched.h>

#define PRODUCERS 3
#define BLOCKS 4
#define PUSHES STEPS(300000u)
#define SPINS 256 /* before a producer makes way */
#define IDLE_MAX 1000000000 /* empty drains: some block was lost */

TEST(remote, a_new_list_is_empty)
{
    struct remote_list list = { .head = NULL };
    CHECK(remote_is_empty(&list));
    CHECK(remote_drain(&list) == NULL);
}

TEST(remote, a_drain_takes_all_and_leaves_nothing)
{
    struct remote_list list = { .head = NULL };
    struct block a, b;
    remote_push(&list, &a, &a);
    remote_push(&list, &b, &b);
    CHECK_EQ(remote_drain(&list), &b);
    CHECK_EQ(block_next(&b), &a);
    CHECK(a.link == 0);
    CHECK(remote_is_empty(&list));
}

TEST(remote, a_chain_is_pushed_in_one_piece)
{
    struct remote_list list = { .head = NULL };
    struct block old, chain[3];
    block_set_next(&chain[0], &chain[1]);
    block_set_next(&chain[1], &chain[2]);
    remote_push(&list, &old, &old);
    remote_push(&list, &chain[0], &chain[2]);
    struct block *block = remote_drain(&list);
    CHECK_EQ(block, &chain[0]);
    CHECK_EQ(block_next(&chain[1]), &chain[2]);
    CHECK_EQ(block_next(&chain[2]), &old);
    CHECK(old.link == 0);
}

TEST(remote, what_is_pushed_after_a_drain_waits_for_the_next)
{
    struct remote_list list = { .head = NULL };
    struct block a, b;
    remote_push(&list, &a, &a);
    struct block *first = remote_drain(&list);
    remote_push(&list, &b, &b);
    CHECK_EQ(first, &a);
    CHECK(a.link == 0);
    CHECK_EQ(remote_drain(&list), &b);
    CHECK(b.link == 0);
}

/* ---- parcels -------------------------------------------------------------------------------------------- */

static void fill(struct parcel *parcel, struct remote_list *list, struct block *blocks, unsigned count)
{
    CHECK(!parcel_add(parcel, list, &blocks[0], sizeof *blocks));
    for (unsigned i = 1; i < count; i++)
        CHECK(parcel_try(parcel, list, &blocks[i], sizeof *blocks));
}

TEST(remote, a_block_names_one_that_comes_later)
{
    static struct {
        struct roomy_block roomy;
        uintptr_t rest;
    } blocks[3 * PARCEL_AHEAD];
    struct remote_list list = { .head = NULL };
    struct parcel parcel = { .destination = NULL };
    parcel_add(&parcel, &list, &blocks[0].roomy.block, sizeof blocks[0]);
    for (unsigned i = 1; i < 3 * PARCEL_AHEAD; i++)
        CHECK(parcel_try(&parcel, &list, &blocks[i].roomy.block, sizeof blocks[0]));
    parcel_leave(&parcel);
    const struct block *block = remote_drain(&list);
    for (unsigned i = 3 * PARCEL_AHEAD; i-- > PARCEL_AHEAD + 1; block = block_next(block)) {
        CHECK_EQ(block, &blocks[i].roomy.block);
        CHECK_EQ(blocks[i].roomy.later, block_mark(&blocks[i - PARCEL_AHEAD].roomy.block));
        CHECK_EQ(blocks[i].rest, 0);
    }
}

TEST(remote, one_without_room_for_a_name_has_none)
{
    static struct block blocks[PARCEL_BLOCKS]; /* each behind the other */
    struct remote_list list = { .head = NULL };
    struct parcel parcel = { .destination = NULL };
    fill(&parcel, &list, blocks, PARCEL_BLOCKS - 1);
    for (unsigned i = 0; i < PARCEL_BLOCKS; i++)
        CHECK_EQ(blocks[i].mark, 0);
}

TEST(remote, a_parcel_takes_along_what_does_not_make_it_leave)
{
    static struct block blocks[PARCEL_BLOCKS];
    struct remote_list list = { .head = NULL };
    struct parcel parcel = { .destination = NULL };
    fill(&parcel, &list, blocks, PARCEL_BLOCKS - 1);
    CHECK(!parcel_try(&parcel, &list, &blocks[PARCEL_BLOCKS - 1], sizeof *blocks));
    CHECK(remote_is_empty(&list));
    CHECK(parcel_add(&parcel, &list, &blocks[PARCEL_BLOCKS - 1], sizeof *blocks));
    unsigned count = 0;
    for (struct block *block = remote_drain(&list); block != NULL; block = block_next(block))
        count++;
    CHECK_EQ(count, PARCEL_BLOCKS);
}

TEST(remote, a_large_block_takes_more_room_in_a_parcel)
{
    static struct roomy_block small, large;
    struct remote_list list = { .head = NULL };
    struct parcel parcel = { .destination = NULL };
    fill(&parcel, &list, &small.block, 1);
    CHECK(!parcel_try(&parcel, &list, &large.block, PARCEL_BYTES));
    CHECK(parcel_add(&parcel, &list, &large.block, PARCEL_BYTES));
}

TEST(remote, a_parcel_takes_nothing_along_for_somebody_else)
{
    static struct block blocks[4];
    struct remote_list list = { .head = NULL }, other = { .head = NULL };
    struct parcel parcel = { .destination = NULL };
    CHECK(!parcel_try(&parcel, &list, &blocks[0], sizeof *blocks)); /* nor does one that is for nobody */
    fill(&parcel, &list, blocks, 3);
    CHECK(!parcel_try(&parcel, &other, &blocks[3], sizeof *blocks));
    parcel_leave(&parcel);
    CHECK(remote_is_empty(&other));
    CHECK(!remote_is_empty(&list));
}

/* ---- P:remote --------------------------------------------------------------------------------------------- */

struct numbered {
    struct block block;
    uint64_t pushes, arrivals; /* plain: the push hands the first over, `home` the second */
    _Atomic bool home;
};

static struct remote_list shared;
static struct numbered blocks[PRODUCERS][BLOCKS];
static _Atomic unsigned producing;
static _Atomic bool given_up;

/* Few blocks that go round and round, so that pushes and drains meet all the time. */
static void *produce(void *argument)
{
    struct numbered *mine = argument;
    for (unsigned pushed = 0; pushed < PUSHES; pushed++) {
        struct numbered *one = &mine[pushed % BLOCKS];
        for (unsigned spins = 1; !load_acq(&one->home) && !load_rlx(&given_up); spins++) {
            if (spins % SPINS == 0) /* the drainer may be waiting for this processor */
                sched_yield();
        }
        store_rlx(&one->home, false);
        one->pushes++;
        remote_push(&shared, &one->block, &one->block);
    }
    sub_rlx(&producing, 1);
    return NULL;
}

static uint64_t welcome_all(void)
{
    uint64_t arrived = 0;
    for (struct block *block = remote_drain(&shared), *next; block != NULL; block = next, arrived++) {
        struct numbered *one = (struct numbered *)block;
        next = block_next(block);
        REQUIRE(!load_rlx(&one->home));
        CHECK_EQ(++one->arrivals, one->pushes);
        store_rel(&one->home, true);
    }
    return arrived;
}

TEST(remote, every_block_pushed_during_drains_arrives_once_and_whole)
{
    pthread_t threads[PRODUCERS];
    uint64_t arrived = 0, idle = 0;
    store_rlx(&producing, PRODUCERS);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        for (unsigned k = 0; k < BLOCKS; k++)
            store_rlx(&blocks[i][k].home, true);
        REQUIRE(pthread_create(&threads[i], NULL, produce, blocks[i]) == 0);
    }
    while (load_rlx(&producing) != 0 && idle < IDLE_MAX) {
        uint64_t now = welcome_all();
        arrived += now;
        idle = now == 0 ? idle + 1 : 0;
    }
    store_rlx(&given_up, true); /* who waits for a lost block need not wait for ever */
    for (unsigned i = 0; i < PRODUCERS; i++)
        pthread_join(threads[i], NULL);
    arrived += welcome_all();
    CHECK_EQ(arrived, (uint64_t)PRODUCERS * PUSHES);
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
    scripted[0].pushes = 100;
    remote_push(&shared, &scripted[0].block, &scripted[0].block);
    store_rlx(&step, 1u);
    await(2);
    scripted[1].pushes = 200;
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
    CHECK_EQ(((struct numbered *)block)->pushes, 200);
    CHECK_EQ(((struct numbered *)block_next(block))->pushes, 100);
    pthread_join(thread, NULL);
}
