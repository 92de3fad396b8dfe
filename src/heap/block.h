/*
 * A free block: a link, and a mark that tells it from a live one.
 *
 * Law: every block on a free list, in a bin, a parcel or a remote list carries the mark; a block that is
 * handed out does not.  So a block that is freed with the mark is freed twice, at the price of a compare.
 */
#ifndef ARCA_HEAP_BLOCK_H
#define ARCA_HEAP_BLOCK_H

#include "base/compiler.h"

struct block {
    uintptr_t mark; /* of an object's block: its header word, which is never a mark */
    struct block *next;
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
