/*
 * Makes system calls of the library fail in every build: the test is linked with SYSTEM_FAULTS' --wrap options.
 * A call that fails has done nothing.
 */
#ifndef ARCA_TEST_SYSTEM_FAULTS_H
#define ARCA_TEST_SYSTEM_FAULTS_H

#include <stdbool.h>

enum fault_call {
    FAULT_MMAP, FAULT_MUNMAP, FAULT_MREMAP, FAULT_MPROTECT, FAULT_MADVISE, FAULT_PROCESS_MADVISE, FAULT_MEMBARRIER,
    FAULT_CLONE, /* by whatever name: of a thread that libc knows, too */
    FAULT_CALLS
};

extern const char *const fault_names[FAULT_CALLS];

/* The n-th call of this kind from now on fails (1: the next), and all after it when for_ever; 0: none.
 * FAULT_AT=name:n:once or name:n:ever in the environment does so from the start of the process. */
void faults_at(enum fault_call call, unsigned long n, bool for_ever);

/* Each call fails with a chance of one in so many; 0: none. */
void faults_by_chance(unsigned one_in);

/* Calls of a kind since faults_at(), and calls that failed since the start. */
unsigned long faults_asked(enum fault_call call);
unsigned long faults_done(void);

#endif
