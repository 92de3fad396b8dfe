/* Pools: carving, taking, putting, and giving back the pages between survivors, for every size class. */
#include "harness.h"

#include "arenas/arena.h"
#include "heap/pool.h"
#include "heap/size_class.h"

#define BLOCKS_MAX 4096

static struct span *make_pool(unsigned class)
{
    bool zeroed;
    struct span *pool = arena_claim(size_classes[class].slices, 1, SPAN_POOL, &zeroed);
    REQUIRE(pool != NULL);
    pool_init(pool, class, false, true);
    return pool;
}

/* A chain of what comes in two. */
static uint32_t take_chain(struct span *pool, uint32_t count, struct block **first)
{
    struct block *block, *other;
    uint32_t taken = pool_take(pool, count, first, &other);
    for (block = *first; other != NULL;) {
        struct block *rest = block_next(block);
        block_set_next(block, other);
        block = other;
        other = rest;
    }
    return taken;
}

/* One block, as malloc hands it out. */
static struct block *take_one(struct span *pool)
{
    struct block *block;
    REQUIRE(take_chain(pool, 1, &block) == 1);
    block->mark = 0;
    return block;
}

/* One block, as free hands it back. */
static void put_one(struct span *pool, struct block *block)
{
    block->mark = block_mark(block);
    pool_put(pool, block, block, 1);
}

static uint32_t index_of(const struct span *pool, const struct block *block)
{
    return (uint32_t)(((uintptr_t)block - pool->start) / pool->block_size);
}

static struct block *block_of(const struct span *pool, uint32_t index)
{
    return (struct block *)(pool->start + (uintptr_t)index * pool->block_size);
}

static unsigned class_of_48_bytes(void)
{
    return size_class_of(48);
}

TEST(pool, a_fresh_pool_is_uncarved_throughout)
{
    for (unsigned class = 0; class < SIZE_CLASSES; class++) {
        struct span *pool = make_pool(class);
        CHECK_EQ(pool->free_count, 0);
        CHECK_EQ(load_rlx(&pool->used), 0);
        CHECK_EQ(__builtin_popcountll(pool->uncarved), size_classes[class].pages);
        CHECK(pool_has_room(pool));
        pool_check(pool);
    }
}

/* Within the first page it may begin in the middle, and come back for what lies before that. */
TEST(pool, pages_are_carved_in_address_order_round_from_some_block)
{
    for (unsigned class = 0; class < SIZE_CLASSES; class++) {
        struct span *pool = make_pool(class);
        uint32_t before = index_of(pool, take_one(pool)), back = 0;
        for (uint32_t i = 1; i < pool->capacity; i++) {
            uint32_t index = index_of(pool, take_one(pool));
            back += index < before;
            before = index;
        }
        CHECK(back <= 3);
        pool_check(pool);
    }
}

TEST(pool, pools_of_a_class_begin_at_different_places_in_their_slices)
{
    uint64_t lines = 0;
    for (unsigned i = 0; i < 64; i++) {
        struct span *pool = make_pool(class_of_48_bytes());
        lines |= (uint64_t)1 << ((uintptr_t)take_one(pool) - pool->start) / ARCA_CACHE_LINE % 64;
    }
    CHECK(__builtin_popcountll(lines) >= 24);
}

TEST(pool, a_taken_up_pool_has_no_room)
{
    for (unsigned class = 0; class < SIZE_CLASSES; class++) {
        struct span *pool = make_pool(class);
        for (uint32_t i = 0; i < pool->capacity; i++) {
            CHECK(pool_has_room(pool));
            take_one(pool);
        }
        CHECK(!pool_has_room(pool));
        CHECK_EQ(load_rlx(&pool->used), pool->capacity);
    }
}

TEST(pool, carving_touches_no_page_that_is_not_needed)
{
    struct span *pool = make_pool(class_of_48_bytes());
    take_one(pool);
    CHECK_EQ(__builtin_popcountll(pool->uncarved), pool->pages - 1);
    /* Blocks that lie across a border belong to the page that is carved last. */
    CHECK(pool->free_count + 2 >= OS_PAGE_SIZE / 48);
    CHECK(pool->free_count + 1 <= OS_PAGE_SIZE / 48);
    pool_check(pool);
}

TEST(pool, a_block_of_several_pages_carves_just_its_own)
{
    struct span *pool = make_pool(SIZE_CLASSES - 1);
    take_one(pool);
    CHECK_EQ(__builtin_popcountll(pool->uncarved), pool->pages - SMALL_MAX / OS_PAGE_SIZE);
    CHECK_EQ(pool->free_count, 0);
    pool_check(pool);
}

