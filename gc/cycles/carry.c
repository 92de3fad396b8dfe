/* The table of carries. */
#include "gc/cycles/carry.h"

#include "arca/arca.h"

#define FIRST_BITS 6

static struct carry *place_of(struct carry *table, unsigned bits, uint32_t index)
{
    size_t mask = ((size_t)1 << bits) - 1;
    size_t at = (size_t)(index * UINT64_C(0x9e3779b97f4a7c15) >> (64 - bits));
    while (table[at].used && table[at].index != index)
        at = (at + 1) & mask;
    return &table[at];
}

static bool grow(struct carries *carries)
{
    unsigned bits = carries->table != NULL ? carries->bits + 1 : FIRST_BITS;
    struct carry *table = arca_calloc((size_t)1 << bits, sizeof *table);
    if (table == NULL)
        return false;
    for (size_t i = 0; carries->table != NULL && i < (size_t)1 << carries->bits; i++) {
        if (carries->table[i].used)
            *place_of(table, bits, carries->table[i].index) = carries->table[i];
    }
    arca_free(carries->table);
    carries->table = table;
    carries->bits = bits;
    return true;
}

uint8_t carry_units(struct carries *carries, uint32_t index, int64_t byte)
{
    if ((carries->table == NULL || carries->count >= (uint32_t)1 << (carries->bits - 1)) && !grow(carries)) {
        carries->failed = true;
        return UNITS_NONE;
    }
    struct carry *carry = place_of(carries->table, carries->bits, index);
    carries->count += !carry->used;
    carry->used = true;
    carry->index = index;
    carry->units += (int32_t)(byte - UNITS_NONE);
    return UNITS_NONE;
}

int64_t carry_sum(const struct carries *carries, const uint8_t *units, uint32_t index)
{
    int64_t carried = carries->table != NULL ? place_of(carries->table, carries->bits, index)->units : 0;
    return units[index] - UNITS_NONE + carried;
}

void carry_settle(const struct carries *carries, uint8_t *bytes)
{
    for (size_t i = 0; carries->table != NULL && i < (size_t)1 << carries->bits; i++) {
        const struct carry *carry = &carries->table[i];
        if (carry->used)
            bytes[carry->index] = bytes[carry->index] - UNITS_NONE + carry->units == 0 ? UNITS_NONE : 0;
    }
}

void carry_close(struct carries *carries)
{
    arca_free(carries->table);
    *carries = (struct carries){ .table = NULL };
}
