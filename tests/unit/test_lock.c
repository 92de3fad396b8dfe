/* The lock: exclusion, sleeping, and what a fork needs. */
#include "harness.h"

#include "base/lock.h"
#include "base/os.h"

#include <pthread.h>

#define THREADS 4
#define ROUNDS 20000

TEST(lock, a_free_lock_can_be_had_at_once)
{
    struct lock lock = LOCK_INIT;
    CHECK(lock_try(&lock));
    CHECK(lock_is_held(&lock));
}

TEST(lock, a_held_lock_refuses_a_try)
{
    struct lock lock = LOCK_INIT;
    lock_acquire(&lock);
    CHECK(!lock_try(&lock));
    CHECK(lock_is_held(&lock));
}

TEST(lock, a_holder_knows_who_was_refused_and_wants_it)
{
    struct lock lock = LOCK_INIT;
    CHECK(lock_try_or_want(&lock));
    CHECK(lock_is_held(&lock) && !lock_is_wanted(&lock));
    CHECK(!lock_try_or_want(&lock));
    CHECK(lock_is_wanted(&lock));
    lock_release(&lock);
    CHECK(!lock_is_held(&lock));
}

TEST(lock, release_frees_it)
{
    struct lock lock = LOCK_INIT;
    lock_acquire(&lock);
    lock_release(&lock);
    CHECK(!lock_is_held(&lock));
    CHECK(lock_try(&lock));
}

TEST(lock, reset_frees_it_whoever_held_it)
{
    struct lock lock = LOCK_INIT;
    lock_acquire(&lock);
    lock_reset(&lock);
    CHECK(lock_try(&lock));
}

#ifndef NDEBUG
/* It would let somebody in beside who holds it. */
TEST_ABORTS(lock, a_release_of_what_nobody_holds_is_noticed, "before != 0")
{
    struct lock lock = LOCK_INIT;
    lock_release(&lock);
}
#endif

struct counter {
    struct lock lock;
    uint64_t plain; /* without the lock, adds would be lost and ThreadSanitizer would say so */
};

static void *count(void *argument)
{
    struct counter *counter = argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        lock_acquire(&counter->lock);
        counter->plain++;
        lock_release(&counter->lock);
    }
    return NULL;
}

TEST(lock, holders_see_what_earlier_holders_wrote)
{
    struct counter counter = { LOCK_INIT, 0 };
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, count, &counter) == 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(counter.plain, (uint64_t)THREADS * ROUNDS);
    CHECK(!lock_is_held(&counter.lock));
}

struct sleeper {
    struct lock lock;
    _Atomic bool inside;
};

static void *sleep_for_lock(void *argument)
{
    struct sleeper *sleeper = argument;
    lock_acquire(&sleeper->lock);
    store_rlx(&sleeper->inside, true);
    lock_release(&sleeper->lock);
    return NULL;
}

/* P:lock, scripted: all of them are asleep (state 2) before the holder lets go. */
TEST(lock, a_release_wakes_every_sleeper_in_turn)
{
    struct sleeper sleepers = { LOCK_INIT, false };
    pthread_t threads[THREADS];
    lock_acquire(&sleepers.lock);
    for (unsigned i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, sleep_for_lock, &sleepers) == 0);
    while (load_rlx(&sleepers.lock.state) != 2) {
        _Atomic uint32_t never = 0;
        os_wait(&never, 0, 1);
    }
    CHECK(!load_rlx(&sleepers.inside));
    lock_release(&sleepers.lock);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    CHECK(load_rlx(&sleepers.inside));
    CHECK(!lock_is_held(&sleepers.lock));
}
