/* Sections and grace periods, futexes, the membarrier, a clock. */
#include "model.h"

#include "base/memory.h"
#include "base/os.h"
#include "front/pressure.h"
#include "gc/objects/epoch.h"
#include "gc/objects/fiber.h"

#include <string.h>
#include <time.h>

/* ---- sections ------------------------------------------------------------------------------------------------- */

/* Per thread: odd while it is in a section. */
static unsigned sections[SCHEDULE_THREADS], nesting[SCHEDULE_THREADS];

struct grace {
    unsigned sections[SCHEDULE_THREADS];
};

void model_epoch_begin(void)
{
    memset(sections, 0, sizeof sections);
    memset(nesting, 0, sizeof nesting);
}

void epoch_enter(void)
{
    int self = schedule_self();
    if (self >= 0 && nesting[self]++ == 0) {
        SCHEDULE_POINT("enter");
        sections[self]++;
    }
}

void epoch_leave(void)
{
    int self = schedule_self();
    if (self >= 0 && --nesting[self] == 0) {
        SCHEDULE_POINT("leave");
        sections[self]++;
    }
}

bool epoch_inside(void)
{
    int self = schedule_self();
    return self >= 0 && nesting[self] != 0;
}

/* Where it is not, loads and upgrades look closely at once. */
bool epoch_is_attached(void)
{
    return schedule_variant() == 0;
}

bool epoch_attach(void)
{
    return true;
}

static bool grace_is_over(const void *argument)
{
    const struct grace *grace = argument;
    for (int i = 0; i < SCHEDULE_THREADS; i++) {
        if (grace->sections[i] % 2 != 0 && grace->sections[i] == sections[i])
            return false;
    }
    return true;
}

/* Every running thread passes a barrier. */
void epoch_wait(void)
{
    struct grace grace;
    SCHEDULE_POINT("grace period");
    schedule_drain_all();
    memcpy(grace.sections, sections, sizeof sections);
    schedule_wait(grace_is_over, &grace, "end of the grace period", __FILE__, __LINE__);
    schedule_drain_all();
}

/* ---- the kernel ------------------------------------------------------------------------------------------------- */

/* The word that each thread sleeps on. */
static _Atomic uint32_t *sleeping[SCHEDULE_THREADS];

static bool is_awake(const void *argument)
{
    return *(_Atomic uint32_t *const *)argument == NULL;
}

void os_wait(_Atomic uint32_t *word, uint32_t expected, uint32_t timeout_ms)
{
    int self = schedule_self();
    if (self < 0 || timeout_ms != OS_FOREVER || load_seq(word) != expected)
        return;
    sleeping[self] = word;
    schedule_wait(is_awake, &sleeping[self], "sleep", __FILE__, __LINE__);
}

void os_wake(_Atomic uint32_t *word, int count)
{
    SCHEDULE_POINT("wake");
    schedule_drain();
    for (int i = 0; i < SCHEDULE_THREADS && count > 0; i++) {
        if (sleeping[i] == word) {
            sleeping[i] = NULL;
            count--;
        }
    }
}

unsigned os_process_id(void)
{
    return 1;
}

void os_thread_settle(int nicer)
{
    (void)nicer;
}

bool os_barrier(void)
{
    SCHEDULE_POINT("barrier");
    schedule_drain_all();
    return true;
}

/* Time stands still, before anything is due, unless a scenario moves it. */
static uint32_t passed_ms;

void model_pass_ms(uint32_t ms)
{
    SCHEDULE_POINT("time");
    passed_ms += ms;
}

uint32_t os_now_ms(void)
{
    return UINT32_MAX + passed_ms;
}

uint64_t os_clock_ms(void)
{
    return 0;
}

bool memory_reserving_is_dear(void)
{
    return false;
}

void os_pause(uint32_t microseconds)
{
    (void)microseconds;
    schedule_pause(__FILE__, __LINE__);
}

uint64_t os_now_us(void)
{
    return 0;
}

/* ---- work in parts: here it is done at once --------------------------------------------------------------------- */

bool fiber_run(void (*work)(void), uint64_t microseconds)
{
    (void)microseconds;
    work();
    return true;
}

bool fiber_is_resting(void)
{
    return false;
}

void fiber_rest(void)
{
}

uint64_t fiber_rested_us(void)
{
    return 0;
}

bool fiber_time_is_over(void)
{
    return false;
}

bool fiber_must_rest(void)
{
    return false;
}

bool fiber_is_hurried(void)
{
    return false;
}

bool fiber_set_private(bool private)
{
    return private;
}

void fiber_help(uint64_t microseconds)
{
    (void)microseconds;
}

bool fiber_fork_child(bool cut)
{
    return cut;
}

/* ---- the rest --------------------------------------------------------------------------------------------------- */

bool os_process_is_ours(void)
{
    return true;
}

enum os_fork_state os_fork_state(void)
{
    return OS_FORK_NONE;
}

bool os_thread_start(void (*run)(void))
{
    (void)run;
    return false;
}

bool os_thread_is_gone(void)
{
    return true;
}

void os_thread_fork_child(void)
{
}

bool pressure_look(size_t incoming)
{
    (void)incoming;
    return false;
}

bool pressure_look_sometimes(void)
{
    return false;
}

bool pressure_is_near(size_t incoming)
{
    (void)incoming;
    return false;
}
