/* In which order the loader looks for a symbol among the files of a process. */
#ifndef ARCA_TOOL_LOAD_ORDER_H
#define ARCA_TOOL_LOAD_ORDER_H

#include "tool/process.h"

#define LOAD_ORDER_MAX 1024

struct load_order {
    uintptr_t dynamic[LOAD_ORDER_MAX]; /* an address in each file, the program first */
    unsigned count;                    /* 0 where there is no loader: a static program */
};

void load_order_read(struct process *process, struct load_order *order);

#endif
