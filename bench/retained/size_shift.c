/* 500 MB of 64 B, then of 256 B, 1, 4, 16 and 64 KiB, each freed before the next: memory must serve another size. */
#include "workload.h"

static const size_t sizes[] = {64, 256, 1 * KIB, 4 * KIB, 16 * KIB, 64 * KIB};

static struct shelf objects;

static void prepare(void)
{
    objects = shelf_create(scaled(500 * MB), sizes[0]);
}

static void burst(void)
{
    struct meter meter = {0};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (size_t filled = 0; filled < scaled(500 * MB); filled += sizes[s])
            shelf_put(&objects, take(&meter, sizes[s]));
        meter_flush(&meter);
        for (size_t i = 0; i < objects.count; i++)
            drop(&meter, objects.blocks[i]);
        objects.count = 0;
        meter_flush(&meter);
    }
}

int main(int argc, char **argv)
{
    return workload_main(argc, argv, prepare, burst);
}
