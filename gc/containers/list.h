/* What a list does for arca_copy. */
#ifndef ARCA_CONTAINERS_LIST_H
#define ARCA_CONTAINERS_LIST_H

#include <arca/containers.h>

/* A new list with the same items, a snapshot.  Owned; NULL with ENOMEM. */
arca_list *list_copy(arca_list *list);

#endif
