// What a piece of work cost, over all threads of the process.
#ifndef MICRO_COUNTERS_H
#define MICRO_COUNTERS_H

#include <stdbool.h>

struct counters {
    double ns;           // wall time
    double cycles;       // user cycles; see counters_open for the substitute
    double instructions; // user instructions; 0 where they can not be counted
    double faults;       // minor page faults
};

// To be called before any thread is started. Returns whether the processor's counters can be read.
// Where they can't, `cycles` is the process's CPU time (with the kernel's share) in ticks of the
// time-stamp counter, which ratios survive, and `instructions` stays 0.
bool counters_open(void);

// Why counters_open returned false.
const char *counters_refusal(void);

struct counters counters_now(void);
struct counters counters_since(struct counters start);

// Highest resident size of this process since its exec, in KiB.
long peak_resident_kib(void);

#endif
