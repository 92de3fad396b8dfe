/* Types: known by an index from their first object on. */
#include "model.h"

#include "gc/objects/type.h"

static arca_type fresh;
static uint32_t known;

/* Another new type each time: there are not so many schedules that the table is full. */
static void begin(void)
{
    model_begin();
    fresh = (arca_type){ .name = "fresh", .size = sizeof(arca_object) };
    known = type_count();
}

static void use(void)
{
    void *object = arca_new(&fresh);
    EXPECT(type_at(fresh.arca_private.index) == &fresh);
    arca_release(object);
}

static void check(void)
{
    EXPECT(type_count() == known + 1 && fresh.arca_private.index == known);
    model_end();
}

SCENARIO(type, two_first_uses_enter_it_once, .setup = begin, .body = { use, use }, .check = check, .preemptions = 3);
