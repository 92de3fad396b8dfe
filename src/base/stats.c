/* The counters' home. */
#include "base/stats.h"

struct stats stats;
