/* Counting, from inside, what the memory of the process is used for (usage.h has the terms). */
#ifndef ARCA_FRONT_CENSUS_H
#define ARCA_FRONT_CENSUS_H

#include "heap/usage.h"

/* Walks all records and asks the kernel what is resident: about a millisecond a gigabyte.  Nothing is allocated; other
 * threads go on, and what they change meanwhile is counted before or after the change. */
void census_take(struct usage *usage);

/* The same up to 256 MiB of address space.  Of more as much as a thousandth of the time since the last such look pays for, a minute in
 * advance; of the other arenas what was found the last time, unless the kernel's total, or what they count themselves, says that
 * the sum would be wrong (ledger.h).  Returns how many milliseconds ago the oldest of that was seen. */
uint64_t census_take_by_turns(struct usage *usage);

#endif
