#include "counters.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int cycles_fd = -1, instructions_fd = -1;
static int refusal;
static double ticks_per_ns = 1;

static double clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

// Ticks of the time-stamp counter; where there is none, nanoseconds.
static double ticks(void)
{
#ifdef __x86_64__
    return (double)__builtin_ia32_rdtsc();
#else
    return clock_ns(CLOCK_MONOTONIC);
#endif
}

static void calibrate_ticks(void)
{
    const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };
    double ticks_before = ticks(), ns_before = clock_ns(CLOCK_MONOTONIC);
    nanosleep(&pause, NULL);
    ticks_per_ns = (ticks() - ticks_before) / (clock_ns(CLOCK_MONOTONIC) - ns_before);
}

// `inherit` adds the threads started later, and keeps what they counted after they exit.
static int open_counter(uint64_t event)
{
    struct perf_event_attr attributes = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof attributes,
        .config = event,
        .inherit = 1,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    return (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

bool counters_open(void)
{
    cycles_fd = open_counter(PERF_COUNT_HW_CPU_CYCLES);
    instructions_fd = cycles_fd < 0 ? -1 : open_counter(PERF_COUNT_HW_INSTRUCTIONS);
    if (instructions_fd >= 0)
        return true;
    refusal = errno;
    calibrate_ticks();
    return false;
}

const char *counters_refusal(void)
{
    return strerror(refusal);
}

static double read_counter(int fd)
{
    uint64_t value;
    if (read(fd, &value, sizeof value) != sizeof value)
        abort();
    return (double)value;
}

struct counters counters_now(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    struct counters now = { .ns = clock_ns(CLOCK_MONOTONIC), .faults = (double)usage.ru_minflt };
    if (instructions_fd >= 0) {
        now.cycles = read_counter(cycles_fd);
        now.instructions = read_counter(instructions_fd);
    } else {
        now.cycles = clock_ns(CLOCK_PROCESS_CPUTIME_ID) * ticks_per_ns;
    }
    return now;
}

struct counters counters_since(struct counters start)
{
    struct counters now = counters_now();
    return (struct counters){ now.ns - start.ns, now.cycles - start.cycles, now.instructions - start.instructions,
                              now.faults - start.faults };
}

// Not ru_maxrss: that one survives exec, and would show the size of the program that started us.
long peak_resident_kib(void)
{
    char text[4096];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (length < 0)
        return 0;
    text[length] = '\0';
    const char *line = strstr(text, "VmHWM:");
    return line ? strtol(line + strlen("VmHWM:"), NULL, 10) : 0;
}
