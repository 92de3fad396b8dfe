/*
 * Proves that a set of objects is garbage, without stopping anybody: steps 1 to 7 of the protocol (docs/collector.md).
 *
 *   word      a member's header word when the set was read first
 *   internal  references to it from slots of members; its units (scope.h) are what of its count they do not explain
 *
 * Law of what is left at the end: every member's count is internal (+ 1 where the collector holds a unit itself), and
 * its word did not change between two readings with all scans and a grace period in between.
 *
 *   state       the set holds
 *   proposed    anything
 *   read        living objects, with their words          (read_words)
 *   scanned     and the edges between them                 (scan_slots)
 *   balanced    and count = internal                       (shrink)
 *   certified   and nobody has had, or can get, a unit     (certifier_run)
 */
#ifndef ARCA_GC_CERTIFIER_H
#define ARCA_GC_CERTIFIER_H

#include "gc/cycles/set.h"

/* Milliseconds from the beginning of one reading of the words to the end of the next that prove anything; tests make it
 * shorter. */
extern uint32_t certifier_window_ms;

/* Drops all that can not be proved garbage; what is left is lost to everybody else, its weak cells are cut off.
 * held: units of each member that the collector has itself.  False without memory: nothing is proved. */
bool certifier_run(struct set *set, uint32_t held);

#endif
