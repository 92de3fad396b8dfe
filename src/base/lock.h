/*
 * A small lock for the slow paths: a futex word, no allocation, visible to ThreadSanitizer.
 *
 * Law: 0 free, 1 held, 2 held and wanted: somebody may sleep.  No lock is held while calling libc code that
 * can block, nor across fork; what a fork catches in the middle is repaired in the child.
 */
#ifndef ARCA_BASE_LOCK_H
#define ARCA_BASE_LOCK_H

#include "base/atomic.h"
#include "base/compiler.h"

struct lock {
    _Atomic uint32_t state;
};

#define LOCK_INIT { 0 }

void lock_acquire_slow(struct lock *lock) ARCA_SHARED(lock_acquire_slow);
void lock_wake(struct lock *lock) ARCA_SHARED(lock_wake);

ARCA_INLINE bool lock_try(struct lock *lock)
{
    uint32_t expected = 0;
    return cas_acq(&lock->state, &expected, 1u); /* P:lock acquire: with the last holder's release */
}

/* False when it is held; then its holder knows that it is wanted. */
ARCA_INLINE bool lock_try_or_want(struct lock *lock)
{
    uint32_t held = 1;
    if (lock_try(lock))
        return true;
    cas_acq(&lock->state, &held, 2u); /* the order matters to nobody; else it was released, or is wanted already */
    return false;
}

ARCA_INLINE void lock_acquire(struct lock *lock)
{
    if (unlikely(!lock_try(lock)))
        lock_acquire_slow(lock);
}

ARCA_INLINE void lock_release(struct lock *lock)
{
    uint32_t before = exchange_rel(&lock->state, 0u); /* P:lock release: with the next holder's acquire */
    assert(before != 0);
    if (unlikely(before == 2))
        lock_wake(lock);
}

ARCA_INLINE bool lock_is_held(struct lock *lock)
{
    return load_rlx(&lock->state) != 0;
}

/* Somebody waits: a holder that can stop had better. */
ARCA_INLINE bool lock_is_wanted(struct lock *lock)
{
    return load_rlx(&lock->state) == 2;
}

/* Only in the child of a fork, where the holder does not exist any more. */
ARCA_INLINE void lock_reset(struct lock *lock)
{
    store_rlx(&lock->state, 0u);
}

#endif
