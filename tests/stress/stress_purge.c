/* Spans are claimed, filled and returned while the purger takes what is free, and while others look. */
#include "blocks.h"

#include "arenas/arena.h"
#include "arenas/large.h"
#include "arenas/purge.h"
#include "front/census.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#define CLAIMERS 3
#define SPANS 40
#define ROUNDS STEPS(100000)

static _Atomic unsigned claiming;

struct owned {
    struct span *span;
    uint64_t stamp;
};

static uint64_t *word_of(const struct span *span, uint32_t slice)
{
    return (uint64_t *)(span->start + ((uintptr_t)slice << SLICE_SHIFT) + 8 * (slice % 100));
}

static void fill(struct owned *owned, uint32_t from)
{
    for (uint32_t i = from; i < owned->span->slices; i++)
        *word_of(owned->span, i) = owned->stamp + i;
}

static void check(const struct owned *owned)
{
    for (uint32_t i = 0; i < owned->span->slices; i++)
        REQUIRE(*word_of(owned->span, i) == owned->stamp + i);
}

static void claim_one(struct owned *owned, uint64_t *random)
{
    uint64_t r = harness_random(random);
    uint32_t slices = 1 + (uint32_t)(r % 30);
    bool zeroed = false, huge = (r >> 10) % 100 == 0;
    owned->span = huge ? arena_claim_huge(ARENA_SLICES / 2 + slices, 1, &zeroed) : arena_claim(slices, 1, SPAN_LARGE, &zeroed);
    REQUIRE(owned->span != NULL);
    for (uint32_t i = 0; zeroed && i < owned->span->slices; i++)
        REQUIRE(*word_of(owned->span, i) == 0);
    owned->stamp = r;
    fill(owned, 0);
}

static void resize_one(struct owned *owned, uint64_t *random)
{
    uint32_t old = owned->span->slices, slices = 1 + (uint32_t)(harness_random(random) % (2 * old));
    if (owned->span->arena->huge) {
        slices = ARENA_SLICES / 2 + 1 + slices % ARENA_SLICES;
        (void)arena_resize_huge(owned->span, slices);
        if (owned->span->slices > old)
            fill(owned, old);
    } else if (slices < old) {
        arena_shrink(owned->span, slices, os_now_ms());
    } else if (slices > old && arena_extend(owned->span, slices)) {
        fill(owned, old);
    }
}

static void *claim_and_return(void *argument)
{
    uint64_t random = (uint64_t)(uintptr_t)argument;
    struct owned owned[SPANS] = { { NULL, 0 } };
    for (unsigned i = 0; i < ROUNDS; i++) {
        struct owned *one = &owned[harness_random(&random) % SPANS];
        if (one->span == NULL) {
            claim_one(one, &random);
            continue;
        }
        check(one);
        if (harness_random(&random) % 3 == 0) {
            resize_one(one, &random);
        } else {
            arena_return(one->span, os_now_ms());
            one->span = NULL;
        }
    }
    for (unsigned i = 0; i < SPANS; i++) {
        if (owned[i].span != NULL) {
            check(&owned[i]);
            arena_return(owned[i].span, os_now_ms());
        }
    }
    atomic_fetch_sub(&claiming, 1);
    return NULL;
}

static void run(uint32_t hold_ms, void (*look)(void))
{
    pthread_t threads[CLAIMERS];
    uint64_t seed = harness_seed();
    atomic_store(&claiming, CLAIMERS);
    for (unsigned i = 0; i < CLAIMERS; i++)
        threads[i] = start_thread(claim_and_return, (void *)(uintptr_t)(seed + i));
    while (atomic_load(&claiming) != 0) {
        purge_free_slices(os_now_ms(), hold_ms);
        arena_check();
        if (look != NULL)
            look();
    }
    for (unsigned i = 0; i < CLAIMERS; i++)
        pthread_join(threads[i], NULL);
    arena_check();
    CHECK_EQ(atomic_load(&arenas.used_slices), 0);
    purge_free_slices(os_now_ms(), 0);
    CHECK_EQ((load_rlx(&arenas.dirty_slices) << SLICE_SHIFT), 0);
    CHECK(atomic_load(&arenas.mapped_slices) <= ARENA_SLICES);
}

TEST(stress_purge, claims_never_meet_a_slice_on_its_way_out)
{
    run(0, NULL);
}

TEST(stress_purge, nor_when_slices_are_held_for_a_moment)
{
    run(10, NULL);
}

/* As mlockall() does. */
TEST(stress_purge, nor_when_what_is_unused_is_dropped)
{
    arena_reserve_little(true);
    run(10, arena_drop_unused);
    arena_reserve_little(false);
}

static int null_device = -1;

static void take_figures(void)
{
    static struct usage usage;
    census_take(&usage);
    arca_dump(null_device, true);
}

/* Worth what ThreadSanitizer makes of it: records of arenas that have gone are given to new ones meanwhile. */
TEST(stress_purge, nor_when_figures_are_taken)
{
    null_device = open("/dev/null", O_WRONLY);
    REQUIRE(null_device >= 0);
    run(0, take_figures);
    close(null_device);
}
