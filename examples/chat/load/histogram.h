/* Counts of values by size, to a hundredth and a half: 64 steps in each power of two. */
#ifndef CHAT_LOAD_HISTOGRAM_H
#define CHAT_LOAD_HISTOGRAM_H

#include <stdint.h>
#include <string.h>

enum { HISTOGRAM_STEP_BITS = 6, HISTOGRAM_STEPS = 1 << HISTOGRAM_STEP_BITS };

struct histogram {
    uint64_t total, most;
    uint32_t counts[(64 - HISTOGRAM_STEP_BITS + 1) * HISTOGRAM_STEPS];
};

static inline unsigned histogram_place(uint64_t value)
{
    if (value < HISTOGRAM_STEPS)
        return (unsigned)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_STEP_BITS;
    return (shift + 1) * HISTOGRAM_STEPS + (unsigned)(value >> shift) - HISTOGRAM_STEPS;
}

static inline void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->counts[histogram_place(value)]++;
    histogram->total++;
    if (value > histogram->most)
        histogram->most = value;
}

/* The value that so many of a hundred are not above. */
static inline uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
    uint64_t seen = 0, wanted = (uint64_t)((double)histogram->total * percent / 100);
    unsigned place = 0;
    while (seen <= wanted && place < sizeof histogram->counts / sizeof *histogram->counts)
        seen += histogram->counts[place++];
    if (histogram->total == 0 || place < HISTOGRAM_STEPS)
        return histogram->total == 0 ? 0 : place - 1;
    unsigned step = place - 1, shift = step / HISTOGRAM_STEPS - 1;
    uint64_t value = (uint64_t)(step % HISTOGRAM_STEPS + HISTOGRAM_STEPS) << shift;
    return value < histogram->most ? value : histogram->most;
}

static inline void histogram_clear(struct histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
}

#endif
