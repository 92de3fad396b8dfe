/* What a map does for arca_copy. */
#ifndef ARCA_CONTAINERS_MAP_H
#define ARCA_CONTAINERS_MAP_H

#include <arca/containers.h>

/* A new map with the same keys and values, in their order, a snapshot.  Owned; NULL with ENOMEM. */
arca_map *map_copy(arca_map *map);

#endif
