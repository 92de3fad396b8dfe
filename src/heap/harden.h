/*
 * Hardened blocks: what stands behind a live one and in a freed one, so that a write is noticed later.
 *
 *   live    its owner's bytes | canary bytes | trailer: the last word, a canary with the size in it
 *   freed   mark | fill to the end
 *
 * Law: a span is `hardened` from its claim to its return, and then all of its blocks are.
 */
#ifndef ARCA_HEAP_HARDEN_H
#define ARCA_HEAP_HARDEN_H

#include "heap/block.h"

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

#define TRAILER_BYTES sizeof(uintptr_t)

/* The owner may use the first size bytes of a block of so many. */
void trailer_write(struct block *block, size_t bytes, size_t size);
/* That size; aborts in the name of a function when a byte behind it was changed. */
size_t trailer_read(const char *function, const struct block *block, size_t bytes);

/* The same without a trailer, for a block that ends in a page. */
void canary_write(void *block, size_t bytes, size_t size);
void canary_check(const char *function, const void *block, size_t bytes, size_t size);

/* A block that was free, for its owner's first look; before its trailer. */
void fresh_fill(struct block *block, size_t size);
/* The block is free from now on, and marked. */
void freed_fill(struct block *block, size_t bytes);
/* Aborts when it was written to since. */
void freed_check(const struct block *block, size_t bytes);

#endif
