/* The n-th system call fails, for every n, and from the n-th on all of them: never a crash, and nothing is lost. */
#include "blocks.h"

#include "tests/unit/faults.h"

#define CALLS 200
/* Sanitized builds try every tenth, from a random one on. */
#define CALL_STEP (CALLS / STEPS(CALLS))
#define SMALL 400
#define MIB ((size_t)1 << 20)

static void expect(struct held *held, void *bytes, size_t size)
{
    held->bytes = NULL;
    held_take(held, bytes, size, (unsigned char)(size + 1));
    errno = 0;
}

static void expect_resize(struct held *held, size_t size)
{
    if (held->bytes != NULL)
        held_resize_to(held, size);
    errno = 0;
}

static void *allocate_in_a_thread(void *argument)
{
    struct held *slots = argument;
    for (unsigned i = 0; i < SMALL; i++)
        expect(&slots[i], arca_malloc(i * 30), i * 30);
    for (unsigned i = 0; i < SMALL; i += 2) {
        if (slots[i].bytes != NULL)
            held_free(&slots[i]);
    }
    return NULL;
}

static void allocate_all_kinds(struct held *slots)
{
    for (unsigned i = 0; i < SMALL; i++)
        expect(&slots[i], arca_malloc(i * 90), i * 90);
    expect(&slots[SMALL], arca_malloc(300000), 300000);
    expect(&slots[SMALL + 1], arca_calloc(3, MIB), 3 * MIB);
    expect(&slots[SMALL + 2], arca_malloc(40 * MIB), 40 * MIB);
    expect(&slots[SMALL + 3], arca_aligned_alloc(4 * MIB, 100), 100);
    expect(&slots[SMALL + 4], arca_aligned_alloc(128 * MIB, 50 * MIB), 50 * MIB);
    expect_resize(&slots[SMALL], 600000);
    expect_resize(&slots[SMALL + 1], 20 * MIB);
    expect_resize(&slots[SMALL + 2], 90 * MIB);
    expect_resize(&slots[1], 5000);
    expect_resize(&slots[2], 50000);
}

static void use_a_heap(void)
{
    struct held block;
    arca_heap *heap = arca_heap_create();
    if (heap == NULL) {
        CHECK_EQ(errno, ENOMEM);
        errno = 0;
        return;
    }
    for (size_t size = 1; size < 50 * MIB; size = size * 3 + 1)
        expect(&block, arca_heap_malloc(heap, size), size);
    arca_heap_destroy(heap);
}

static void run_script(void)
{
    static struct held slots[SMALL + 5], theirs[SMALL];
    errno = 0;
    held_may_fail = true;
    allocate_all_kinds(slots);
    use_a_heap();
    pthread_join(start_thread(allocate_in_a_thread, theirs), NULL);
    arca_heap_check();
    for (unsigned i = 0; i < SMALL; i += 2) {
        if (slots[i].bytes != NULL)
            held_free(&slots[i]);
    }
    arca_trim(0);
    arca_heap_check();
    for (unsigned i = 0; i < SMALL; i += 2)
        expect(&slots[i], arca_malloc(i * 90), i * 90);
    held_free_all(slots, SMALL + 5);
    held_free_all(theirs, SMALL);
    arca_trim(0);
    arca_heap_check();
}

static void expect_everything_to_work(void)
{
    struct held slots[5];
    static const size_t sizes[] = { 100, 20000, MIB, 40 * MIB, 100 * MIB };
    held_may_fail = false;
    for (unsigned i = 0; i < 5; i++)
        held_take(&slots[i], arca_malloc(sizes[i]), sizes[i], (unsigned char)i);
    held_free_all(slots, 5);
    arca_heap_check();
}

static unsigned first_call(void)
{
    return CALL_STEP == 1 ? 1 : 1 + (unsigned)(harness_seed() % CALL_STEP);
}

TEST(stress_faults, whichever_call_fails_nothing_is_lost)
{
    for (unsigned n = first_call(); n <= CALLS; n += CALL_STEP) {
        os_fault_after(n, false);
        run_script();
        os_fault_after(0, false);
        expect_everything_to_work();
    }
}

TEST(stress_faults, from_whichever_call_on_all_fail_nothing_is_lost)
{
    for (unsigned n = first_call(); n <= CALLS; n += CALL_STEP) {
        os_fault_after(n, true);
        run_script();
        os_fault_after(0, false);
        expect_everything_to_work();
    }
}

/* Each in a process that has made no call yet: also the start can fail. */
static void start_with_a_fault(unsigned n, bool for_ever)
{
    os_fault_after(n, for_ever);
    run_script();
    os_fault_after(0, false);
    expect_everything_to_work();
}

TEST(stress_faults, the_first_call_of_the_process_may_fail)
{
    start_with_a_fault(1, false);
}

TEST(stress_faults, the_second_call_of_the_process_may_fail)
{
    start_with_a_fault(2, false);
}

TEST(stress_faults, the_third_call_of_the_process_may_fail)
{
    start_with_a_fault(3, false);
}

TEST(stress_faults, the_fourth_call_of_the_process_may_fail)
{
    start_with_a_fault(4, false);
}

TEST(stress_faults, all_calls_of_the_process_may_fail_at_first)
{
    start_with_a_fault(1, true);
}
