/* Canaries and fill: what is done seldom. */
#include "heap/harden.h"

#include "base/bits.h"
#include "base/log.h"
#include "base/os.h"

struct hardening hardening;

uintptr_t canary_secret;

void hardening_set(struct hardening settings, uint64_t random)
{
    canary_secret = (uintptr_t)random;
    hardening = settings;
}

static _Atomic uint32_t guards;

bool guard_put(uintptr_t address, size_t bytes)
{
    if (!hardening.guard)
        return false;
    if (add_rlx(&guards, 1u) < hardening.guards && os_protect((void *)address, bytes, false))
        return true;
    sub_rlx(&guards, 1u);
    return false;
}

bool guard_remove(uintptr_t address, size_t bytes)
{
    if (!os_protect((void *)address, bytes, true))
        return false;
    sub_rlx(&guards, 1u);
    return true;
}

/* ---- canaries ------------------------------------------------------------------------------------------ */

#define EIGHT_ONES 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff

const unsigned char tail_masks[2 * LONG_TAIL] = { [LONG_TAIL] = EIGHT_ONES, EIGHT_ONES, EIGHT_ONES, EIGHT_ONES,
                                                   EIGHT_ONES, EIGHT_ONES, EIGHT_ONES, EIGHT_ONES };

ARCA_COLD _Noreturn static void trailer_broken(const char *function, const struct block *block)
{
    log_abort("%s(): %p: written to behind its end", function, (const void *)block);
}

static uintptr_t word_at(const void *block, size_t offset)
{
    uintptr_t word;
    memcpy(&word, (const char *)block + offset, sizeof word);
    return word;
}

/* The last bits of a word, those that are highest in memory, are the canary's; 0 < bytes < 8. */
static uintptr_t last_bytes(size_t bytes)
{
    return ~(uintptr_t)0 << (sizeof(uintptr_t) - bytes) * 8;
}

/* By pairs from the end: what is between the owner's bytes and the end can be long. */
static void write_back(void *block, uintptr_t canary, size_t end, size_t count)
{
    uintptr_t word = canary;
    for (const pair twice = { canary, canary }; count >= sizeof twice; count -= sizeof twice, end -= sizeof twice)
        memcpy((char *)block + end - sizeof twice, &twice, sizeof twice);
    if (count >= sizeof word) {
        memcpy((char *)block + end - sizeof word, &word, sizeof word);
        count -= sizeof word;
        end -= sizeof word;
    }
    if (count != 0) {
        uintptr_t mask = last_bytes(count);
        word = (word_at(block, end - sizeof word) & ~mask) | (canary & mask);
        memcpy((char *)block + end - sizeof word, &word, sizeof word);
    }
}

static uintptr_t difference_before(const void *block, uintptr_t canary, size_t end, size_t count)
{
    const pair twice = { canary, canary };
    pair both = { 0, 0 };
    for (; count >= sizeof both; count -= sizeof both, end -= sizeof both)
        both |= *(const loose_pair *)((const char *)block + end - sizeof both) ^ twice;
    uintptr_t different = both[0] | both[1];
    if (count >= sizeof canary) {
        different |= word_at(block, end - sizeof canary) ^ canary;
        count -= sizeof canary;
        end -= sizeof canary;
    }
    if (count != 0)
        different |= (word_at(block, end - sizeof canary) ^ canary) & last_bytes(count);
    return different;
}

void canary_write(void *block, size_t bytes, size_t size)
{
    write_back(block, canary_of(block), bytes, bytes - size);
}

void canary_check(const char *function, const void *block, size_t bytes, size_t size)
{
    if (unlikely(difference_before(block, canary_of(block), bytes, bytes - size) != 0))
        trailer_broken(function, block);
}

uint64_t canary_difference(const struct block *block, size_t bytes, size_t count, uintptr_t canary)
{
    size_t end = bytes - TRAILER_BYTES;
    return count > end ? 1 : difference_before(block, canary, end, count);
}

void trailer_write(struct block *block, size_t bytes, size_t size)
{
    uintptr_t canary = canary_of(block), trailer = trailer_of(canary, bytes - size);
    write_back(block, canary, bytes - sizeof trailer, bytes - size - sizeof trailer);
    memcpy((char *)block + bytes - sizeof trailer, &trailer, sizeof trailer);
}

/* Of a trailer that was not written to. */
static size_t trailer_slack(const char *function, const struct block *block, size_t bytes, uintptr_t canary)
{
    uintptr_t difference = word_at(block, bytes - TRAILER_BYTES) ^ canary;
    size_t slack = difference >> 48;
    if (unlikely(difference << 16 != 0 || slack < TRAILER_BYTES || slack > bytes))
        trailer_broken(function, block);
    return slack;
}

size_t trailer_read(const char *function, const struct block *block, size_t bytes)
{
    uintptr_t canary = canary_of(block);
    size_t slack = trailer_slack(function, block, bytes, canary);
    if (unlikely(canary_difference(block, bytes, slack - TRAILER_BYTES, canary) != 0))
        trailer_broken(function, block);
    return bytes - slack;
}

bool trailer_move(const char *function, struct block *block, size_t bytes, size_t size)
{
    size_t end = bytes - TRAILER_BYTES;
    if (size > end || size <= end / 2)
        return false;
    uintptr_t canary = canary_of(block);
    size_t old = bytes - trailer_slack(function, block, bytes, canary), near = old + LONG_TAIL;
    size_t to = bits_round_up(size > near ? size : near, sizeof canary);
    if (to > end)
        to = end;
    if (unlikely(difference_before(block, canary, to, to - old) != 0))
        trailer_broken(function, block);
    if (size < old)
        write_back(block, canary, to, to - size);
    uintptr_t trailer = trailer_of(canary, bytes - size);
    memcpy((char *)block + end, &trailer, sizeof trailer);
    return true;
}

/* ---- freed blocks -------------------------------------------------------------------------------------- */

void freed_broken(const struct block *block)
{
    log_abort("free(): %p: written to after it was freed", (const void *)block);
}

uint64_t junk_difference(const struct block *block, size_t bytes)
{
    const uint64_t *words = (const uint64_t *)block;
    uint64_t different = block->mark ^ block_mark(block);
    for (size_t i = 1; i < bytes / sizeof *words; i++)
        different |= words[i] ^ JUNK_FREED * EACH_BYTE;
    return different;
}
