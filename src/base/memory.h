/*
 * How much memory there is for this process: its control groups of either version, the machine.
 *
 * A limit holds for a group and all below it, so that every group from the process' own up to the root is looked at;
 * in a container the path of the group may lead nowhere, and the root is its own group.
 *
 * Files of the kernel are read anew at each call, some ten microseconds each; no allocation, errno is preserved.
 */
#ifndef ARCA_BASE_MEMORY_H
#define ARCA_BASE_MEMORY_H

#include "base/compiler.h"

/* In front of /proc and /sys; tests put a tree of their own there. */
extern const char *memory_root;

/* Bytes that the process' groups let it use, the tightest of them; 0 for no limit. */
uint64_t memory_cgroup_limit(void);

/* Bytes of memory that the machine has; 0 if unknown. */
uint64_t memory_machine_bytes(void);

#endif
