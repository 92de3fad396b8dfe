/*
 * One life of the soak: threads that change checksummed blocks and graphs of objects, and a main thread that forks,
 * collects, trims, starts threads and makes system calls fail meanwhile.
 *
 * A loss (a byte that changed, a block handed out twice, an object that is dead too early or for ever alive) ends the
 * life with a line that names it.
 */
#ifndef ARCA_TEST_SOAK_H
#define ARCA_TEST_SOAK_H

#include <stdbool.h>
#include <stdint.h>

/* Blocks: held by one thread, sent to others by a common mailbox, in explicit heaps.  A number of steps each. */
void blocks_allow_refusals(void);
struct blocks_bag;
struct blocks_bag *blocks_open(void);
void blocks_close(struct blocks_bag *bag);
void blocks_steps(struct blocks_bag *bag, unsigned steps, uint64_t *random);
/* More than a moment's worth, all at once, and freed again. */
void blocks_burst(uint64_t *random);
void blocks_empty_mailbox(void);

/* Objects: a common graph that all change, with cycles, weak references, finalisers that resurrect. */
void objects_open(void);
void objects_steps(unsigned steps, uint64_t *random);
void objects_collect(uint64_t *random);
/* Releases the graph, collects, and checks that nothing is left alive. */
void objects_close(void);
uint64_t objects_born(void);

/* The other faces: explicit heaps that all threads use, containers in each other, domains that are traced and served by others,
 * figures, options, dumps, libraries that come and go.  In the child of a fork what another thread was changing is left alone. */
void faces_open(void);
void faces_live_as_child(void);
void faces_steps(unsigned steps, uint64_t *random);
void faces_chore(uint64_t *random);
/* Checks and releases all. */
void faces_close(void);

#endif
