/* Calls that a filter of system calls may not know, and who installs one. */
#include "model.h"

#include "base/os.h"

static unsigned filters; /* that the kernel has */
static unsigned made, refused;

static void begin_free(void)
{
    model_begin();
    filters = made = refused = 0;
}

static void call(void)
{
    if (!os_rare_begin()) {
        refused++;
        return;
    }
    EXPECT(filters == 0);
    SCHEDULE_POINT("call");
    EXPECT(filters == 0);
    made++;
    os_rare_end();
}

static void call_twice(void)
{
    call();
    call();
}

static void confine(void)
{
    EXPECT(os_confine(false));
    SCHEDULE_POINT("filter");
    filters++;
}

/* As who asks whether there are filters. */
static void confine_in_vain(void)
{
    EXPECT(os_confine(false));
    SCHEDULE_POINT("refused filter");
    os_confine_end(false, false);
}

static void free_again(void)
{
    for (; filters != 0; filters--)
        os_confine_end(false, false);
    EXPECT(!os_is_confined() && os_rare_begin());
    os_rare_end();
}

static void check_confined(void)
{
    EXPECT(os_is_confined() && !os_rare_begin() && made + refused == 2);
    free_again();
}

SCENARIO(confine, no_call_is_under_way_once_there_is_a_filter, .setup = begin_free, .body = { call_twice, confine },
         .check = check_confined, .preemptions = 5, .store_buffers = true);

SCENARIO(confine, nor_one_of_two_threads, .setup = begin_free, .body = { call, call, confine }, .check = check_confined,
         .preemptions = 3, .store_buffers = true);

static void check_confined_still(void)
{
    EXPECT(os_is_confined() && !os_rare_begin());
    free_again();
}

/* No call beside them: two that look again and again would wait for each other to have moved. */
SCENARIO(confine, a_filter_stays_when_another_came_to_nothing, .setup = begin_free, .body = { confine, confine_in_vain },
         .check = check_confined_still, .preemptions = 4, .store_buffers = true);
