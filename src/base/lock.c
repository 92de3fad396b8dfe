/* The contended half of the lock: spin a little, then sleep. */
#include "base/lock.h"

#include "base/os.h"

/* A critical section here is under a microsecond; sleeping and waking costs about five. */
#ifndef SPIN_ROUNDS
#define SPIN_ROUNDS 100
#endif

void lock_acquire_slow(struct lock *lock)
{
    for (int i = 0; i < SPIN_ROUNDS; i++) {
        if (!lock_is_held(lock) && lock_try(lock))
            return;
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
    while (exchange_acq(&lock->state, 2u) != 0) /* P:lock acquire: with the last holder's release */
        os_wait(&lock->state, 2, OS_FOREVER);
}

void lock_wake(struct lock *lock)
{
    os_wake(&lock->state, 1);
}
