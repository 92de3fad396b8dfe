/* Boxes. */
#include "probe.h"

#include "tests/unit/faults.h"

static unsigned opened;

static void open_box(void *data)
{
    ++*(unsigned *)data;
}

TEST(box, holds_what_was_put_in)
{
    arca_box *box = arca_box_new(&opened, NULL);
    REQUIRE(box != NULL);
    CHECK_EQ(arca_box_data(box), &opened);
    CHECK(arca_is_box(box));
    arca_release(box);
    CHECK(arca_box_data(NULL) == NULL);
    CHECK(!arca_is_box(NULL));
    CHECK(!arca_is_box(arca_int_new(1)));
}

TEST(box, destroy_is_called_once_with_the_last_reference)
{
    arca_box *box = arca_box_new(&opened, open_box);
    arca_retain(box);
    arca_release(box);
    CHECK_EQ(opened, 0);
    arca_release(box);
    CHECK_EQ(opened, 1);
}

TEST(box, destroy_may_use_containers)
{
    arca_list *list = arca_list_new();
    arca_box *box = arca_box_new(list, (void (*)(void *))arca_list_clear);
    arca_list_append(list, box);
    arca_retain(list);
    arca_release(box);
    arca_release(arca_list_pop(list));
    CHECK_EQ(arca_list_length(list), 0);
    arca_release(list);
    arca_release(list);
}

TEST(box, without_memory_destroy_is_not_called)
{
    os_fault_after(1, true);
    errno = 0;
    CHECK(arca_box_new(&opened, open_box) == NULL);
    CHECK_EQ(errno, ENOMEM);
    os_fault_after(0, false);
    CHECK_EQ(opened, 0);
}
