/*
 * Hardened blocks: what stands behind a live one and in a freed one, so that a write is noticed later.
 *
 *   live    its owner's bytes | canary bytes | trailer: the last word, a canary with the size in it
 *   freed   mark | fill to the end
 *
 * Law: a span is `hardened` from its claim to its return, and then all of its blocks are.
 *
 * A malloc and a free pass through here.  Of a block that is freed, the cache has nothing: a branch that waits for what is
 * in it and goes the other way costs as much as all the rest.  So what is read decides nothing but whether all is well.
 */
#ifndef ARCA_HEAP_HARDEN_H
#define ARCA_HEAP_HARDEN_H

#include "heap/block.h"

#include <string.h>

/* Written once, before the first block that heeds it. */
struct hardening {
    bool on;
    bool guard;        /* a page behind each span that nobody may touch, for as many as there may be */
    uint32_t guards;   /* so many: each costs mappings, of which a process has a limited number */
    bool junk;         /* new and freed blocks hold junk, not what was there and zeros */
    size_t quarantine; /* bytes of freed blocks that a thread keeps back */
};

extern struct hardening hardening;

void hardening_set(struct hardening settings, uint64_t random);

/* Takes pages away from everybody; false where there are too many such already, or the kernel refuses. */
bool guard_put(uintptr_t address, size_t bytes);
/* Gives them back; false where the kernel refuses. */
bool guard_remove(uintptr_t address, size_t bytes);

/* ---- canaries ------------------------------------------------------------------------------------------ */

extern uintptr_t canary_secret;

#define EACH_BYTE ((uintptr_t)0x0101010101010101)

/* What stands in each word, counted from the block's end.  No byte is a zero: the one that ends a text does not pass for
 * any.  The bits of a product that most bits of the address have a say in are its highest. */
ARCA_INLINE uintptr_t canary_of(const void *block)
{
    return __builtin_bswap64(((uintptr_t)block ^ canary_secret) * 0x9e3779b97f4a7c15u) | EACH_BYTE;
}

/* For a block that ends in a page: all behind its owner's bytes is the canary's. */
void canary_write(void *block, size_t bytes, size_t size);
/* Aborts in the name of a function when a byte of it was changed. */
void canary_check(const char *function, const void *block, size_t bytes, size_t size);

/* ---- trailers ------------------------------------------------------------------------------------------ */

#define TRAILER_BYTES sizeof(uintptr_t)

/* The owner may use the first size bytes of a block of so many, and they stay as they are. */
void trailer_write(struct block *block, size_t bytes, size_t size);

/* The same of a block that has a trailer, and stays where it is.  Aborts in the name of a function when what becomes its
 * owner's was changed, or what stood right behind him; what is farther away waits for free().  So a block that grows by
 * little costs little.  False, and nothing has changed, when it is too small, or twice as large as it need be. */
bool trailer_move(const char *function, struct block *block, size_t bytes, size_t size);

/* Before the trailer, bytes are written and read by words in one go, as many as the canary has in nearly all blocks: what
 * is not its is masked. */
#define LONG_TAIL ((size_t)64)
#define SHORT_TAIL ((size_t)24) /* the least block has no more */
#define LONG_TAIL_BLOCK ((size_t)128)      /* a block with the longer tail */

/* Zeros, and then as many ones: wherever one begins in it, a mask. */
extern const unsigned char tail_masks[2 * LONG_TAIL];

/* Of the last count of so many bytes. */
ARCA_INLINE const unsigned char *tail_mask(size_t bytes, size_t count)
{
    return tail_masks + LONG_TAIL - bytes + count;
}

/* Two words at a time; blocks are aligned to that, and multiples of it. */
typedef uint64_t pair __attribute__((vector_size(16), may_alias));
typedef uint64_t loose_pair __attribute__((vector_size(16), may_alias, aligned(1)));
typedef uint64_t loose_word __attribute__((may_alias, aligned(1)));

ARCA_INLINE bool tail_holds(size_t bytes, size_t count)
{
    return count <= (bytes < LONG_TAIL_BLOCK ? SHORT_TAIL : LONG_TAIL);
}

/* The rest of the tail becomes zeros. */
ARCA_INLINE void tail_write(struct block *block, size_t bytes, size_t count, uintptr_t canary)
{
    char *end = (char *)block + bytes - TRAILER_BYTES;
    if (bytes < LONG_TAIL_BLOCK) {
        const loose_word *mask = (const loose_word *)tail_mask(SHORT_TAIL, count);
        loose_word *tail = (loose_word *)(end - SHORT_TAIL);
        tail[0] = canary & mask[0];
        tail[1] = canary & mask[1];
        tail[2] = canary & mask[2];
    } else {
        const pair twice = { canary, canary };
        const loose_pair *mask = (const loose_pair *)tail_mask(LONG_TAIL, count);
        loose_pair *tail = (loose_pair *)(end - LONG_TAIL);
        tail[0] = twice & mask[0];
        tail[1] = twice & mask[1];
        tail[2] = twice & mask[2];
        tail[3] = twice & mask[3];
    }
}

