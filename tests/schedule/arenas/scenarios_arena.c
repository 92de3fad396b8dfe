/* Claims, returns and purges: a slice is nobody's, one thread's or the purger's. */
#include "model_arenas.h"

#include "arenas/page_map.h"
#include "arenas/purge.h"

#define NOW 1000000

static struct span *take(uint32_t slices, enum span_kind kind)
{
    bool zeroed;
    struct span *span = arena_claim(slices, 1, kind, &zeroed);
    EXPECT(span != NULL);
    model_take(span, zeroed);
    return span;
}

static void give(struct span *span, uint32_t now_ms)
{
    model_give(span);
    arena_return(span, now_ms);
}

static void use(uint32_t slices)
{
    struct span *span = take(slices, SPAN_POOL);
    SCHEDULE_POINT("use");
    give(span, NOW);
}

static void use_one_twice(void)
{
    use(1);
    use(1);
}

static void use_two(void)
{
    use(2);
}

static void use_one(void)
{
    use(1);
}

static void check_nothing_in_use(void)
{
    arena_check();
    EXPECT(load_rlx(&arenas.used_slices) == 0 && arenas.purging == 0 && !lock_is_held(&arenas.lock));
    EXPECT(load_rlx(&arenas.mapped_slices) == model_mapped_arenas() * ARENA_SLICES);
}

SCENARIO(arena, a_slice_has_one_holder, .setup = model_arenas_begin, .body = { use_one_twice, use_two },
         .check = check_nothing_in_use, .preemptions = 2);

/* Both find nothing, and map. */
static void check_both_arenas_are_known(void)
{
    unsigned known = 0;
    for (struct arena *arena = load_acq(&arenas.all); arena != NULL; arena = arena->all_next)
        known += arena->slices != 0;
    check_nothing_in_use();
    EXPECT(known == model_mapped_arenas());
}

SCENARIO(arena, two_that_map_at_once_lose_no_arena, .setup = model_arenas_begin, .body = { use_one, use_two },
         .check = check_both_arenas_are_known, .preemptions = 2);

/* One arena with three dirty slices, of which one is in use by nobody that runs. */
static struct span *kept;

static void begin_dirty(void)
{
    model_arenas_begin();
    struct span *first = take(3, SPAN_POOL);
    kept = take(1, SPAN_POOL);
    give(first, 0);
}

static void purge(void)
{
    purge_free_slices(NOW, 10);
}

static void check_only_kept(void)
{
    EXPECT(load_rlx(&arenas.used_slices) == 1 && page_map_find(kept->start) == kept);
    give(kept, NOW);
    check_nothing_in_use();
}

SCENARIO(arena, what_is_claimed_is_not_purged, .setup = begin_dirty, .body = { use_one_twice, purge }, .check = check_only_kept,
         .preemptions = 3);

SCENARIO(arena, two_purgers_and_a_claim, .setup = begin_dirty, .body = { use_two, purge, purge }, .check = check_only_kept,
         .preemptions = 2);

/* Two arenas that are empty and due: one stays, the other goes. */
#define MOST (ARENA_SLICES / 2 + 1)

static void begin_empty(void)
{
    struct span *spans[2];
    model_arenas_begin();
    for (unsigned i = 0; i < 2; i++)
        spans[i] = take(MOST, SPAN_LARGE);
    for (unsigned i = 0; i < 2; i++)
        give(spans[i], 0);
}

static void use_most(void)
{
    struct span *span = take(MOST, SPAN_LARGE);
    SCHEDULE_POINT("use");
    give(span, NOW);
}

static void use_most_of_two(void)
{
    struct span *span = take(MOST, SPAN_LARGE);
    use_most();
    give(span, NOW);
}

static void give_all_back(void)
{
    purge_free_slices(NOW, 0);
}

SCENARIO(arena, what_is_claimed_is_not_unmapped, .setup = begin_empty, .body = { use_most_of_two, give_all_back },
         .check = check_nothing_in_use, .preemptions = 2);

SCENARIO(arena, two_claims_while_an_arena_goes, .setup = begin_empty, .body = { use_most, use_most, give_all_back },
         .check = check_nothing_in_use, .preemptions = 2);

/* A look-up of a span that another thread has just handed over finds it. */
static _Atomic(struct span *) handed;

static void begin_handing(void)
{
    model_arenas_begin();
    store_rlx(&handed, NULL);
}

static void claim_and_hand(void)
{
    struct span *span = take(2, SPAN_POOL);
    model_give(span);
    store_rel(&handed, span);
}

static void find_and_return(void)
{
    struct span *span = load_acq(&handed);
    if (span == NULL)
        return;
    EXPECT(page_map_find(span->start) == span && page_map_find(span->start + SLICE_SIZE) == span);
    arena_return(span, NOW);
    store_rlx(&handed, NULL);
}

static void check_handed(void)
{
    if (load_rlx(&handed) != NULL)
        arena_return(load_rlx(&handed), NOW);
    check_nothing_in_use();
}

SCENARIO(arena, what_is_handed_over_is_found, .setup = begin_handing, .body = { claim_and_hand, find_and_return, use_one },
         .check = check_handed, .preemptions = 2);
