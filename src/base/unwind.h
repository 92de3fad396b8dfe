/*
 * Call stacks by frame pointers: nothing is locked, allocated or looked up in unwind tables, so that it can be done
 * inside malloc.
 *
 * Code that was compiled without frame pointers (-fomit-frame-pointer) uses the register for something else.  Therefore
 * each word is read only where it can be, and each address must lie behind a call in the code of a loaded object: the
 * walk ends at the first that does not, and never shows what is not there.
 */
#ifndef ARCA_BASE_UNWIND_H
#define ARCA_BASE_UNWIND_H

#include "base/compiler.h"

#define UNWIND_MAX 32

/* Return addresses from a frame (ARCA_FRAME()) on, innermost first; how many. */
unsigned unwind(const void *frame, uintptr_t *addresses, unsigned capacity);

/* "file+0xoffset (function)" of an address, for messages: it takes the loader's lock. */
size_t unwind_name(uintptr_t address, char *buf, size_t capacity);

#endif
