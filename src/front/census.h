/* Counting, from inside, what the memory of the process is used for (usage.h has the terms). */
#ifndef ARCA_FRONT_CENSUS_H
#define ARCA_FRONT_CENSUS_H

#include "heap/usage.h"

/* Walks all records and asks the kernel what is resident: about a millisecond a gigabyte.  Nothing is allocated; other
 * threads go on, and what they change meanwhile is counted before or after the change. */
void census_take(struct usage *usage);

#endif
