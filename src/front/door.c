/* The thread-local door. */
#include "front/door.h"

ARCA_TLS struct heap_door thread_door = { .heap = &heap_sentinel };

_Static_assert(sizeof(struct heap_door) <= 256, "a larger TLS block would make dlopen() fail");
