/* 32 threads start, churn 20 MB each, free it and exit; two of them stay, blocked, with whatever the allocator
 * keeps for them. */
#include "churn.h"

enum { THREADS = 32, STAY = 2 };

static struct shelf shelves[THREADS];
static pthread_barrier_t all_full, all_freed;

static void *churn(void *argument)
{
    int index = (int)(intptr_t)argument;
    struct rng rng = rng_make((uint64_t)index);
    struct meter meter = {0};
    churn_fill(&shelves[index], &meter, &rng, scaled(20 * MB));
    pthread_barrier_wait(&all_full); /* all 32 alive at once, however many CPUs there are */
    churn_replace(&shelves[index], &meter, &rng);
    churn_drop(&shelves[index], &meter);
    if (index < STAY)
        announce_idle();
    pthread_barrier_wait(&all_freed);
    if (index < STAY)
        block_for_ever();
    return NULL;
}

static void prepare(void)
{
    pthread_barrier_init(&all_full, NULL, THREADS);
    pthread_barrier_init(&all_freed, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        shelves[i] = shelf_create(scaled(20 * MB), mean_size(CHURN_LOW, CHURN_OCTAVES));
}

static void burst(void)
{
    pthread_t ids[THREADS];
    for (int i = 0; i < THREADS; i++)
        thread_start(churn, i, &ids[i]);
    pthread_barrier_wait(&all_freed);
    for (int i = STAY; i < THREADS; i++)
        pthread_join(ids[i], NULL);
}

int main(int argc, char **argv)
{
    return workload_main(argc, argv, prepare, burst);
}
