/* The common part of the retained-memory workloads: options, random sizes, the count of live bytes, crews of
 * threads, and the protocol with the driver. Each program is this header and one file that defines its burst.
 *
 * A program measures nothing of its own memory: the driver looks from outside. It prints one line a phase,
 *     baseline                        everything prepared, nothing allocated; waits for a byte (or EOF) on stdin
 *     burst I BEFORE_US AFTER_US      process CPU time around burst I
 *     idle TID                        a thread that will now block for ever
 *     peak-live BYTES                 most requested bytes that were alive at one time
 *     freed TIME_NS CPU_US            CLOCK_MONOTONIC when the last byte was freed; CPU time since the baseline
 * and stays until it is killed. The program's own tables come from mmap and are resident at the baseline, so that
 * every byte above the baseline is the allocator's. */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define KIB ((size_t)1024)
#define MB ((size_t)1000 * 1000)

/* What the threads do once the memory is freed. QUIET: block for ever. LIGHT: the main thread allocates and frees
 * a thousand small blocks a second. WAKING: every thread wakes each 100 ms for one malloc and free. */
enum mode { MODE_QUIET, MODE_LIGHT, MODE_WAKING };

static struct {
    double scale;
    enum mode mode;
    uint64_t seed;
    int bursts;
    double gap_seconds;
    const char *argument; /* the workload's own, or NULL */
} workload = {.scale = 1.0, .seed = 1, .bursts = 1};

static inline _Noreturn void workload_die(const char *what)
{
    char line[160];
    int length = snprintf(line, sizeof line, "workload: %s\n", what);
    if (write(2, line, (size_t)length) < 0)
        _exit(3);
    _exit(2);
}

/* One write a line, without stdio's buffer, which would come from the allocator under test. */
static inline void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static inline void say(const char *format, ...)
{
    char line[160];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (write(1, line, (size_t)length) != length)
        _exit(3); /* the driver is gone */
}

static inline int64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static inline void sleep_ns(int64_t ns)
{
    struct timespec rest = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
        ;
}

static inline size_t scaled(size_t amount)
{
    size_t result = (size_t)((double)amount * workload.scale);
    return result > 0 ? result : 1;
}

/* ---- random numbers: xorshift64*, the same sequence for every allocator ---- */

struct rng { uint64_t state; };

static inline struct rng rng_make(uint64_t stream)
{
    uint64_t mixed = workload.seed * 0x9E3779B97F4A7C15u ^ (stream + 1) * 0xD1B54A32D192ED03u;
    return (struct rng){mixed | 1}; /* the generator's one fixed point is 0 */
}

static inline uint64_t rng_next(struct rng *rng)
{
    rng->state ^= rng->state >> 12;
    rng->state ^= rng->state << 25;
    rng->state ^= rng->state >> 27;
    return rng->state * 0x2545F4914F6CDD1Du >> 16;
}

/* A size from [low, low << octaves), every power of two equally likely: many small, few large, as in programs. */
static inline size_t rng_size(struct rng *rng, size_t low, unsigned octaves)
{
    size_t base = low << rng_next(rng) % octaves;
    return base + rng_next(rng) % base;
}

/* The mean of rng_size(), for sizing tables. */
static inline size_t mean_size(size_t low, unsigned octaves)
{
    return low * 3 / 2 * (((size_t)1 << octaves) - 1) / octaves;
}

/* ---- live bytes, as the user counts them ---- */

static _Atomic int64_t live_bytes, live_peak;

/* One per thread: keeps 64 KiB back before it touches the shared count, so the peak is exact to that per thread. */
struct meter { int64_t pending; };

static inline void meter_flush(struct meter *meter)
{
    int64_t now = atomic_fetch_add(&live_bytes, meter->pending) + meter->pending;
    int64_t peak = atomic_load(&live_peak);
    while (now > peak && !atomic_compare_exchange_weak(&live_peak, &peak, now))
        ;
    meter->pending = 0;
}

static inline void meter_add(struct meter *meter, int64_t delta)
{
    meter->pending += delta;
    if (meter->pending >= 65536 || meter->pending <= -65536)
        meter_flush(meter);
}

/* Allocates, writes every byte, and keeps the size in the first word for drop(). At least 8 bytes. */
static inline void *take(struct meter *meter, size_t size)
{
    uint64_t *block = malloc(size);
    if (block == NULL)
        workload_die("malloc returned NULL");
    memset(block, 0x5a, size);
    *block = size;
    __asm__ volatile("" : : "r"(block) : "memory"); /* the compiler may not elide a block that is never read */
    meter_add(meter, (int64_t)size);
    return block;
}

static inline void drop(struct meter *meter, void *block)
{
    meter_add(meter, -(int64_t)*(uint64_t *)block);
    free(block);
}

/* ---- tables of pointers that are not the allocator's ---- */

static inline void *table_create(size_t bytes)
{
    void *table = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (table == MAP_FAILED)
        workload_die("mmap of a table failed");
    return table;
}

struct shelf {
    void **blocks;
    size_t count, capacity;
};

