/*
 * Every interleaving of a few threads of the real code, one after the other, each repeatable.
 *
 *   point     before each atomic access (hooks.h): here another thread may go on
 *   schedule  which thread went on at each point;  a switch that its thread did not need is a preemption
 *   scenario  setup, two or three bodies that run at the same time, check
 *
 * A scenario is run again and again, setup first, until each schedule with at most so many preemptions has been; large
 * ones take seeded random walks instead.  An EXPECT that fails, an abort of the library, a crash, a deadlock (nobody
 * can go on) and a livelock (too many steps) print the schedule, and the line that repeats it.
 *
 * Memory is sequentially consistent, as far as the bodies are free of data races (ThreadSanitizer's part).  With
 * store_buffers a store may stay invisible to the others, as x86 allows, until its thread modifies, fences, or goes on
 * after a switch, or somebody calls os_barrier(); a delay costs as much as a preemption.
 *
 * How to write a scenario:
 *
 *   static struct thing *shared;
 *   static void set_up(void) { model_begin(); shared = thing_new(1); }        whatever the last run left is forgotten
 *   static void load(void)   { struct thing *t = arca_slot_load(&shared->slot); EXPECT(t == NULL); }
 *   static void store(void)  { arca_slot_store(&shared->slot, NULL); }
 *   static void check(void)  { arca_release(shared); model_end(); }            every block must have come back
 *   SCENARIO(slot, an_empty_slot_stays_empty, .setup = set_up, .body = { load, store }, .check = check, .preemptions = 3)
 *
 * Setup and check run alone.  Bodies must do the same whenever they run in the same order: no clocks, no addresses
 * from malloc, no state from the run before (model.h starts everything anew).  A new file joins by its name,
 * scenarios_*.c; new library sources are entered in tests/CMakeLists.txt.  Then break the code by a row in mutants.py and
 * see the scenario find it: one that finds nothing proves nothing.
 */
#ifndef ARCA_TEST_SCHEDULER_H
#define ARCA_TEST_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCHEDULE_THREADS 3

struct scenario {
    const char *suite, *name; /* the name states the fact */
    void (*setup)(void);
    void (*body[SCHEDULE_THREADS])(void);
    void (*check)(void);
    unsigned preemptions; /* of every schedule with at most so many … */
    unsigned walks;       /* … or so many random ones, if not 0 */
    bool store_buffers;
    unsigned variants; /* of it, one run after the other; 0: there is one */
    struct scenario *next;
};

#define SCENARIO(suite_, name_, ...)                                                                                   \
    static struct scenario suite_##_##name_ = { .suite = #suite_, .name = #name_, __VA_ARGS__ };                       \
    __attribute__((constructor)) static void suite_##_##name_##_register(void)                                         \
    {                                                                                                                  \
        schedule_register(&suite_##_##name_);                                                                          \
    }                                                                                                                  \
    extern int scenario_ends_here

void schedule_register(struct scenario *scenario);

#define EXPECT(fact) ((fact) ? (void)0 : schedule_fail("%s:%d: not so: %s", __FILE__, __LINE__, #fact))

/* Says so, prints the schedule, and ends the scenario. */
_Noreturn void schedule_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- for bodies and for models of what the threads meet ------------------------------------------------ */

/* Who is running: 0, 1, …, or -1 in setup and check. */
int schedule_self(void);

/* Of a scenario that has some, the one that is run: 0, 1, … */
unsigned schedule_variant(void);

/* A point at something that is no atomic access. */
#define SCHEDULE_POINT(what) schedule_point(what, __FILE__, __LINE__)
void schedule_point(const char *what, const char *file, int line);

/* A point at which the thread can go on only while ready(argument) is true; it must not have side effects. */
void schedule_wait(bool (*ready)(const void *argument), const void *argument, const char *what, const char *file, int line);

/* The stores of the calling thread, or of all, are visible from now on. */
void schedule_drain(void);
void schedule_drain_all(void);

/* Called, if set, with the address of each atomic access. */
extern void (*schedule_on_access)(const void *address);

#endif
