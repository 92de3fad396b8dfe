/*
 * What the threads of a scenario meet in place of the heap, the kernel and liburcu.
 *
 * Blocks are reused at once, the last one freed first, by any thread: the real heap's bins and remote lists can do
 * no worse.  Header words survive; everything else of a free block is overwritten, and an atomic access to it ends
 * the scenario, as does any access to a block that was given back to the system.
 */
#ifndef ARCA_TEST_MODEL_H
#define ARCA_TEST_MODEL_H

#include "arca/object.h"
#include "scheduler.h"

/* An object with two slots and a name. */
struct thing {
    arca_object object;
    arca_slot slot, other;
    uint64_t id; /* of the first THINGS */
};

#define THINGS 16

/* The variants of a scenario whose loads and upgrades are to begin both ways: as they do, and by the closer look. */
#define LOOKS 2

/* What was done with the thing of an id since model_begin(). */
struct thing_life {
    unsigned finalized, destroyed;
};
extern struct thing_life lives[THINGS];

/* Of a thing; NULL: nothing to finalize. */
extern void (*thing_finalizer)(struct thing *thing);
extern arca_type thing_type, finalized_thing_type, hot_thing_type;

/* First in a setup: every block is free, nothing has happened. */
void model_begin(void);

/* Last in a check: aborts unless every block is free. */
void model_end(void);

struct thing *thing_new(uint64_t id);
struct thing *thing_new_finalized(uint64_t id);
struct thing *thing_new_hot(uint64_t id);

uint32_t thing_count(const void *object);

/* A line of the library since model_begin(). */
extern unsigned log_lines;

/* The collector's side of free: what it drained. */
void model_free(void *object);

/* The block and whatever was in it is gone from now on. */
void model_unmap(void *block);

/* Time passes: for os_now_ms(), while the thread does something that takes so long. */
void model_pass_ms(uint32_t ms);

/* Nobody is in a section. */
void model_epoch_begin(void);

/* Called when a parked heap is swept, its lock held, and when a span returns to its arena. */
struct heap;
struct span;
extern void (*model_on_sweep)(struct heap *heap);
extern void (*model_on_return)(struct span *span);

#endif
