/* The thread-local doors. */
#include "front/door.h"

size_t malloc_fast_max ARCA_READ_OFTEN = SMALL_MAX;

ARCA_TLS struct heap_door thread_door = { .heap = &heap_sentinel, .asked = ASKED_FOR(0) };
ARCA_TLS struct heap_door object_door = { .heap = &heap_sentinel };

_Static_assert(2 * sizeof(struct heap_door) <= 256, "a larger TLS block would make dlopen() fail");
