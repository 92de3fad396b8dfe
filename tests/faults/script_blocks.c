#include "script.h"

#include "../stress/blocks.h"

#define SMALL 300
#define SLOTS (SMALL + 5)
#define MIB ((size_t)1 << 20)
#define ROUNDS 2

static struct held slots[SLOTS], theirs[SMALL];

/* After all is freed a block of this size is there, if there ever was one. */
#define SURE_BYTES 10000
static bool had_sure;

static void expect(struct held *held, void *bytes, size_t size)
{
    held->bytes = NULL;
    held_take(held, bytes, size, (unsigned char)(size + 1));
    had_sure |= held->bytes != NULL && size >= SURE_BYTES && size < MIB;
}

static void resize(struct held *held, size_t size)
{
    if (held->bytes != NULL)
        held_resize_to(held, size);
}

static void *allocate_in_a_thread(void *unused)
{
    for (unsigned i = 0; i < SMALL; i++)
        expect(&theirs[i], arca_malloc(i * 30), i * 30);
    return unused;
}

static void start_a_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, allocate_in_a_thread, NULL) == 0)
        pthread_join(thread, NULL);
    else
        allocate_in_a_thread(NULL);
}

static void allocate_all_kinds(void)
{
    for (unsigned i = 0; i < SMALL; i++)
        expect(&slots[i], arca_malloc(i * 90), i * 90);
    expect(&slots[SMALL], arca_malloc(300000), 300000);
    expect(&slots[SMALL + 1], arca_calloc(3, MIB), 3 * MIB);
    expect(&slots[SMALL + 2], arca_malloc(40 * MIB), 40 * MIB);
    expect(&slots[SMALL + 3], arca_aligned_alloc(4 * MIB, 100), 100);
    expect(&slots[SMALL + 4], arca_aligned_alloc(128 * MIB, 50 * MIB), 50 * MIB);
    resize(&slots[SMALL], 600000);
    resize(&slots[SMALL + 1], 20 * MIB);
    for (size_t size = 44 * MIB; size < 100 * MIB; size += size / 8)
        resize(&slots[SMALL + 2], size);
    resize(&slots[1], 5000);
    resize(&slots[2], 50000);
}

static void use_a_heap(void)
{
    struct held block;
    arca_heap *heap = arca_heap_create();
    if (held_refused(heap))
        return;
    for (size_t size = 1; size < 50 * MIB; size = size * 3 + 1)
        expect(&block, arca_heap_malloc(heap, size), size);
    arca_heap_destroy(heap);
}

static void free_every_other(struct held *held, unsigned count)
{
    for (unsigned i = 0; i < count; i += 2) {
        if (held[i].bytes != NULL)
            held_free(&held[i]);
    }
}

static void expect_what_was_freed(void)
{
    if (!had_sure)
        return;
    struct held block = { NULL, 0, 0 };
    held_may_fail = false;
    held_take(&block, arca_malloc(SURE_BYTES), SURE_BYTES, 1);
    held_free(&block);
    held_may_fail = true;
}

void script_run(void)
{
    held_may_fail = true;
    for (unsigned round = 0; round < ROUNDS; round++) {
        allocate_all_kinds();
        start_a_thread();
        use_a_heap();
        free_every_other(slots, SLOTS);
        free_every_other(theirs, SMALL);
        arca_trim(0); /* whole pages between the others */
        arca_heap_check();
        script_objects();
        held_free_all(slots, SLOTS);
        held_free_all(theirs, SMALL);
        expect_what_was_freed();
        arca_trim(0);
        arca_heap_check();
    }
    expect_what_was_freed();
}

void script_expect_everything_to_work(void)
{
    static const size_t sizes[] = { 100, 20000, MIB, 40 * MIB };
    held_may_fail = false;
    for (unsigned i = 0; i < 4; i++)
        held_take(&slots[i], arca_malloc(sizes[i]), sizes[i], (unsigned char)i);
    held_free_all(slots, 4);
    script_objects_work();
    arca_heap_check();
}
