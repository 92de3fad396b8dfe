/* Canaries and fill. */
#include "heap/harden.h"

#include "base/log.h"
#include "base/os.h"

#include <string.h>

#define JUNK_NEW 0xa5
#define JUNK_FREED 0x5a

struct hardening hardening;

static uintptr_t canary_secret;

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

/* The lowest byte is the first in memory, and odd: the zero that ends a text does not pass for it. */
static uintptr_t canary_of(const void *block)
{
    return (((uintptr_t)block ^ canary_secret) * 0x9e3779b97f4a7c15u) >> 3 | 1;
}

_Noreturn static void overrun(const char *function, const void *block)
{
    log_abort("%s(): %p: written to behind its end", function, block);
}

static uintptr_t word_at(const void *block, size_t offset)
{
    uintptr_t word;
    memcpy(&word, (const char *)block + offset, sizeof word);
    return word;
}

static uintptr_t canary_word(uintptr_t canary)
{
    return (canary & 0xff) * 0x0101010101010101u;
}

/* The last bits of a word, those that are highest in memory, are the canary's; 0 < bytes < 8. */
static uintptr_t last_bytes(size_t bytes)
{
    return ~(uintptr_t)0 << (sizeof(uintptr_t) - bytes) * 8;
}

/* By words from the end: a few, most of the time. */
ARCA_INLINE void write_back(void *block, uintptr_t canary, size_t end, size_t count)
{
    uintptr_t word = canary_word(canary);
    for (; count >= sizeof word; count -= sizeof word, end -= sizeof word)
        memcpy((char *)block + end - sizeof word, &word, sizeof word);
    if (count != 0) {
        uintptr_t mask = last_bytes(count);
        word = (word_at(block, end - sizeof word) & ~mask) | (word & mask);
        memcpy((char *)block + end - sizeof word, &word, sizeof word);
    }
}

ARCA_INLINE bool is_intact(const void *block, uintptr_t canary, size_t end, size_t count)
{
    uintptr_t word = canary_word(canary), different = 0;
    for (; count >= sizeof word; count -= sizeof word, end -= sizeof word)
        different |= word_at(block, end - sizeof word) ^ word;
    if (count != 0)
        different |= (word_at(block, end - sizeof word) ^ word) & last_bytes(count);
    return different == 0;
}

void canary_write(void *block, size_t bytes, size_t size)
{
    write_back(block, canary_of(block), bytes, bytes - size);
}

void canary_check(const char *function, const void *block, size_t bytes, size_t size)
{
    if (unlikely(!is_intact(block, canary_of(block), bytes, bytes - size)))
        overrun(function, block);
}

/* A canary whose highest 16 bits hide how many bytes are not the owner's. */
void trailer_write(struct block *block, size_t bytes, size_t size)
{
    uintptr_t canary = canary_of(block), trailer = canary ^ (uintptr_t)(bytes - size) << 48;
    write_back(block, canary, bytes - sizeof trailer, bytes - size - sizeof trailer);
    memcpy((char *)block + bytes - sizeof trailer, &trailer, sizeof trailer);
}

size_t trailer_read(const char *function, const struct block *block, size_t bytes)
{
    size_t end = bytes - TRAILER_BYTES;
    uintptr_t canary = canary_of(block), difference = word_at(block, end) ^ canary;
    size_t slack = difference >> 48;
    if (unlikely(difference << 16 != 0 || slack < TRAILER_BYTES || slack > bytes ||
                 !is_intact(block, canary, end, slack - TRAILER_BYTES)))
        overrun(function, block);
    return bytes - slack;
}

static unsigned char fill_byte(void)
{
    return hardening.junk ? JUNK_FREED : 0;
}

void freed_fill(struct block *block, size_t bytes)
{
    memset(block, fill_byte(), bytes);
    block->mark = block_mark(block);
}

/* Two words at a time; blocks are aligned to that, and multiples of it. */
typedef uint64_t pair __attribute__((vector_size(16), may_alias));

_Static_assert(sizeof(struct block) == sizeof(pair), "the rest of a block is pairs");

static bool is_zero(const pair *at, const pair *end)
{
    pair set = { 0, 0 };
    for (; end - at >= 4; at += 4)
        set |= at[0] | at[1] | at[2] | at[3];
    for (; at < end; at++)
        set |= *at;
    return (set[0] | set[1]) == 0;
}

static bool is_filled(const pair *at, const pair *end, uint64_t word)
{
    const pair fill = { word, word };
    pair different = { 0, 0 };
    for (; at < end; at++)
        different |= *at ^ fill;
    return (different[0] | different[1]) == 0;
}

void freed_check(const struct block *block, size_t bytes)
{
    uintptr_t fill = canary_word(fill_byte());
    const pair *rest = (const pair *)(block + 1), *end = (const pair *)((uintptr_t)block + bytes);
    if (unlikely(block->mark != block_mark(block) || block->link != fill ||
                 !(fill == 0 ? is_zero(rest, end) : is_filled(rest, end, fill))))
        log_abort("free(): %p: written to after it was freed", (const void *)block);
}

void fresh_fill(struct block *block, size_t size)
{
    block->link = 0; /* it led somewhere */
    if (hardening.junk)
        memset(block, JUNK_NEW, size);
}
