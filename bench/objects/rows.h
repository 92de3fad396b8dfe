/* What the programs in C and C++ share: rows, clocks, and the contract with the driver, which the others keep too.
 *
 *   PROGRAM --list                       the names of its rows
 *   PROGRAM ROW OPERATIONS REPETITIONS   a line "WALL_NS CPU_NS" for each repetition, of OPERATIONS by each thread
 *   PROGRAM ROW                          a row that is no time: its figure
 *
 * The driver chooses how many operations fill a repetition, and what of the lines it believes. */
#ifndef ROWS_H
#define ROWS_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct row {
    const char *name;
    int threads; /* 1 or 2, on the same object */
    void (*run)(size_t operations);
    void (*prepare)(size_t operations); /* before each repetition, not measured; may be NULL */
    size_t (*figure)(void);             /* instead of a time */
};

/* The compiler must take it that the pointer is used, and that all memory may have changed. */
static inline void keep(const void *pointer)
{
    __asm__ volatile("" : : "r"(pointer) : "memory");
}

static inline long long rows_clock(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Servers have threads: libc and libstdc++ leave atomics out where there never was a second one. */
static inline void *rows_sleep(void *nothing)
{
    for (;;)
        pause();
    return nothing;
}

static inline void rows_start(void *(*body)(void *))
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, NULL) != 0)
        abort();
}

static inline void rows_repeat(const struct row *row, size_t operations)
{
    if (row->prepare != NULL)
        row->prepare(operations);
    long long wall = rows_clock(CLOCK_MONOTONIC), cpu = rows_clock(CLOCK_PROCESS_CPUTIME_ID);
    row->run(operations);
    cpu = rows_clock(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("%lld %lld\n", rows_clock(CLOCK_MONOTONIC) - wall, cpu);
}

/* ---- two threads: WALL_NS from the first one's start to the last one's end, CPU_NS of both between; they ran side
 * by side all the time if the second is twice the first ---- */

static struct {
    const struct row *row;
    size_t operations;
    int repetitions, arrivals;
    struct {
        long long start, end, cpu;
    } thread[2];
} rows_pair;

static inline void rows_meet(int nth)
{
    __atomic_fetch_add(&rows_pair.arrivals, 1, __ATOMIC_ACQ_REL);
    while (__atomic_load_n(&rows_pair.arrivals, __ATOMIC_ACQUIRE) < 2 * nth)
        ;
}

/* Whoever just slept is let run first: on a busy machine both begin with a time slice ahead. */
static inline void rows_together(int self, int nth)
{
    const struct timespec rest = {0, 500000};
    nanosleep(&rest, NULL);
    rows_meet(2 * nth + 1);
    rows_pair.thread[self].start = rows_clock(CLOCK_MONOTONIC);
    long long cpu = rows_clock(CLOCK_THREAD_CPUTIME_ID);
    rows_pair.row->run(rows_pair.operations);
    rows_pair.thread[self].cpu = rows_clock(CLOCK_THREAD_CPUTIME_ID) - cpu;
    rows_pair.thread[self].end = rows_clock(CLOCK_MONOTONIC);
    rows_meet(2 * nth + 2);
}

static inline void *rows_partner(void *nothing)
{
    for (int i = 0; i < rows_pair.repetitions; i++)
        rows_together(1, i);
    return nothing;
}

static inline void rows_pair_repeat(const struct row *row, size_t operations, int repetitions)
{
    rows_pair.row = row;
    rows_pair.operations = operations;
    rows_pair.repetitions = repetitions;
    row->prepare(operations);
    rows_start(rows_partner);
    for (int i = 0; i < repetitions; i++) {
        rows_together(0, i);
        long long start = rows_pair.thread[0].start, end = rows_pair.thread[0].end;
        if (rows_pair.thread[1].start < start)
            start = rows_pair.thread[1].start;
        if (rows_pair.thread[1].end > end)
            end = rows_pair.thread[1].end;
        printf("%lld %lld\n", end - start, rows_pair.thread[0].cpu + rows_pair.thread[1].cpu);
    }
}

/* rows ends with a NULL name. */
static inline int rows_main(int argc, char **argv, const struct row *rows)
{
    rows_start(rows_sleep);
    for (const struct row *row = rows; row->name != NULL; row++) {
        if (argc == 2 && strcmp(argv[1], "--list") == 0) {
            puts(row->name);
        } else if (argc == 2 && strcmp(argv[1], row->name) == 0 && row->figure != NULL) {
            printf("%zu\n", row->figure());
        } else if (argc == 4 && strcmp(argv[1], row->name) == 0 && row->run != NULL) {
            size_t operations = strtoull(argv[2], NULL, 10);
            int repetitions = atoi(argv[3]);
            if (row->threads == 2)
                rows_pair_repeat(row, operations, repetitions);
            for (int i = 0; row->threads == 1 && i < repetitions; i++)
                rows_repeat(row, operations);
        }
    }
    return 0;
}

#endif
