/*
 * A free block: a mark that tells it from a live one, and a link, which is the mark of the next block.
 *
 * Law: every block on a free list, in a bin, a parcel or a remote list carries the mark; a block that is
 * handed out does not.  So a block that is freed with the mark is freed twice, at the price of a compare; and what
 * is about to be handed out without it is no free block, or was written to.  A write to freed memory can break a link,
 * but who does not know the secret can not make it lead to a place of his choice.
 *
 * Blocks for objects carry no mark: their first word is a header word, which other threads read at any time and
 * which must survive from one life of the block to the next.  It starts as 0 when the block is carved.
 */
#ifndef ARCA_HEAP_BLOCK_H
#define ARCA_HEAP_BLOCK_H

#include "base/atomic.h"
#include "base/compiler.h"

struct block {
    uintptr_t mark; /* of a block for objects: its header word */
    uintptr_t link; /* 0 at the end of a list */
};

#define BLOCK_ADDRESS_BITS 47

/* Random; set once before the first block is freed. */
extern uintptr_t block_secret;

/* Blocks are aligned to 16, so that the low half byte of a secret is that of every mark: one that neither a zero, a
 * pointer nor most small numbers have.  Nor have these, or text, the sign. */
ARCA_INLINE void block_secret_set(uint64_t random)
{
    block_secret = (uintptr_t)1 << 63 | (uintptr_t)random << 4 | 11;
}

/* Depends on the address, so that a program that copies uninitialised memory around does not carry a
 * valid mark from one block to another. */
ARCA_INLINE uintptr_t block_mark(const struct block *block)
{
    return (uintptr_t)block ^ block_secret;
}

/* A list that was written to: one line, and the end.  NULL where the block is not known. */
ARCA_COLD _Noreturn void block_broken(const struct block *block);

ARCA_INLINE uintptr_t block_link_to(const struct block *next)
{
    return next == NULL ? 0 : block_mark(next);
}

/* Of a link that is not 0. */
ARCA_INLINE struct block *block_at(uintptr_t link)
{
    return (struct block *)(link ^ block_secret);
}

/* The block of any link or NULL; aborts where it can not be one.  Slow paths only. */
ARCA_INLINE struct block *block_of_link(uintptr_t link, const struct block *from)
{
    if (link == 0)
        return NULL;
    if (unlikely((uintptr_t)block_at(link) >> BLOCK_ADDRESS_BITS != 0))
        block_broken(from);
    return block_at(link);
}

ARCA_INLINE struct block *block_next(const struct block *block)
{
    return block_of_link(block->link, block);
}

ARCA_INLINE void block_set_next(struct block *block, const struct block *next)
{
    block->link = block_link_to(next);
}

/* One with room for it may name another that comes later in its list, so that whoever goes through the list asks for that
 * in time: what others have freed is in their caches.  No more than a hint: the word may be anything. */
struct roomy_block {
    struct block block;
    uintptr_t later; /* its mark */
};

ARCA_INLINE bool block_is_roomy(uint32_t block_size)
{
    return block_size >= sizeof(struct roomy_block);
}

ARCA_INLINE void block_set_later(struct block *block, const struct block *later)
{
    ((struct roomy_block *)block)->later = block_mark(later);
}

ARCA_INLINE uintptr_t block_later(const struct block *block)
{
    return (uintptr_t)block_at(((const struct roomy_block *)block)->later);
}

ARCA_INLINE void block_ask_for_later(const struct block *block)
{
    __builtin_prefetch((const void *)block_later(block), 1);
}

/* Looks at one byte first: a load that is wider than what the program has just stored there would wait until the
 * store has reached the cache. */
ARCA_INLINE bool block_is_marked(const struct block *block)
{
    uintptr_t mark = block_mark(block);
    return unlikely(*(const unsigned char *)block == (unsigned char)mark) && block->mark == mark;
}

/* A block that is carved. */
ARCA_INLINE void block_init(struct block *block, bool objects)
{
    if (objects)
        store_rlx((_Atomic uintptr_t *)&block->mark, (uintptr_t)0);
    else
        block->mark = block_mark(block);
}

#endif
