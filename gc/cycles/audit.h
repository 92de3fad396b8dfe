/*
 * What debug=refs adds to finding: an object that more slots hold than its count says.  One of them was copied as memory
 * (U6 of object.h), and the object will be freed under it.
 */
#ifndef ARCA_GC_AUDIT_H
#define ARCA_GC_AUDIT_H

#include "gc/cycles/carry.h"
#include "gc/cycles/scope.h"

/* After all slots were counted, by whom some may have been seen twice as they moved: aborts with a line where that is not
 * the reason. */
void audit_counts(struct scope *scope, const struct carries *carries);

#endif
