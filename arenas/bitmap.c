/* Bitmaps, a word at a time. */
#include "arenas/bitmap.h"

static uint64_t mask_from_to(uint32_t from, uint32_t to)
{
    uint64_t mask = ~(uint64_t)0 << from;
    return to == 64 ? mask : mask & (((uint64_t)1 << to) - 1);
}

/* Visits the words that [from, from+count) touches, with the mask of its bits in each. */
#define FOR_WORDS(words, from, count, word, mask, body)                             \
    for (uint32_t at_ = (from), end_ = (from) + (count); at_ < end_;) {             \
        uint32_t low_ = at_ % 64;                                                   \
        uint32_t high_ = end_ - (at_ - low_) < 64 ? end_ - (at_ - low_) : 64;       \
        uint64_t mask = mask_from_to(low_, high_);                                  \
        __typeof__(&(words)[0]) word = &(words)[at_ / 64];                          \
        body;                                                                       \
        at_ += high_ - low_;                                                        \
    }

void bitmap_set_range(uint64_t *words, uint32_t from, uint32_t count)
{
    FOR_WORDS(words, from, count, word, mask, *word |= mask)
}

void bitmap_clear_range(uint64_t *words, uint32_t from, uint32_t count)
{
    FOR_WORDS(words, from, count, word, mask, *word &= ~mask)
}

uint32_t bitmap_count_range(const uint64_t *words, uint32_t from, uint32_t count)
{
    uint32_t total = 0;
    FOR_WORDS(words, from, count, word, mask, total += (uint32_t)__builtin_popcountll(*word & mask))
    return total;
}

static uint32_t next(const uint64_t *words, uint32_t from, uint32_t limit, uint64_t flip)
{
    if (from >= limit)
        return limit;
    uint64_t word = (words[from / 64] ^ flip) & (~(uint64_t)0 << from % 64);
    uint32_t base = from - from % 64;
    while (word == 0) {
        base += 64;
        if (base >= limit)
            return limit;
        word = words[base / 64] ^ flip;
    }
    uint32_t bit = base + bits_lowest(word);
    return bit < limit ? bit : limit;
}

uint32_t bitmap_next_set(const uint64_t *words, uint32_t from, uint32_t limit)
{
    return next(words, from, limit, 0);
}

uint32_t bitmap_next_clear(const uint64_t *words, uint32_t from, uint32_t limit)
{
    return next(words, from, limit, ~(uint64_t)0);
}

static uint32_t align_up(uint32_t bit, uint32_t align, uint32_t phase)
{
    return (uint32_t)bits_round_up(bit + phase, align) - phase;
}

uint32_t bitmap_find_dirtiest(const uint64_t *free_words, const uint64_t *dirty_words, uint32_t limit, uint32_t count,
                              uint32_t align, uint32_t phase, uint64_t *cost)
{
    uint32_t best = BITMAP_NONE;
    for (uint32_t from = bitmap_next_set(free_words, 0, limit); from < limit;) {
        uint32_t to = bitmap_next_clear(free_words, from, limit), left = align_up(from, align, phase);
        if (left < to && to - left >= count) {
            uint32_t right = to - count - ((to - count + phase) & (align - 1));
            uint32_t places[2] = { left, right };
            for (unsigned i = 0; i < 2; i++) {
                uint64_t clean = count - bitmap_count_range(dirty_words, places[i], count);
                uint64_t price = clean << 32 | (to - from);
                if (price < *cost) {
                    *cost = price;
                    best = places[i];
                }
            }
        }
        from = bitmap_next_set(free_words, to, limit);
    }
    return best;
}

uint32_t bitmap_find_run(const uint64_t *words, uint32_t limit, uint32_t count, uint32_t align, uint32_t phase)
{
    uint32_t best = BITMAP_NONE, best_length = UINT32_MAX;
    for (uint32_t from = bitmap_next_set(words, 0, limit); from < limit;) {
        uint32_t to = bitmap_next_clear(words, from, limit);
        uint32_t start = align_up(from, align, phase);
        if (start < to && to - start >= count && to - from < best_length) {
            best = start;
            best_length = to - from;
            if (best_length == count)
                break;
        }
        from = bitmap_next_set(words, to, limit);
    }
    return best;
}
