/*
 * A free block: a link, and a mark that tells it from a live one.
 *
 * Law: every block on a free list, in a bin or on a remote list carries the mark; a block that is
 * handed out does not.  A block that is freed with the mark is a double free, or holds by chance (2^-64)
 * or by malice the same word: the free path then looks it up in the lists before it complains.
 */
#ifndef ARCA_HEAP_BLOCK_H
#define ARCA_HEAP_BLOCK_H

#include "base/compiler.h"

struct block {
    struct block *next;
    uintptr_t mark;
};

/* Random; set once before the first block is freed. */
extern uintptr_t block_secret;

/* Depends on the address, so that a program that copies uninitialised memory around does not carry a
 * valid mark from one block to another. */
ARCA_INLINE uintptr_t block_mark(const struct block *block)
{
    return (uintptr_t)block ^ block_secret;
}

#endif
