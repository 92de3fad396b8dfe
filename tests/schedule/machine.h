/* The inside of the scheduler: machine.c runs one schedule, search.c decides which. */
#ifndef ARCA_TEST_MACHINE_H
#define ARCA_TEST_MACHINE_H

#include "scheduler.h"

/* Runs a scenario once; the points that it had. */
unsigned machine_run(const struct scenario *scenario);

/* The steps of the run under way, or of the last one, on stderr. */
void machine_print(void);

/* 0 … options - 1; stay: 0 is to go on as before.  Called in the same order with the same options for the same
 * answers. */
unsigned search_choose(unsigned options, bool stay);

/* Preemptions and delays that a schedule may have. */
unsigned search_budget(void);

#endif
