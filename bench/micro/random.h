// Random numbers that are the same in every run, and sizes as programs ask for them.
#ifndef MICRO_RANDOM_H
#define MICRO_RANDOM_H

#include <stddef.h>
#include <stdint.h>

// Knuth's MMIX generator: one multiplication, off the critical path of what is measured. The state
// is a thread's own.
static inline uint32_t random_next(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 32);
}

static inline size_t random_below(uint64_t *state, size_t bound)
{
    return (size_t)(((uint64_t)random_next(state) * bound) >> 32);
}

// 16 bytes up to (32 << doublings) - 1; each doubling half as likely as the one before.
static inline size_t random_size(uint64_t *state, unsigned doublings)
{
    uint32_t bits = random_next(state);
    size_t base = (size_t)16 << __builtin_ctz(bits | 1u << doublings);
    return base + ((bits >> 12) & (base - 1));
}

#endif
