/* Bitmaps, against a byte an entry. */
#include "harness.h"

#include "arenas/bitmap.h"

#define BITS 300
#define ROUNDS 20000

struct model {
    uint64_t words[BITMAP_WORDS(BITS)];
    bool bits[BITS];
};

static uint64_t random_state;

static uint32_t random_below(uint32_t limit)
{
    return (uint32_t)(harness_random(&random_state) % limit);
}

/* Long and short runs alike. */
static void change(struct model *model)
{
    uint32_t from = random_below(BITS), count = random_below(BITS - from + 1) >> random_below(8);
    bool value = random_below(2);
    (value ? bitmap_set_range : bitmap_clear_range)(model->words, from, count);
    memset(model->bits + from, value, count);
}

static uint32_t model_next(const struct model *model, uint32_t from, uint32_t limit, bool value)
{
    while (from < limit && model->bits[from] != value)
        from++;
    return from < limit ? from : limit;
}

static uint32_t model_find_run(const struct model *model, uint32_t limit, uint32_t count, uint32_t align, uint32_t phase)
{
    uint32_t best = BITMAP_NONE, best_length = UINT32_MAX;
    for (uint32_t from = 0; from < limit; from++) {
        if (!model->bits[from] || (from != 0 && model->bits[from - 1]))
            continue;
        uint32_t to = model_next(model, from, limit, false);
        for (uint32_t start = from; start + count <= to; start++) {
            if ((start + phase) % align == 0 && to - from < best_length) {
                best = start;
                best_length = to - from;
            }
        }
    }
    return best;
}

static void start(struct model *model)
{
    memset(model, 0, sizeof *model);
    random_state = harness_seed();
}

TEST(bitmap, ranges_set_and_clear_exactly_their_bits)
{
    struct model model;
    start(&model);
    for (unsigned i = 0; i < ROUNDS; i++) {
        change(&model);
        for (uint32_t bit = 0; bit < BITS; bit++)
            CHECK_EQ(bitmap_get(model.words, bit), model.bits[bit]);
    }
}

TEST(bitmap, an_empty_range_changes_nothing)
{
    uint64_t words[2] = { 0, 0 };
    bitmap_set_range(words, 64, 0);
    bitmap_set_range(words, 0, 0);
    CHECK_EQ(words[0] | words[1], 0);
    CHECK_EQ(bitmap_count_range(words, 17, 0), 0);
}

TEST(bitmap, a_range_may_be_whole_words)
{
    uint64_t words[4] = { 0 };
    bitmap_set_range(words, 64, 128);
    CHECK_EQ(words[0] | words[3], 0);
    CHECK_EQ(words[1] & words[2], UINT64_MAX);
}

TEST(bitmap, counts_agree_with_the_model)
{
    struct model model;
    start(&model);
    for (unsigned i = 0; i < ROUNDS; i++) {
        change(&model);
        uint32_t from = random_below(BITS), count = random_below(BITS - from + 1), expected = 0;
        for (uint32_t bit = from; bit < from + count; bit++)
            expected += model.bits[bit];
        CHECK_EQ(bitmap_count_range(model.words, from, count), expected);
    }
}

TEST(bitmap, the_next_bit_agrees_with_the_model)
{
    struct model model;
    start(&model);
    for (unsigned i = 0; i < ROUNDS; i++) {
        change(&model);
        uint32_t from = random_below(BITS + 1), limit = random_below(BITS + 1);
        uint32_t start_at = from < limit ? from : limit;
        CHECK_EQ(bitmap_next_set(model.words, from, limit), model_next(&model, start_at, limit, true));
        CHECK_EQ(bitmap_next_clear(model.words, from, limit), model_next(&model, start_at, limit, false));
    }
}

TEST(bitmap, the_run_found_is_the_first_of_the_shortest_that_fit)
{
    struct model model;
    start(&model);
    for (unsigned i = 0; i < ROUNDS; i++) {
        change(&model);
        uint32_t limit = 1 + random_below(BITS), count = 1 + (random_below(BITS) >> random_below(8));
        uint32_t align = (uint32_t)1 << random_below(6), phase = random_below(align);
        CHECK_EQ(bitmap_find_run(model.words, limit, count, align, phase),
                 model_find_run(&model, limit, count, align, phase));
    }
}

TEST(bitmap, an_alignment_beyond_the_map_finds_the_one_place_or_none)
{
    uint64_t words[BITMAP_WORDS(BITS)];
    memset(words, 0xff, sizeof words);
    CHECK_EQ(bitmap_find_run(words, BITS, 1, 1u << 30, 0), 0);
    CHECK_EQ(bitmap_find_run(words, BITS, 1, 1u << 30, 1), BITMAP_NONE);
    CHECK_EQ(bitmap_find_run(words, BITS, 1, 1u << 30, (1u << 30) - 5), 5);
}

/* ---- the dirtiest place: two maps, the dirty one within the free one ------------------------------------ */

static uint32_t model_find_dirtiest(const struct model *free_map, const struct model *dirty, uint32_t limit,
                                    uint32_t count, uint32_t align, uint32_t phase, uint64_t *cost)
{
    uint32_t best = BITMAP_NONE;
    for (uint32_t from = 0; from < limit; from++) {
        if (!free_map->bits[from] || (from != 0 && free_map->bits[from - 1]))
            continue;
        uint32_t to = model_next(free_map, from, limit, false), left = BITMAP_NONE, right = BITMAP_NONE;
        for (uint32_t start = from; start + count <= to; start++) {
            if ((start + phase) % align == 0) {
                left = left == BITMAP_NONE ? start : left;
                right = start;
            }
        }
        const uint32_t places[2] = { left, right };
        for (unsigned i = 0; i < 2 && left != BITMAP_NONE; i++) {
            uint64_t price = to - from;
            for (uint32_t bit = places[i]; bit < places[i] + count; bit++)
                price += (uint64_t)!dirty->bits[bit] << 32;
            if (price < *cost) {
                *cost = price;
                best = places[i];
            }
        }
    }
    return best;
}

TEST(bitmap, the_dirtiest_place_is_at_an_end_of_a_run_and_cheapest)
{
    struct model free_map, dirty;
    start(&free_map);
    for (unsigned i = 0; i < ROUNDS; i++) {
        change(&free_map);
        dirty = free_map;
        for (unsigned k = 0; k < 4; k++) { /* clean some of it */
            uint32_t from = random_below(BITS), count = random_below(BITS - from + 1) >> random_below(6);
            bitmap_clear_range(dirty.words, from, count);
            memset(dirty.bits + from, false, count);
        }
        uint32_t limit = 1 + random_below(BITS), count = 1 + (random_below(BITS) >> random_below(8));
        uint32_t align = (uint32_t)1 << random_below(5), phase = random_below(align);
        uint64_t cost = random_below(4) == 0 ? harness_random(&random_state) >> 26 : UINT64_MAX, expected = cost;
        uint32_t place = model_find_dirtiest(&free_map, &dirty, limit, count, align, phase, &expected);
        CHECK_EQ(bitmap_find_dirtiest(free_map.words, dirty.words, limit, count, align, phase, &cost), place);
        CHECK_EQ(cost, expected);
    }
}
