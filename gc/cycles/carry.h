/*
 * What a byte can not hold of a number of units, by index; of the few objects that many refer to.
 *
 * Law: a number of units = the byte - UNITS_NONE + what is carried of its index.
 */
#ifndef ARCA_GC_CARRY_H
#define ARCA_GC_CARRY_H

#include "base/compiler.h"

#include <stdint.h>

#define UNITS_NONE 128

struct carry {
    uint32_t index;
    int32_t units;
    bool used;
};

struct carries {
    struct carry *table; /* a hash table, half full at most; NULL before the first one */
    uint32_t count;
    unsigned bits; /* of its size */
    bool failed;   /* memory was short: some are lost */
};

/* The byte of an index is to become so much, which it can not: the byte is returned. */
uint8_t carry_units(struct carries *carries, uint32_t index, int64_t byte);

/* amount may be negative. */
ARCA_INLINE void carry_add(struct carries *carries, uint8_t *units, uint32_t index, int64_t amount)
{
    int64_t byte = units[index] + amount;
    units[index] = likely(byte >= 0 && byte <= UINT8_MAX) ? (uint8_t)byte : carry_units(carries, index, byte);
}

ARCA_INLINE void carry_take_one(struct carries *carries, uint8_t *units, uint32_t index)
{
    if (unlikely(units[index] == 0))
        units[index] = carry_units(carries, index, 0);
    --units[index];
}

/* What an index has, before it is settled. */
int64_t carry_sum(const struct carries *carries, const uint8_t *units, uint32_t index);

/* Bytes of what is carried say no more than whether the number is 0. */
void carry_settle(const struct carries *carries, uint8_t *bytes);
void carry_close(struct carries *carries);

#endif
