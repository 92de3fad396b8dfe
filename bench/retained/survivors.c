/* 600 MB of objects of 16 to 256 B; all are freed but a random few, whose percentage is the argument. */
#include "workload.h"

enum { LOW = 16, HIGH = 256 };

static struct shelf objects;
static double survive_percent = 1;

static void prepare(void)
{
    if (workload.argument != NULL)
        survive_percent = atof(workload.argument);
    objects = shelf_create(scaled(600 * MB), (LOW + HIGH) / 2);
}

static void burst(void)
{
    struct rng rng = rng_make(0);
    struct meter meter = {0};
    for (size_t i = 0; i < objects.count; i++) /* the survivors of the burst before */
        drop(&meter, objects.blocks[i]);
    objects.count = 0;
    for (size_t filled = 0, total = scaled(600 * MB); filled < total;) {
        size_t size = LOW + rng_next(&rng) % (HIGH - LOW + 1);
        shelf_put(&objects, take(&meter, size));
        filled += size;
    }
    meter_flush(&meter);
    size_t kept = 0;
    for (size_t i = 0; i < objects.count; i++)
        if ((double)(rng_next(&rng) % 1000000) < survive_percent * 10000)
            objects.blocks[kept++] = objects.blocks[i];
        else
            drop(&meter, objects.blocks[i]);
    objects.count = kept;
    meter_flush(&meter);
}

int main(int argc, char **argv)
{
    return workload_main(argc, argv, prepare, burst);
}
