/* Objects inside the program's own sections of liburcu's flavour bp. */
#include "nodes.h"

#include "arca/gc.h"
#include "base/options.h"
#include "tests/unit/faults.h"

#include <errno.h>
#include <unistd.h>
#include <urcu/urcu-bp.h>

static arca_type bytes_type = { .name = "bytes", .size = sizeof(arca_var_object), .item_size = 1 };

/* Nobody waits for a grace period in the section that it would wait for. */
static void make_objects_in_a_section(void)
{
    alarm(20); /* a hang ends, and shows */
    urcu_bp_read_lock();
    struct node *kept = node_new();
    for (unsigned i = 0; i < 200000; i++) {
        struct node *node = node_new();
        arca_slot_store(&kept->left, node);
        arca_release(node);
        if (i % 1000 == 0)
            arca_release(arca_new_var(&bytes_type, 100000));
    }
    arca_release(kept);
    urcu_bp_read_unlock();
    nodes_check_gone();
}

TEST(epoch, objects_are_made_in_a_section)
{
    make_objects_in_a_section();
}

TEST(epoch, objects_are_made_in_a_section_without_a_thread_of_the_library)
{
    options.collector = COLLECTOR_INLINE;
    make_objects_in_a_section();
}

TEST(epoch, a_section_does_not_stop_births_that_outrun_the_collector)
{
    const unsigned often[ARCA_GC_GENERATIONS] = { 1, 1, 1 };
    arca_gc_set_threshold(often);
    make_objects_in_a_section();
}

/* liburcu would end the process. */
static void *attach_without_memory(void *unused)
{
    os_fault_after(1, true);
    errno = 0;
    CHECK_EQ(arca_thread_attach(), -1);
    CHECK_EQ(errno, ENOMEM);
    os_fault_after(0, false);
    CHECK(!urcu_bp_read_ongoing());
    CHECK_EQ(arca_thread_attach(), 0);
    os_fault_after(1, true); /* from now on it needs none */
    CHECK_EQ(arca_thread_attach(), 0);
    os_fault_after(0, false);
    return unused;
}

TEST(epoch, a_thread_for_which_there_is_no_memory_is_not_attached)
{
    os_fault_after(0, false); /* or skipped */
    arca_release(node_new());
    run_in_a_thread(attach_without_memory, NULL);
}
