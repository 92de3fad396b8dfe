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

/* Number of bits set; without an instruction of its own, which not all processors have, and without a call. */
ARCA_INLINE unsigned bits_count(uint64_t word)
{
    const uint64_t one_of_2 = UINT64_MAX / 3, two_of_4 = UINT64_MAX / 5, four_of_8 = UINT64_MAX / 17;
    word -= word >> 1 & one_of_2;
    word = (word & two_of_4) + (word >> 2 & two_of_4);
    return (unsigned)(((word + (word >> 4)) & four_of_8) * (UINT64_MAX / 255) >> 56);
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
