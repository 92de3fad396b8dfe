/* How long a thread's operations take, one by one, without the time in which the kernel let others run.
 *
 * The kernel counts the time that a thread was ready and had no processor (/proc/thread-self/schedstat). It is asked
 * after each operation of more than 5 us, and what has been added since the last time is subtracted: what remains was
 * spent in the operation itself, in page faults, asleep or in a lock. Time stolen by a hypervisor remains, too. */
#ifndef STALLS_H
#define STALLS_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define STALLS_ASK_NS 5000
#define STALLS_BUCKETS 1024 /* 16 to an octave */

struct stalls {
    int schedstat;
    int64_t delay;            /* when it was asked last */
    struct rusage usage;
    int64_t operations, wall; /* wall: without the delays */
    int64_t longest, longest_blocked, longest_raw, delays; /* blocked: the thread slept in it */
    int64_t buckets[STALLS_BUCKETS];
};

static inline int64_t stalls_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static inline int64_t stalls_delay(const struct stalls *stalls)
{
    char text[96] = {0};
    long long run = 0, delay = 0;
    if (pread(stalls->schedstat, text, sizeof text - 1, 0) <= 0 || sscanf(text, "%lld %lld", &run, &delay) != 2)
        abort();
    return delay;
}

/* By the thread that is to be measured. */
static inline void stalls_begin(struct stalls *stalls)
{
    *stalls = (struct stalls){.schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)};
    getrusage(RUSAGE_THREAD, &stalls->usage);
    stalls->delay = stalls_delay(stalls);
    stalls->wall = -stalls_clock(CLOCK_MONOTONIC) + stalls->delay;
}

static inline void stalls_end(struct stalls *stalls)
{
    stalls->wall += stalls_clock(CLOCK_MONOTONIC) - stalls_delay(stalls);
    close(stalls->schedstat);
}

static inline int stalls_bucket(int64_t ns)
{
    if (ns < 16)
        return ns < 0 ? 0 : (int)ns;
    int octave = 63 - __builtin_clzll((uint64_t)ns);
    return (octave - 3) * 16 + (int)(ns >> (octave - 4) & 15);
}

static inline int64_t stalls_bucket_end(int bucket)
{
    return bucket < 16 ? bucket + 1 : (int64_t)(17 + bucket % 16) << (bucket / 16 - 1);
}

static inline int64_t stalls_look_closer(struct stalls *stalls, int64_t ns)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    int64_t delay = stalls_delay(stalls), own = ns - (delay - stalls->delay);
    stalls->delays += usage.ru_nivcsw != stalls->usage.ru_nivcsw;
    if (ns > stalls->longest_raw)
        stalls->longest_raw = ns;
    if (own > stalls->longest)
        stalls->longest = own;
    if (own > stalls->longest_blocked && usage.ru_nvcsw != stalls->usage.ru_nvcsw)
        stalls->longest_blocked = own;
    stalls->usage = usage;
    stalls->delay = delay;
    return own;
}

/* Returns the time at which the next operation begins. */
static inline int64_t stalls_add(struct stalls *stalls, int64_t start)
{
    int64_t now = stalls_clock(CLOCK_MONOTONIC), ns = now - start;
    stalls->operations++;
    if (__builtin_expect(ns > STALLS_ASK_NS, 0)) {
        ns = stalls_look_closer(stalls, ns);
        now = stalls_clock(CLOCK_MONOTONIC);
    }
    stalls->buckets[stalls_bucket(ns)]++;
    return now;
}

static inline int64_t stalls_quantile(const struct stalls *stalls, double share)
{
    int64_t left = stalls->operations - (int64_t)((double)stalls->operations * share);
    int bucket = STALLS_BUCKETS;
    for (int64_t seen = 0; bucket > 0 && seen <= left;)
        seen += stalls->buckets[--bucket];
    return stalls_bucket_end(bucket);
}

/* Lines "NAME FIGURE"; microseconds. */
static inline void stalls_print(const struct stalls *stalls, const char *when)
{
    printf("%s.longest %.1f\n%s.p9999 %.2f\n", when, (double)stalls->longest / 1e3, when,
           (double)stalls_quantile(stalls, 0.9999) / 1e3);
    printf("%s.blocked %.1f\n%s.raw %.1f\n", when, (double)stalls->longest_blocked / 1e3, when,
           (double)stalls->longest_raw / 1e3);
    printf("%s.preempted %lld\n%s.operations %lld\n", when, (long long)stalls->delays, when,
           (long long)stalls->operations);
}

#endif
