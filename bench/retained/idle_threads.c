/* 16 threads that exist from the start fill 50 MB each, churn, free it, and block for ever: a server's workers after
 * the rush. Nobody calls the allocator again. */
#include "churn.h"

enum { THREADS = 16 };

static struct shelf shelves[THREADS];

static void work(int index)
{
    struct rng rng = rng_make((uint64_t)index);
    struct meter meter = {0};
    churn_fill(&shelves[index], &meter, &rng, scaled(50 * MB));
    crew_meet();
    churn_replace(&shelves[index], &meter, &rng);
    churn_drop(&shelves[index], &meter);
}

static void prepare(void)
{
    for (int i = 0; i < THREADS; i++)
        shelves[i] = shelf_create(scaled(50 * MB), mean_size(CHURN_LOW, CHURN_OCTAVES));
    crew_create(THREADS, work);
}

int main(int argc, char **argv)
{
    return workload_main(argc, argv, prepare, crew_burst);
}