/* Room for bytes in blocks of the given mean size, with an eighth to spare for the luck of the draw. */
static inline struct shelf shelf_create(size_t bytes, size_t mean)
{
    size_t capacity = bytes / mean * 9 / 8 + 4096;
    return (struct shelf){.blocks = table_create(capacity * sizeof(void *)), .capacity = capacity};
}

static inline void shelf_put(struct shelf *shelf, void *block)
{
    if (shelf->count == shelf->capacity)
        workload_die("a table is too small for this seed");
    shelf->blocks[shelf->count++] = block;
}

/* ---- the end: block for ever ---- */

static inline void announce_idle(void)
{
    say("idle %d\n", (int)gettid());
}

static inline _Noreturn void wake_for_ever(void)
{
    for (;;) {
        sleep_ns(100 * 1000 * 1000);
        void *volatile block = malloc(64);
        free(block);
    }
}

static inline _Noreturn void block_for_ever(void)
{
    if (workload.mode == MODE_WAKING)
        wake_for_ever();
    for (;;)
        pause();
}

static inline _Noreturn void light_traffic(void)
{
    void *ring[64] = {NULL};
    struct rng rng = rng_make(9999);
    for (size_t i = 0;; i = (i + 1) % 64) {
        free(ring[i]);
        ring[i] = malloc(rng_size(&rng, 16, 7));
        sleep_ns(1000 * 1000);
    }
}

/* ---- crews: threads that live through all bursts, and block after the last ---- */

static struct {
    pthread_barrier_t start, end, middle;
    void (*work)(int index);
} crew;

static inline void *crew_member(void *argument)
{
    for (int burst = 0; burst < workload.bursts; burst++) {
        pthread_barrier_wait(&crew.start);
        crew.work((int)(intptr_t)argument);
        if (burst == workload.bursts - 1)
            announce_idle();
        pthread_barrier_wait(&crew.end);
    }
    block_for_ever();
}

static inline void thread_start(void *(*body)(void *), int index, pthread_t *id)
{
    if (pthread_create(id, NULL, body, (void *)(intptr_t)index) != 0)
        workload_die("pthread_create failed");
}

static inline void crew_create(int members, void (*work)(int index))
{
    crew.work = work;
    pthread_barrier_init(&crew.start, NULL, (unsigned)members + 1);
    pthread_barrier_init(&crew.end, NULL, (unsigned)members + 1);
    pthread_barrier_init(&crew.middle, NULL, (unsigned)members);
    for (int i = 0; i < members; i++) {
        pthread_t id;
        thread_start(crew_member, i, &id);
    }
}

/* A crew's meeting point inside its work. */
static inline void crew_meet(void)
{
    pthread_barrier_wait(&crew.middle);
}

static inline void crew_burst(void)
{
    pthread_barrier_wait(&crew.start);
    pthread_barrier_wait(&crew.end);
}

/* ---- the program ---- */

static inline void workload_options(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strncmp(argv[i], "--", 2) != 0) {
            workload.argument = argv[i];
            continue;
        }
        i++;
        if (strcmp(argv[i - 1], "--scale") == 0 && atof(value) > 0)
            workload.scale = atof(value);
        else if (strcmp(argv[i - 1], "--seed") == 0)
            workload.seed = strtoull(value, NULL, 10);
        else if (strcmp(argv[i - 1], "--bursts") == 0 && atoi(value) > 0)
            workload.bursts = atoi(value);
        else if (strcmp(argv[i - 1], "--gap") == 0 && atof(value) >= 0)
            workload.gap_seconds = atof(value);
        else if (strcmp(argv[i - 1], "--mode") == 0 && strcmp(value, "quiet") == 0)
            workload.mode = MODE_QUIET;
        else if (strcmp(argv[i - 1], "--mode") == 0 && strcmp(value, "light") == 0)
            workload.mode = MODE_LIGHT;
        else if (strcmp(argv[i - 1], "--mode") == 0 && strcmp(value, "waking") == 0)
            workload.mode = MODE_WAKING;
        else
            workload_die("options: --scale F --seed N --bursts N --gap SECONDS --mode quiet|light|waking [ARGUMENT]");
    }
}

/* prepare: tables and threads, no allocation. burst: allocate and, before it returns, free. */
static inline int workload_main(int argc, char **argv, void (*prepare)(void), void (*burst)(void))
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* never outlive the driver */
    workload_options(argc, argv);
    prepare();
    say("baseline\n");
    char go;
    if (read(0, &go, 1) < 0)
        workload_die("stdin can not be read");
    int64_t cpu_start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < workload.bursts; i++) {
        if (i > 0)
            sleep_ns((int64_t)(workload.gap_seconds * 1e9));
        int64_t before = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        burst();
        say("burst %d %lld %lld\n", i, (long long)before / 1000,
            (long long)clock_ns(CLOCK_PROCESS_CPUTIME_ID) / 1000);
    }
    announce_idle();
    say("peak-live %lld\n", (long long)atomic_load(&live_peak));
    say("freed %lld %lld\n", (long long)clock_ns(CLOCK_MONOTONIC),
        (long long)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_start) / 1000);
    if (workload.mode == MODE_LIGHT)
        light_traffic();
    block_for_ever();
}

#endif
