/* Objects that say when they die, and a container's view of the heap running dry. */
#ifndef ARCA_TEST_PROBE_H
#define ARCA_TEST_PROBE_H

#include "harness.h"

#include "arca/containers.h"

#include <errno.h>
#include <stdatomic.h>

static _Atomic unsigned probes_dead;

struct probe {
    arca_object object;
    uint64_t number;
};

static inline void probe_destroy(void *object)
{
    ((struct probe *)object)->number = UINT64_MAX;
    atomic_fetch_add(&probes_dead, 1);
}

static arca_type probe_type = { .name = "probe", .size = sizeof(struct probe), .destroy = probe_destroy };

static inline struct probe *probe_new(uint64_t number)
{
    struct probe *probe = arca_new(&probe_type);
    REQUIRE(probe != NULL);
    probe->number = number;
    return probe;
}

/* Owned and fresh, so that every unit is counted. */
static inline arca_str *str(const char *text)
{
    arca_str *string = arca_str_new(text, strlen(text));
    REQUIRE(string != NULL);
    return string;
}

static inline arca_int *integer(int64_t value)
{
    arca_int *made = arca_int_new(value);
    REQUIRE(made != NULL);
    return made;
}

/* What an owned reference refers to, without keeping it. */
static inline void *seen(void *owned)
{
    arca_release(owned);
    return owned;
}

#endif
