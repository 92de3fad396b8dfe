/* What is counted for the whole process; sizes are computed on demand by those who own them. */
#ifndef ARCA_BASE_STATS_H
#define ARCA_BASE_STATS_H

#include "base/atomic.h"
#include "base/compiler.h"

struct stats {
#define COUNTER(name, unit, sentence) _Atomic uint64_t name;
#define LATEST COUNTER
#include "base/stats.def"
#undef LATEST
#undef COUNTER
};

extern struct stats stats;

#define stats_add(name, n) ((void)add_rlx(&stats.name, (uint64_t)(n)))
#define stats_set(name, n) store_rlx(&stats.name, (uint64_t)(n))
#define stats_read(name) load_rlx(&stats.name)

#endif
