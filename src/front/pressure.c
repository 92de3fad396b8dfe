/* Looking at limits and stalls, and when to look again. */
#include "front/pressure.h"

#include "arenas/arena.h"
#include "base/memory.h"
#include "base/options.h"
#include "base/os.h"
#include "base/probe.h"
#include "base/stats.h"
#include "heap/watch.h"

/* One tenth of the time, in hundredths of a percent: what the kernel's own documentation calls considerable. */
#define STALL_MAX 1000

/* Claims grow between looks by so much, and by a 64th, at the least, and at the most by as much as there was, and so much. */
#define STEP_MIN ((uint64_t)1 << 20)
#define STEP_MAX ((uint64_t)64 << 20)

/* A look costs some fifty microseconds. */
#define LOOK_MS 250

static _Atomic bool pressed;
static _Atomic uint64_t seen_spare = UINT64_MAX;
static _Atomic uint32_t looked_ms;

bool pressure_is_on(void)
{
    return load_rlx(&pressed);
}

bool pressure_is_near(size_t incoming)
{
    return pressure_is_on() || incoming > load_rlx(&seen_spare) / 2;
}

static uint64_t lesser(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t difference(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* What is claimed and not written yet, such as a large block that another thread has just got: the group's use does not count it
 * so far, and nothing comes by here when it does. */
static uint64_t untouched(uint64_t resident)
{
    uint64_t written = memory_anonymous();
    return written == UINT64_MAX ? 0 : difference(resident, written);
}

static void set_alarm(uint64_t resident, uint64_t spare)
{
    uint64_t step = spare / 2, least = STEP_MIN + resident / 64;
    if (step < least)
        step = least;
    if (step > resident + STEP_MAX)
        step = resident + STEP_MAX;
    store_rlx(&arenas.alarm_slices, (size_t)(resident + step) >> SLICE_SHIFT);
}

bool pressure_look(size_t incoming)
{
    uint64_t resident = (uint64_t)arena_resident_slices(&arenas) << SLICE_SHIFT;
    uint64_t mapped = (uint64_t)load_rlx(&arenas.mapped_slices) << SLICE_SHIFT;
    uint64_t own = options.limit != 0 ? memory_spare(options.limit, resident) : UINT64_MAX;
    uint64_t spare = lesser(own, memory_address_spare(difference(mapped, resident)));
    uint64_t group = memory_cgroup_spare(), ahead = group;
    if (group != UINT64_MAX) {
        ahead = difference(group, untouched(resident));
        group = difference(group, incoming);
    }
    bool short_now = lesser(spare, group) == 0 || memory_stall() >= STALL_MAX;
    store_rlx(&looked_ms, os_now_ms());
    spare = lesser(spare, group);
    store_rlx(&seen_spare, lesser(spare, ahead));
    set_alarm(resident, lesser(spare, ahead));
    if (short_now)
        stats_add(pressure_rounds, 1);
    if (short_now && !load_rlx(&pressed))
        stats_add(pressure_events, 1);
    store_rlx(&pressed, short_now);
    if (short_now) {
        PROBE2(pressure, resident, spare);
        watch_ask();
    }
    return short_now;
}

bool pressure_look_sometimes(void)
{
    return os_now_ms() - load_rlx(&looked_ms) < LOOK_MS ? pressure_is_on() : pressure_look(0);
}
