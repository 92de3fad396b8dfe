/* One thread's cache: fill to a size, replace entries at random, drop all. Used by the workloads with many threads. */
#ifndef CHURN_H
#define CHURN_H

#include "workload.h"

enum { CHURN_LOW = 16, CHURN_OCTAVES = 9 }; /* 16 B to 8 KiB */

static inline void churn_fill(struct shelf *shelf, struct meter *meter, struct rng *rng, size_t bytes)
{
    for (size_t filled = 0; filled < bytes;) {
        size_t size = rng_size(rng, CHURN_LOW, CHURN_OCTAVES);
        shelf_put(shelf, take(meter, size));
        filled += size;
    }
    meter_flush(meter);
}

/* Replaces as many entries as there are. */
static inline void churn_replace(struct shelf *shelf, struct meter *meter, struct rng *rng)
{
    for (size_t i = 0; i < shelf->count; i++) {
        void **entry = &shelf->blocks[rng_next(rng) % shelf->count];
        drop(meter, *entry);
        *entry = take(meter, rng_size(rng, CHURN_LOW, CHURN_OCTAVES));
    }
}

static inline void churn_drop(struct shelf *shelf, struct meter *meter)
{
    for (size_t i = 0; i < shelf->count; i++)
        drop(meter, shelf->blocks[i]);
    shelf->count = 0;
    meter_flush(meter);
}

#endif
