// The rows that one thread runs alone.
#include "workload.h"

enum {
    BATCH = 10000,
    STEADY_LIVE_MOST = 100000,
    STEADY_UNIT = 1000,
    SIZES = 4096,
    REALLOC_64_STEPS = 16383, // from 64 bytes to 1 MiB
    REALLOC_HALF_STEPS = 27,  // from 18 bytes to 1.02 MB
    TWO = 2,
    PAGE = 4096,
};

static void *blocks[STEADY_LIVE_MOST];
static size_t sizes[BATCH > SIZES ? BATCH : SIZES];
static uint32_t order[BATCH];
static uint64_t random_state = 42;

// Pairs: malloc, touch, free.

static void pair(size_t size, uint64_t units)
{
    while (units-- > 0)
        free(allocate_touched(size));
}

static void mixed_setup(size_t doublings)
{
    for (size_t i = 0; i < SIZES; i++)
        sizes[i] = random_size(&random_state, (unsigned)doublings);
}

static void mixed(size_t argument, uint64_t units)
{
    (void)argument;
    for (uint64_t i = 0; i < units; i++)
        free(allocate_touched(sizes[i % SIZES]));
}

static void pair_calloc(size_t size, uint64_t units)
{
    while (units-- > 0) {
        volatile char *block = calloc(1, size);
        *block = 1;
        free((void *)block);
    }
}

static void pair_aligned(size_t alignment, uint64_t units)
{
    while (units-- > 0) {
        void *block;
        if (posix_memalign(&block, alignment, alignment) != 0)
            abort();
        *(volatile char *)block = 1;
        free(block);
    }
}

static void pair_touch_pages(size_t size, uint64_t units)
{
    while (units-- > 0) {
        volatile char *block = malloc(size);
        for (size_t at = 0; at < size; at += PAGE)
            block[at] = 1;
        free((void *)block);
    }
}

// Batches: allocate BATCH blocks, then free them all in the order of `order`.

static void order_same(void)
{
    for (uint32_t i = 0; i < BATCH; i++)
        order[i] = i;
}

static void order_reverse(void)
{
    for (uint32_t i = 0; i < BATCH; i++)
        order[i] = BATCH - 1 - i;
}

static void order_random(void)
{
    order_same();
    for (uint32_t i = BATCH - 1; i > 0; i--) {
        uint32_t j = (uint32_t)random_below(&random_state, i + 1);
        uint32_t kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}

static void sizes_same(size_t size)
{
    for (size_t i = 0; i < BATCH; i++)
        sizes[i] = size;
}

static void batch_same_setup(size_t size)
{
    sizes_same(size);
    order_same();
}

static void batch_reverse_setup(size_t size)
{
    sizes_same(size);
    order_reverse();
}

static void batch_random_setup(size_t size)
{
    sizes_same(size);
    order_random();
}

static void batch_mixed_setup(size_t largest)
{
    for (size_t i = 0; i < BATCH; i++)
        sizes[i] = 1 + random_below(&random_state, largest);
    order_random();
}

static void batch(size_t argument, uint64_t units)
{
    (void)argument;
    while (units-- > 0) {
        for (size_t i = 0; i < BATCH; i++)
            blocks[i] = allocate_touched(sizes[i]);
        for (size_t i = 0; i < BATCH; i++)
            free(blocks[order[i]]);
    }
}

// Steady states.

static void steady_setup(size_t live)
{
    steady_fill(blocks, live, &random_state);
}

static void steady(size_t live, uint64_t units)
{
    steady_replace(blocks, live, &random_state, units * STEADY_UNIT);
}

// Growing buffers: a unit is the whole life of one buffer; its ends are touched after each step.

static char *grow(char *buffer, size_t size)
{
    buffer = realloc(buffer, size);
    *(volatile char *)buffer = 1;
    ((volatile char *)buffer)[size - 1] = 1;
    return buffer;
}

static void realloc_by_64(size_t argument, uint64_t units)
{
    (void)argument;
    while (units-- > 0) {
        char *buffer = NULL;
        for (size_t step = 1; step <= REALLOC_64_STEPS; step++)
            buffer = grow(buffer, 64 * step);
        free(buffer);
    }
}

// One buffer alone can grow at the top of a heap for ever; of two that grow in turn, each bars the
// other's way.
static void realloc_by_half(size_t buffers, uint64_t units)
{
    while (units-- > 0) {
        char *grown[TWO] = { NULL };
        size_t size = 18;
        for (size_t step = 1; step <= REALLOC_HALF_STEPS; step++, size += size / 2)
            for (size_t i = 0; i < buffers; i++)
                grown[i] = grow(grown[i], size);
        for (size_t i = 0; i < buffers; i++)
            free(grown[i]);
    }
}

const struct row single_rows[] = {
    { "pair-16", NULL, pair, 16, 1 },
    { "pair-64", NULL, pair, 64, 1 },
    { "pair-256", NULL, pair, 256, 1 },
    { "pair-1k", NULL, pair, 1 << 10, 1 },
    { "pair-8k", NULL, pair, 8 << 10, 1 },
    { "pair-32k", NULL, pair, 32 << 10, 1 },
    { "pair-mixed", mixed_setup, mixed, UP_TO_8_KIB, 1 },
    { "batch-64-same", batch_same_setup, batch, 64, BATCH },
    { "batch-64-reverse", batch_reverse_setup, batch, 64, BATCH },
    { "batch-64-random", batch_random_setup, batch, 64, BATCH },
    { "batch-512-mixed", batch_mixed_setup, batch, 512, BATCH },
    { "steady-1k", steady_setup, steady, 1000, STEADY_UNIT },
    { "steady-100k", steady_setup, steady, STEADY_LIVE_MOST, STEADY_UNIT },
    { "realloc-64", NULL, realloc_by_64, 0, REALLOC_64_STEPS },
    { "realloc-x1.5", NULL, realloc_by_half, 1, REALLOC_HALF_STEPS },
    { "realloc-x1.5-two", NULL, realloc_by_half, TWO, TWO *REALLOC_HALF_STEPS },
    { "calloc-64", NULL, pair_calloc, 64, 1 },
    { "aligned-64", NULL, pair_aligned, 64, 1 },
    { "aligned-4k", NULL, pair_aligned, 4 << 10, 1 },
    { "touch-256k", NULL, pair_touch_pages, 256 << 10, 1 },
    { "touch-4m", NULL, pair_touch_pages, 4 << 20, 1 },
    { NULL, NULL, NULL, 0, 0 },
};
