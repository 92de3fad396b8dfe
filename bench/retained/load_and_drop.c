/* One thread loads 1.1 GB of objects of 16 B to 32 KiB, with scratch blocks that die young, and frees everything:
 * a program that reads a document, or a model, and drops it. */
#include "workload.h"

enum { LOW = 16, OCTAVES = 11, SCRATCH = 8 };

static struct shelf objects;

static void prepare(void)
{
    objects = shelf_create(scaled(1100 * MB), mean_size(LOW, OCTAVES));
}

static void burst(void)
{
    struct rng rng = rng_make(0);
    struct meter meter = {0};
    size_t loaded = 0, total = scaled(1100 * MB);
    while (loaded < total) {
        void *scratch[SCRATCH];
        for (int i = 0; i < SCRATCH; i++)
            scratch[i] = take(&meter, rng_size(&rng, LOW, 6));
        size_t size = rng_size(&rng, LOW, OCTAVES);
        shelf_put(&objects, take(&meter, size));
        loaded += size;
        for (int i = 0; i < SCRATCH; i++)
            drop(&meter, scratch[i]);
    }
    meter_flush(&meter);
    for (size_t i = 0; i < objects.count; i++)
        drop(&meter, objects.blocks[i]);
    objects.count = 0;
    meter_flush(&meter);
}

int main(int argc, char **argv)
{
    return workload_main(argc, argv, prepare, burst);
}
