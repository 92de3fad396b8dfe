/* Weak references: what the collector decides together with its certification. */
#ifndef ARCA_GC_WEAK_H
#define ARCA_GC_WEAK_H

#include "base/lock.h"
#include "gc/objects/header.h"

/* While it is set, upgrades take the lock: set before a grace period, so that those that did not see it are over. */
extern _Atomic uint32_t weak_certifying;
extern struct lock weak_lock;

#endif
