/* Four producers build a backlog of 600 MB, four consumers free it; then all eight block. The producers never call
 * the allocator again, so what was freed to them comes back without their help or not at all. */
#include "workload.h"

enum { PRODUCERS = 4, CONSUMERS = 4, LOW = 16, OCTAVES = 8 }; /* 16 B to 4 KiB */

static struct shelf queues[PRODUCERS];

static void produce(int index)
{
    struct rng rng = rng_make((uint64_t)index);
    struct meter meter = {0};
    for (size_t made = 0, total = scaled(600 * MB) / PRODUCERS; made < total;) {
        size_t size = rng_size(&rng, LOW, OCTAVES);
        shelf_put(&queues[index], take(&meter, size));
        made += size;
    }
    meter_flush(&meter);
}

/* Every consumer takes its share of every queue, message by message. */
static void consume(int index)
{
    struct meter meter = {0};
    for (int q = 0; q < PRODUCERS; q++)
        for (size_t i = (size_t)index; i < queues[q].count; i += CONSUMERS)
            drop(&meter, queues[q].blocks[i]);
    meter_flush(&meter);
}

static void work(int index)
{
    if (index < PRODUCERS)
        produce(index);
    crew_meet();
    if (index >= PRODUCERS)
        consume(index - PRODUCERS);
    crew_meet();
    if (index < PRODUCERS)
        queues[index].count = 0;
}

static void prepare(void)
{
    for (int q = 0; q < PRODUCERS; q++)
        queues[q] = shelf_create(scaled(600 * MB) / PRODUCERS, mean_size(LOW, OCTAVES));
    crew_create(PRODUCERS + CONSUMERS, work);
}

int main(int argc, char **argv)
{
    return workload_main(argc, argv, prepare, crew_burst);
}