static unsigned resident_pages(const struct span *pool)
{
    unsigned char pages[POOL_SLICES_MAX * SLICE_SIZE / OS_PAGE_SIZE];
    unsigned count = 0;
    REQUIRE(os_resident((void *)pool->start, span_bytes(pool), pages));
    for (unsigned i = 0; i < span_bytes(pool) / OS_PAGE_SIZE; i++)
        count += pages[i] & 1u;
    return count;
}

/* Of many pages, and no more than are carved, but for those of a block that reaches beyond them. */
TEST(pool, a_pool_that_is_populated_slowly_comes_by_a_few_pages_at_a_time)
{
    for (unsigned class = 0; class < SIZE_CLASSES; class++) {
        struct span *pool = make_pool(class);
        unsigned block_pages = pool->block_size / (unsigned)OS_PAGE_SIZE + 1, steps = 0;
        pool_populate_slowly(pool);
        for (unsigned before = 0, now; pool_has_room(pool); before = now) {
            struct block *chain;
            take_chain(pool, pool->capacity, &chain);
            now = pool->pages - (unsigned)__builtin_popcountll(pool->uncarved);
            CHECK(now - before <= 4 + 2 * block_pages);
            CHECK(resident_pages(pool) <= now + block_pages);
            steps++;
        }
        CHECK(steps > 1 || pool->pages <= 4 + 2 * block_pages);
        CHECK(steps <= 3 + pool->pages / 4u);
        CHECK_EQ(load_rlx(&pool->used), pool->capacity);
        pool_check(pool);
    }
}

TEST(pool, a_take_gives_no_more_than_was_asked_for)
{
    struct span *pool = make_pool(0);
    struct block *chain;
    CHECK_EQ(take_chain(pool, 10, &chain), 10);
    unsigned count = 0;
    for (; chain != NULL; chain = block_next(chain))
        count++;
    CHECK_EQ(count, 10);
    CHECK_EQ(load_rlx(&pool->used), 10);
    pool_check(pool);
}

TEST(pool, a_take_gives_what_there_is)
{
    struct span *pool = make_pool(SIZE_CLASSES - 1);
    struct block *chain;
    CHECK_EQ(take_chain(pool, 100, &chain), 1);
    CHECK(block_next(chain) == NULL);
    pool_check(pool);
}

TEST(pool, a_block_names_the_fourth_behind_it)
{
    struct span *pool = make_pool(class_of_48_bytes());
    struct block *put[20], *chain;
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(put); i++)
        put[i] = take_one(pool);
    for (unsigned i = 0; i < ARCA_ARRAY_LENGTH(put); i++)
        put_one(pool, put[i * 7 % ARCA_ARRAY_LENGTH(put)]);
    take_chain(pool, ARCA_ARRAY_LENGTH(put), &chain);
    struct block *behind = chain;
    for (unsigned i = 0; i < 4; i++)
        behind = block_next(behind);
    for (unsigned i = 4; i < ARCA_ARRAY_LENGTH(put); i++, chain = block_next(chain), behind = block_next(behind))
        CHECK_EQ((void *)block_later(chain), (void *)behind);
    CHECK(behind == NULL);
}

TEST(pool, the_block_put_last_is_taken_first)
{
    struct span *pool = make_pool(class_of_48_bytes());
    struct block *a = take_one(pool), *b = take_one(pool);
    put_one(pool, a);
    put_one(pool, b);
    CHECK_EQ(take_one(pool), b);
    CHECK_EQ(take_one(pool), a);
    pool_check(pool);
}

TEST(pool, a_put_makes_it_worth_a_look_again)
{
    struct span *pool = make_pool(class_of_48_bytes());
    struct block *block = take_one(pool);
    CHECK(pool->settled);
    put_one(pool, block);
    CHECK(!pool->settled);
}

/* ---- trimming ----------------------------------------------------------------------------------------- */

static void trim(struct span *pool, struct trim_batch *batch)
{
    batch->count = 0;
    pool_trim(pool, batch);
    CHECK(batch->count <= TRIM_RANGES_PER_POOL);
}

TEST(pool, a_pool_without_survivors_is_uncarved_again)
{
    for (unsigned class = 0; class < SIZE_CLASSES; class++) {
        struct span *pool = make_pool(class);
        struct trim_batch batch;
        for (uint32_t i = 0; i < pool->capacity; i++)
            take_one(pool);
        for (uint32_t i = 0; i < pool->capacity; i++)
            put_one(pool, block_of(pool, i));
        trim(pool, &batch);
        CHECK_EQ(batch.count, 1);
        CHECK_EQ(batch.ranges[0].address, pool->start);
        CHECK_EQ(batch.ranges[0].bytes, pool->pages * OS_PAGE_SIZE);
        CHECK_EQ(pool->free_count, 0);
        CHECK(pool->free_list == NULL);
        pool_check(pool);
    }
}

