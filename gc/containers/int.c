/* Integers.  Those that programs use most are static, immortal and shared. */
#include <arca/containers.h>

#include "base/compiler.h"
#include "gc/objects/debug.h"

#define SHARED_LEAST (-5)
#define SHARED_MOST 256

struct arca_int {
    arca_object object;
    int64_t value;
};

static arca_type int_type = {
    .name = "arca_int",
    .size = sizeof(struct arca_int),
    .flags = ARCA_TYPE_ACYCLIC | ARCA_TYPE_IMMORTAL,
};

#define INT_1(n) { .object = { ARCA_IMMORTAL(&int_type), (n) } }
#define INT_4(n) INT_1(n), INT_1((n) + 1), INT_1((n) + 2), INT_1((n) + 3)
#define INT_16(n) INT_4(n), INT_4((n) + 4), INT_4((n) + 8), INT_4((n) + 12)
#define INT_64(n) INT_16(n), INT_16((n) + 16), INT_16((n) + 32), INT_16((n) + 48)

static ARCA_STATIC(struct arca_int) shared_ints[] = {
    INT_4(-5), INT_1(-1), INT_64(0), INT_64(64), INT_64(128), INT_64(192), INT_1(256),
};
_Static_assert(ARCA_ARRAY_LENGTH(shared_ints) == SHARED_MOST - SHARED_LEAST + 1, "one for each value");

arca_int *arca_int_new(int64_t value)
{
    if (value >= SHARED_LEAST && value <= SHARED_MOST)
        return &shared_ints[value - SHARED_LEAST].object;
    arca_int *integer = arca_new(&int_type);
    if (integer != NULL)
        integer->value = value;
    return integer;
}

int64_t arca_int_value(const arca_int *integer)
{
    debug_check_object("arca_int_value", integer, &int_type);
    return integer != NULL ? integer->value : 0;
}

bool arca_is_int(const void *object)
{
    return object != NULL && arca_type_of(object) == &int_type;
}
