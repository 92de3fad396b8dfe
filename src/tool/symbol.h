/* Finding an exported object of a process, by its name. */
#ifndef ARCA_TOOL_SYMBOL_H
#define ARCA_TOOL_SYMBOL_H

#include "tool/process.h"

/* Calls see with each address at which a loaded file defines the name, until it returns false.  Files whose dynamic
 * symbols say so come first, found in the memory of the process, so that a library that was replaced on disk is no
 * matter; then the program's own symbol table, for one that has Arca linked in. */
typedef bool symbol_visit(struct process *process, uintptr_t address, void *context);
bool symbol_find(struct process *process, const char *name, symbol_visit *visit, void *context);

#endif
