/* Lists that grow. */
#ifndef ARCA_TOOL_ROOM_H
#define ARCA_TOOL_ROOM_H

#include "base/compiler.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more in a list, of which *list is the pointer to its items; false without memory. */
ARCA_INLINE bool make_room(void *list, size_t count, size_t *capacity, size_t bytes)
{
    void *items;
    memcpy(&items, list, sizeof items);
    if (count < *capacity)
        return true;
    size_t wanted = *capacity != 0 ? 2 * *capacity : 16;
    if ((items = realloc(items, wanted * bytes)) == NULL)
        return false;
    memcpy(list, &items, sizeof items);
    *capacity = wanted;
    return true;
}

#endif
