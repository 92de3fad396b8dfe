/*
 * How much memory there is for this process: its control groups of either version, the machine.
 *
 * A limit holds for a group and all below it, so that every group from the process' own up to the root is looked at;
 * in a container the path of the group may lead nowhere, and the root is its own group.
 *
 * Law: near its end is what is within a sixteenth of a limit; the page cache, which the kernel drops first, does not
 * count as used.  Files of the kernel are read anew at each call, by one thread at a time: some ten microseconds.
 */
#ifndef ARCA_BASE_MEMORY_H
#define ARCA_BASE_MEMORY_H

#include "base/compiler.h"

/* In front of /proc and /sys; tests put a tree of their own there. */
extern const char *memory_root;

/* Bytes that the process' groups let it use, at all or without being held up, the tightest of them; 0 for no limit. */
uint64_t memory_cgroup_limit(void);

/* Bytes until use comes near the limit; 0 when it has. */
uint64_t memory_spare(uint64_t limit, uint64_t used);

/* The least of that for any limit of the process' groups; UINT64_MAX for no limit. */
uint64_t memory_cgroup_spare(void);

/* Bytes in memory that the process wrote, and no file stands for; UINT64_MAX if unknown.  Any thread. */
uint64_t memory_anonymous(void);

/* The same as memory_spare() for the process' address space and the part of it that is its own, the tighter of the two; so many
 * bytes are mapped for later and do not count. */
uint64_t memory_address_spare(uint64_t reserved);

/* Whether what is mapped for later counts: against a limit of the process that is narrow, or, where the kernel promises no more than
 * it has (vm.overcommit_memory=2), against all processes.  Any thread. */
bool memory_reserving_is_dear(void);

/* Of the last ten seconds, the share in which some process of the machine, or of the own group, stood still for want of
 * memory (the kernel's pressure stall information): hundredths of a percent; 0 if unknown. */
uint32_t memory_stall(void);

/* Bytes of memory that the machine has; 0 if unknown. */
uint64_t memory_machine_bytes(void);

#endif
