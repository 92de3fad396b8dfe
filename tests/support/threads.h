/* Threads, waiting, and how much of its work a test does. */
#ifndef ARCA_TEST_THREADS_H
#define ARCA_TEST_THREADS_H

#include "harness.h"

#include <pthread.h>
#include <time.h>

/* Sanitized builds do a tenth: they are that much slower. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif
#define STEPS(n) (SANITIZED ? (n) / 10 : (n))

/* Sanitizers put more than 64 KiB of thread-local data on a thread's stack. */
#define SMALL_STACK ((size_t)(SANITIZED ? 1 << 20 : 64 << 10))

static inline void wait_ms(unsigned ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 }, NULL);
}

/* Until condition holds, half a minute at most. */
#define WAIT_UNTIL(condition)                                                                                          \
    do {                                                                                                               \
        for (unsigned waited = 0; !(condition) && waited < 30000; waited += 5)                                         \
            wait_ms(5);                                                                                                \
        CHECK(condition);                                                                                              \
    } while (0)

static inline pthread_t start_thread(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, body, argument) == 0);
    return thread;
}

static inline void run_in_a_thread(void *(*body)(void *), void *argument)
{
    pthread_join(start_thread(body, argument), NULL);
}

/* With a stack that no recursion survives. */
static inline pthread_t start_on_a_small_stack(void *(*body)(void *), void *argument)
{
    pthread_attr_t attributes;
    pthread_t thread;
    REQUIRE(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, SMALL_STACK) == 0);
    REQUIRE(pthread_create(&thread, &attributes, body, argument) == 0);
    pthread_attr_destroy(&attributes);
    return thread;
}

static inline void run_on_a_small_stack(void *(*body)(void *), void *argument)
{
    pthread_join(start_on_a_small_stack(body, argument), NULL);
}

#endif
