/* Powers of two and bit scans. */
#ifndef ARCA_BASE_BITS_H
#define ARCA_BASE_BITS_H

#include "base/compiler.h"

ARCA_INLINE bool bits_is_pow2(size_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

/* align must be a power of two; wraps where n is within align of SIZE_MAX. */
ARCA_INLINE size_t bits_round_up(size_t n, size_t align)
{
    return (n + align - 1) & ~(align - 1);
}

ARCA_INLINE unsigned bits_lowest(uint64_t word)
{
    return (unsigned)__builtin_ctzll(word);
}

/* Number of bits needed to write n; 0 for 0. */
ARCA_INLINE unsigned bits_width(uint64_t n)
{
    return n == 0 ? 0 : 64u - (unsigned)__builtin_clzll(n);
}

/* The smallest power of two >= n; n must not exceed 2^63. */
ARCA_INLINE size_t bits_next_pow2(size_t n)
{
    return n <= 1 ? 1 : (size_t)1 << bits_width(n - 1);
}

#endif
