// The rows of the microbenchmark and what they share.
//
// row:  one workload with a name; it does `units` units of work, each of `operations` operations.
// unit: the smallest whole piece of a workload (one batch, one realloc series), so that no row is
//       ever measured on the cheap part of its cycle only.
//
// All tables that a row needs besides the measured blocks are static: the allocator under test
// serves nothing but the blocks that are counted.
#ifndef MICRO_WORKLOAD_H
#define MICRO_WORKLOAD_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "random.h"

struct row {
    const char *name;
    void (*setup)(size_t argument); // may be NULL; not measured
    void (*run)(size_t argument, uint64_t units);
    size_t argument;
    uint64_t operations; // per unit
};

extern const struct row single_rows[]; // one thread; ends with a NULL name
extern const struct row thread_rows[]; // several threads; ends with a NULL name

enum { UP_TO_512_BYTES = 4, UP_TO_1_KIB = 5, UP_TO_8_KIB = 8 };

static inline void *allocate_touched(size_t size)
{
    volatile char *block = malloc(size);
    *block = 1;
    return (void *)block;
}

// A steady state: `live` blocks of 16 to 511 bytes, of which a random one at a time is replaced.
static inline void steady_fill(void **slots, size_t live, uint64_t *random)
{
    for (size_t i = 0; i < live; i++)
        slots[i] = allocate_touched(random_size(random, UP_TO_512_BYTES));
}

static inline void steady_replace(void **slots, size_t live, uint64_t *random, uint64_t times)
{
    while (times-- > 0) {
        void **slot = &slots[random_below(random, live)];
        (void)*(volatile char *)*slot; // an owner looks at what it drops
        free(*slot);
        *slot = allocate_touched(random_size(random, UP_TO_512_BYTES));
    }
}

#endif
