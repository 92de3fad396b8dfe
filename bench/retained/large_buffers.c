/* Eight threads with 32 slots each of buffers of 64 KiB to 8 MiB, 300 replacements a thread, then all freed. The
 * scale cuts nothing: with fewer threads and slots the peak is what the luck of a few large buffers makes of it. */
#include "workload.h"

enum { THREADS = 8, SLOTS = 32, REPLACEMENTS = 300, OCTAVES = 7 };

static struct shelf slots[THREADS];

static void work(int index)
{
    struct shelf *mine = &slots[index];
    struct rng rng = rng_make((uint64_t)index);
    struct meter meter = {0};
    for (size_t i = 0; i < mine->capacity; i++)
        shelf_put(mine, take(&meter, rng_size(&rng, 64 * KIB, OCTAVES)));
    for (int i = 0; i < REPLACEMENTS; i++) {
        void **slot = &mine->blocks[rng_next(&rng) % mine->count];
        drop(&meter, *slot);
        *slot = take(&meter, rng_size(&rng, 64 * KIB, OCTAVES));
    }
    for (size_t i = 0; i < mine->count; i++)
        drop(&meter, mine->blocks[i]);
    mine->count = 0;
    meter_flush(&meter);
}

static void prepare(void)
{
    for (int i = 0; i < THREADS; i++)
        slots[i] = (struct shelf){.blocks = table_create(SLOTS * sizeof(void *)), .capacity = SLOTS};
    crew_create(THREADS, work);
}

int main(int argc, char **argv)
{
    return workload_main(argc, argv, prepare, crew_burst);
}