TEST(pool, a_full_pool_has_nothing_to_trim)
{
    struct span *pool = make_pool(class_of_48_bytes());
    struct trim_batch batch;
    for (uint32_t i = 0; i < pool->capacity; i++)
        take_one(pool);
    trim(pool, &batch);
    CHECK_EQ(batch.count, 0);
}

TEST(pool, uncarved_pages_of_a_pool_that_was_claimed_dirty_are_trimmed_once)
{
    unsigned class = class_of_48_bytes();
    struct span *pool = make_pool(class);
    struct trim_batch batch;
    pool_init(pool, class, false, false);
    CHECK(!pool->settled);
    take_one(pool);
    uint64_t carved = ~load_rlx(&pool->uncarved), given = 0;
    trim(pool, &batch);
    for (unsigned i = 0; i < batch.count; i++) {
        uintptr_t from = ((uintptr_t)batch.ranges[i].address - pool->start) / OS_PAGE_SIZE;
        for (size_t page = from; page < from + batch.ranges[i].bytes / OS_PAGE_SIZE; page++)
            given |= (uint64_t)1 << page;
    }
    CHECK_EQ(__builtin_popcountll(given), pool->pages - (unsigned)__builtin_popcountll(carved & ~(~(uint64_t)0 << pool->pages)));
    CHECK_EQ(given & carved, 0);
    trim(pool, &batch);
    CHECK_EQ(batch.count, 0);
}

TEST(pool, pages_are_trimmed_once)
{
    struct span *pool = make_pool(class_of_48_bytes());
    struct trim_batch batch;
    put_one(pool, take_one(pool));
    trim(pool, &batch);
    CHECK_EQ(batch.count, 1);
    trim(pool, &batch);
    CHECK_EQ(batch.count, 0);
    pool_check(pool);
}

TEST(pool, a_survivor_across_a_border_keeps_both_pages)
{
    struct span *pool = make_pool(class_of_48_bytes());
    struct trim_batch batch;
    uint32_t border = (uint32_t)(OS_PAGE_SIZE / 48); /* bytes 4080 to 4127 */
    for (uint32_t i = 0; i < pool->capacity; i++)
        take_one(pool);
    for (uint32_t i = 0; i < pool->capacity; i++) {
        if (i != border)
            put_one(pool, block_of(pool, i));
    }
    trim(pool, &batch);
    CHECK_EQ(pool->uncarved & 3, 0);
    CHECK_EQ(__builtin_popcountll(pool->uncarved), pool->pages - 2);
    pool_check(pool);
}

TEST(pool, trimmed_pages_are_carved_again_when_blocks_run_out)
{
    struct span *pool = make_pool(class_of_48_bytes());
    struct trim_batch batch;
    for (uint32_t i = 0; i < pool->capacity; i++)
        take_one(pool);
    for (uint32_t i = 1; i < pool->capacity; i++)
        put_one(pool, block_of(pool, i));
    trim(pool, &batch);
    REQUIRE(os_purge_ranges(batch.ranges, batch.count));
    for (uint32_t i = 1; i < pool->capacity; i++)
        take_one(pool);
    CHECK(!pool_has_room(pool));
    pool_check(pool);
}

/* ---- against a model -------------------------------------------------------------------------------------- */

struct model {
    struct span *pool;
    bool live[BLOCKS_MAX];
    uint32_t live_count;
    uint64_t random;
};

static unsigned char stamp_of(uint32_t index)
{
    return (unsigned char)(index * 37 + 11);
}

static void check_contents(const struct model *model, uint32_t index)
{
    const unsigned char *bytes = (const unsigned char *)block_of(model->pool, index);
    for (uint32_t i = 0; i < model->pool->block_size; i++) {
        if (bytes[i] != stamp_of(index)) {
            harness_fail(__FILE__, __LINE__, "byte %u of block %u of %u bytes is lost", i, index, model->pool->block_size);
            return;
        }
    }
}

static void model_take(struct model *model)
{
    struct block *block, *next;
    uint32_t wanted = 1 + (uint32_t)(harness_random(&model->random) % 20), taken;
    if (!pool_has_room(model->pool))
        return;
    taken = take_chain(model->pool, wanted, &block);
    CHECK(taken >= 1 && taken <= wanted);
    for (; taken-- > 0; block = next) {
        REQUIRE(block != NULL);
        uint32_t index = index_of(model->pool, block);
        next = block_next(block);
        CHECK_EQ(block->mark, block_mark(block));
        CHECK_EQ(block, block_of(model->pool, index));
        REQUIRE(index < model->pool->capacity && !model->live[index]);
        model->live[index] = true;
        model->live_count++;
        memset(block, stamp_of(index), model->pool->block_size);
    }
    CHECK(block == NULL);
}

