/* Hashes under a secret of the process, so that nobody outside can choose keys that collide. */
#ifndef ARCA_CONTAINERS_HASH_H
#define ARCA_CONTAINERS_HASH_H

#include "base/compiler.h"

/* SipHash-1-3 (Aumasson and Bernstein, 2012). */
uint64_t hash_bytes(const char *bytes, size_t length);

/* One to one: equal hashes are equal words. */
uint64_t hash_word(uint64_t word);

#endif