/* 0 when the tail is as it was. */
ARCA_INLINE uint64_t tail_difference(const struct block *block, size_t bytes, size_t count, uintptr_t canary)
{
    const char *end = (const char *)block + bytes - TRAILER_BYTES;
    if (bytes < LONG_TAIL_BLOCK) {
        const loose_word *mask = (const loose_word *)tail_mask(SHORT_TAIL, count);
        const loose_word *tail = (const loose_word *)(end - SHORT_TAIL);
        return ((tail[0] ^ canary) & mask[0]) | ((tail[1] ^ canary) & mask[1]) | ((tail[2] ^ canary) & mask[2]);
    }
    const pair twice = { canary, canary };
    const loose_pair *mask = (const loose_pair *)tail_mask(LONG_TAIL, count);
    const loose_pair *tail = (const loose_pair *)(end - LONG_TAIL);
    pair different = ((tail[0] ^ twice) & mask[0]) | ((tail[1] ^ twice) & mask[1]) |
                     ((tail[2] ^ twice) & mask[2]) | ((tail[3] ^ twice) & mask[3]);
    return different[0] | different[1];
}

/* The same of any count; of one that a block can not have, it is not 0. */
uint64_t canary_difference(const struct block *block, size_t bytes, size_t count, uintptr_t canary);

/* A canary whose highest 16 bits hide how many bytes are not the owner's. */
ARCA_INLINE uintptr_t trailer_of(uintptr_t canary, size_t slack)
{
    return canary ^ (uintptr_t)slack << 48;
}

/* trailer_write() of a block in which nothing is yet: of some of the owner's bytes zeros may come to be.  False, and nothing
 * is written, when more than a tail is behind the owner's. */
ARCA_INLINE bool trailer_write_fresh(struct block *block, size_t bytes, size_t size)
{
    uintptr_t canary = canary_of(block);
    size_t slack = bytes - size;
    if (unlikely(!tail_holds(bytes, slack - TRAILER_BYTES)))
        return false;
    tail_write(block, bytes, slack - TRAILER_BYTES, canary);
    *(loose_word *)((char *)block + bytes - TRAILER_BYTES) = trailer_of(canary, slack);
    return true;
}

/* False of one that trailer_read() had better look at: it was written to, or more than a tail is behind the owner's. */
ARCA_INLINE bool trailer_is_well(const struct block *block, size_t bytes)
{
    uintptr_t canary = canary_of(block);
    uintptr_t difference = *(const loose_word *)((const char *)block + bytes - TRAILER_BYTES) ^ canary;
    size_t count = (difference >> 48) - TRAILER_BYTES;
    return likely(tail_holds(bytes, count)) && likely((difference << 16 | tail_difference(block, bytes, count, canary)) == 0);
}

/* The size in it; aborts in the name of a function when a byte behind the owner's was changed. */
size_t trailer_read(const char *function, const struct block *block, size_t bytes);

/* ---- freed blocks -------------------------------------------------------------------------------------- */

#define JUNK_NEW 0xa5
#define JUNK_FREED 0x5a

_Static_assert(sizeof(struct block) == sizeof(pair), "a block is its first pair and more of them");

/* For longer ones the library has wider stores. */
#define FILL_PAIRS ((size_t)16)

ARCA_INLINE unsigned char freed_byte(void)
{
    return hardening.junk ? JUNK_FREED : 0;
}

/* The block is free from now on, and marked.  Blocks have two pairs at least.  Those at the end are written a second time
 * where that spares a branch. */
ARCA_INLINE void freed_fill(struct block *block, size_t bytes)
{
    size_t pairs = bytes / sizeof(pair);
    pair *at = (pair *)block, fill = { 0, 0 };
    if (unlikely(hardening.junk))
        fill = (pair){ JUNK_FREED * EACH_BYTE, JUNK_FREED * EACH_BYTE };
    if (pairs <= 4) {
        at[0] = at[1] = at[pairs - 2] = at[pairs - 1] = fill;
    } else if (pairs <= FILL_PAIRS) {
        for (size_t i = 0; i < pairs - 4; i += 4)
            at[i] = at[i + 1] = at[i + 2] = at[i + 3] = fill;
        at += pairs - 4;
        at[0] = at[1] = at[2] = at[3] = fill;
    } else {
        memset(block, freed_byte(), bytes);
    }
    block->mark = block_mark(block);
}

ARCA_COLD _Noreturn void freed_broken(const struct block *block);

/* freed_difference() where junk was filled in. */
uint64_t junk_difference(const struct block *block, size_t bytes);

/* 0 when it was not written to since. */
ARCA_INLINE uint64_t freed_difference(const struct block *block, size_t bytes)
{
    size_t pairs = bytes / sizeof(pair);
    const pair *at = (const pair *)block;
    pair set = at[0] ^ (pair){ block_mark(block), 0 };
    if (unlikely(hardening.junk))
        return junk_difference(block, bytes);
    if (pairs <= 4) {
        set |= at[1] | at[pairs / 2] | at[pairs - 1]; /* of 2, 3 or 4 all but the first */
    } else {
        set |= at[pairs - 4] | at[pairs - 3] | at[pairs - 2] | at[pairs - 1];
        for (size_t i = 1; i < pairs - 4; i += 4)
            set |= at[i] | at[i + 1] | at[i + 2] | at[i + 3];
    }
    return set[0] | set[1];
}

/* Aborts when it was. */
ARCA_INLINE void freed_check(const struct block *block, size_t bytes)
{
    if (unlikely(freed_difference(block, bytes) != 0))
        freed_broken(block);
}

/* A block that was free, for its owner's first look; after its trailer. */
ARCA_INLINE void fresh_fill(struct block *block, size_t size)
{
    if (unlikely(hardening.junk))
        memset(block, JUNK_NEW, size);
}

#endif
