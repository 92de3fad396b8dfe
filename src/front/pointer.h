/* Pointers that enter: the span of the block, or a line and the end. */
#ifndef ARCA_FRONT_POINTER_H
#define ARCA_FRONT_POINTER_H

#include "arenas/span.h"

/* What is wrong with it, in the name of the function that the program called. */
ARCA_COLD _Noreturn void pointer_bad(const char *function, const void *address);

/* The span of a live block; aborts for anything else that can be told apart without a walk. */
struct span *pointer_span(const char *function, const void *address);

/* Bytes that its owner may use; aborts where a hardened one was overrun. */
size_t pointer_usable(const char *function, const struct span *span, const void *block);

#endif
