/* pthread_cancel: deferred, at cancellation points between allocations (malloc itself must not be one); asynchronous, while the
   thread waits outside malloc; and of a thread with a cancellation pending all along, whose allocations must all succeed. */
#include "check.h"
#include <pthread.h>

enum { ROUNDS = 300 };
static int started;

static void free_on_cancel(void *block)
{
    free(block);
}

static void *allocate_until_cancelled(void *unused)
{
    for (;;) {
        unsigned char *block = malloc(20000);
        CHECK(block != NULL);
        pthread_cleanup_push(free_on_cancel, block);
        block[0] = 1;
        __atomic_store_n(&started, 1, __ATOMIC_RELEASE);
        exercise_heap();
        usleep(0); /* the cancellation point */
        pthread_cleanup_pop(1);
    }
    return unused;
}

static void *wait_asynchronously(void *unused)
{
    int old;
    void *block = malloc(3000);
    pthread_cleanup_push(free_on_cancel, block);
    __atomic_store_n(&started, 1, __ATOMIC_RELEASE);
    CHECK(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old) == 0);
    for (;;)
        __asm__ volatile("");
    pthread_cleanup_pop(1);
    return unused;
}

/* Large blocks make the allocator enter the kernel (mmap, madvise, munmap): none may act as a cancellation point. */
static void *allocate_with_cancel_pending(void *unused)
{
    CHECK(pthread_cancel(pthread_self()) == 0);
    for (int i = 0; i < 5; i++) {
        exercise_heap();
        char *large = malloc(20 * MIB);
        CHECK(large != NULL);
        large = realloc(large, 50 * MIB);
        CHECK(large != NULL);
        free(large);
    }
    __atomic_store_n(&started, 1, __ATOMIC_RELEASE);
    pthread_testcancel();
    CHECK(!"reached after the cancellation point");
    return unused;
}

static void start_and_cancel(void *(*body)(void *), int cancels_itself)
{
    pthread_t thread;
    void *result = NULL;
    __atomic_store_n(&started, 0, __ATOMIC_RELAXED);
    CHECK(pthread_create(&thread, NULL, body, NULL) == 0);
    while (!cancels_itself && !__atomic_load_n(&started, __ATOMIC_ACQUIRE))
        sched_yield();
    CHECK(cancels_itself || pthread_cancel(thread) == 0);
    CHECK(pthread_join(thread, &result) == 0);
    CHECK(result == PTHREAD_CANCELED);
    CHECK(started);
}

int main(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        start_and_cancel(allocate_until_cancelled, 0);
        start_and_cancel(wait_asynchronously, 0);
        start_and_cancel(allocate_with_cancel_pending, 1);
    }
    exercise_heap();
    return 0;
}
