/* A server with 16 workers, each with a cache of its own of about 20 MB: look a key up, on a miss make the entry and
 * put the old one out, answer through buffers that live for one request. When the rush is over all caches are dropped
 * and the workers sleep for ever. Says `requests COUNT NS` before it is done. */
#include "workload.h"

enum { WORKERS = 16, LOW = 32, OCTAVES = 8, REQUESTS_PER_SLOT = 40 }; /* entries of 32 B to 8 KiB */

struct cache {
    uint64_t *keys;
    void **entries;
    size_t slots;
};

static struct cache caches[WORKERS];
static _Atomic int64_t requests_done, rush_start_ns, rush_end_ns;

static void serve(struct cache *cache, uint64_t key, struct meter *meter, struct rng *rng)
{
    void *request = take(meter, rng_size(rng, LOW, 5));
    size_t slot = key % cache->slots;
    if (cache->entries[slot] == NULL || cache->keys[slot] != key) {
        if (cache->entries[slot] != NULL)
            drop(meter, cache->entries[slot]);
        cache->entries[slot] = take(meter, rng_size(rng, LOW, OCTAVES));
        cache->keys[slot] = key;
    }
    void *response = take(meter, rng_size(rng, LOW, 5));
    drop(meter, request);
    drop(meter, response);
}

static void work(int index)
{
    struct cache *cache = &caches[index];
    struct rng rng = rng_make((uint64_t)index);
    struct meter meter = {0};
    crew_meet();
    atomic_store(&rush_start_ns, clock_ns(CLOCK_MONOTONIC));
    size_t requests = cache->slots * REQUESTS_PER_SLOT;
    for (size_t i = 0; i < requests; i++)
        serve(cache, rng_next(&rng) % (cache->slots * 2), &meter, &rng);
    atomic_fetch_add(&requests_done, (int64_t)requests);
    crew_meet(); /* the caches are full together, then go together */
    atomic_store(&rush_end_ns, clock_ns(CLOCK_MONOTONIC));
    for (size_t slot = 0; slot < cache->slots; slot++)
        if (cache->entries[slot] != NULL)
            drop(&meter, cache->entries[slot]);
    meter_flush(&meter);
}

static void prepare(void)
{
    for (int i = 0; i < WORKERS; i++) {
        size_t slots = scaled(20 * MB) / mean_size(LOW, OCTAVES) + 1;
        caches[i] = (struct cache){
            .keys = table_create(slots * sizeof(uint64_t)), .entries = table_create(slots * sizeof(void *)), .slots = slots};
    }
    crew_create(WORKERS, work);
}

static void burst(void)
{
    crew_burst();
    say("requests %lld %lld\n", (long long)requests_done, (long long)(rush_end_ns - rush_start_ns));
}

int main(int argc, char **argv)
{
    return workload_main(argc, argv, prepare, burst);
}