/* Runs of neighbours, so that pages become empty. */
static void model_put(struct model *model)
{
    uint32_t from = (uint32_t)(harness_random(&model->random) % model->pool->capacity);
    uint32_t count = 1 + (uint32_t)(harness_random(&model->random) % (model->pool->capacity / 4 + 1));
    for (uint32_t i = from; i < from + count && i < model->pool->capacity; i++) {
        if (!model->live[i])
            continue;
        check_contents(model, i);
        put_one(model->pool, block_of(model->pool, i));
        model->live[i] = false;
        model->live_count--;
    }
}

static uint64_t pages_without_live_blocks(const struct model *model)
{
    uint64_t pages = 0;
    for (unsigned page = 0; page < model->pool->pages; page++) {
        bool empty = true;
        for (uint32_t i = 0; i < model->pool->capacity && empty; i++) {
            size_t from = (size_t)i * model->pool->block_size, to = from + model->pool->block_size;
            empty = !model->live[i] || to <= page * OS_PAGE_SIZE || from >= (page + 1) * OS_PAGE_SIZE;
        }
        pages |= (uint64_t)empty << page;
    }
    return pages;
}

static void model_trim(struct model *model)
{
    struct trim_batch batch;
    uint64_t before = model->pool->uncarved, given = 0;
    trim(model->pool, &batch);
    for (unsigned r = 0; r < batch.count; r++) {
        size_t first = ((uintptr_t)batch.ranges[r].address - model->pool->start) / OS_PAGE_SIZE;
        for (size_t page = first; page < first + batch.ranges[r].bytes / OS_PAGE_SIZE; page++)
            given |= (uint64_t)1 << page;
    }
    CHECK_EQ(model->pool->uncarved, pages_without_live_blocks(model));
    CHECK_EQ(given, model->pool->uncarved & ~before);
    REQUIRE(os_purge_ranges(batch.ranges, batch.count));
}

static void run_model(unsigned class)
{
    static struct model model;
    memset(&model, 0, sizeof model);
    model.pool = make_pool(class);
    model.random = harness_seed() + class;
    for (unsigned i = 0; i < 1500; i++) {
        unsigned what = (unsigned)(harness_random(&model.random) % 16);
        if (what < 11)
            model_take(&model);
        else if (what < 15)
            model_put(&model);
        else
            model_trim(&model);
        CHECK_EQ(load_rlx(&model.pool->used), model.live_count);
        pool_check(model.pool);
    }
    for (uint32_t i = 0; i < model.pool->capacity; i++) {
        if (model.live[i])
            check_contents(&model, i);
    }
    pool_return(model.pool, 0);
}

TEST(pool, random_operations_keep_the_law_and_the_contents_in_every_class)
{
    for (unsigned class = 0; class < SIZE_CLASSES; class++)
        run_model(class);
}

/* ---- crimes --------------------------------------------------------------------------------------------------- */

TEST_ABORTS(pool, a_put_onto_an_uncarved_page_is_a_double_free, "double free")
{
    struct span *pool = make_pool(class_of_48_bytes());
    uint32_t index = index_of(pool, take_one(pool));
    put_one(pool, block_of(pool, (index + pool->capacity / 2) % pool->capacity));
}

TEST_ABORTS(pool, the_check_sees_a_lost_block, "check: pool")
{
    struct span *pool = make_pool(class_of_48_bytes());
    take_one(pool);
    pool->free_list = block_next(pool->free_list);
    pool->free_count--;
    pool_check(pool);
}

TEST_ABORTS(pool, the_check_sees_a_wrong_count, "check: pool")
{
    struct span *pool = make_pool(class_of_48_bytes());
    take_one(pool);
    store_rlx(&pool->used, 2u);
    pool_check(pool);
}

TEST_ABORTS(pool, the_check_sees_a_free_block_without_its_mark, "unmarked")
{
    struct span *pool = make_pool(class_of_48_bytes());
    take_one(pool);
    pool->free_list->mark = 0;
    pool_check(pool);
}

TEST_ABORTS(pool, the_check_sees_a_pointer_that_is_no_block, "is no block of it")
{
    struct span *pool = make_pool(class_of_48_bytes());
    take_one(pool);
    pool->free_list = (struct block *)(pool->start + 64);
    pool_check(pool);
}
