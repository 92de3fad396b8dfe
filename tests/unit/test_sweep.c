/* A thread whose heap is being swept, by somebody whom the kernel gives no processor, goes on without it. */
#include "harness.h"

#include "arca/arca.h"
#include "arenas/page_map.h"
#include "base/os.h"
#include "front/objects.h"
#include "front/thread.h"

#include <string.h>
#include <unistd.h>

#define BLOCKS 200

static void begin_sweep(struct heap *heap)
{
    REQUIRE(heap != NULL);
    while (!heap_park_begin(heap) || !heap_park_finish(heap, os_barrier()))
        ;
    alarm(60); /* who waits for us does so for ever */
}

static void end_sweep(struct heap *heap)
{
    CHECK(lock_is_wanted(&heap->lock));
    CHECK_EQ(load_rlx(&heap->state), HEAP_PARKED);
    lock_release(&heap->lock);
    alarm(0);
}

static struct heap *heap_of(const void *block)
{
    return load_rlx(&page_map_find((uintptr_t)block)->heap);
}

static void *make(unsigned i)
{
    size_t size = 1 + i * 61 % 3000;
    void *block = i % 3 == 0 ? arca_malloc(size) : i % 3 == 1 ? arca_calloc(1, size) : arca_aligned_alloc(64, size);
    REQUIRE(block != NULL);
    memset(block, (int)i, size);
    return block;
}

TEST(sweep, a_thread_allocates_and_frees_while_its_heap_is_swept)
{
    void *before[BLOCKS], *meanwhile[BLOCKS], *large;
    for (unsigned i = 0; i < BLOCKS; i++)
        before[i] = make(i);
    struct heap *heap = thread_door.own;
    begin_sweep(heap);
    for (unsigned i = 0; i < BLOCKS; i++) {
        meanwhile[i] = make(i);
        CHECK(heap_of(meanwhile[i]) != heap);
        arca_free(before[i]);
    }
    meanwhile[0] = arca_realloc(meanwhile[0], 10000);
    large = arca_realloc(arca_malloc((size_t)1 << 20), (size_t)2 << 20);
    CHECK(meanwhile[0] != NULL && large != NULL);
    arca_free(large);
    arca_free(meanwhile[1]);
    CHECK_EQ(thread_enter(&thread_door), NULL);
    end_sweep(heap);
    CHECK_EQ(heap_of(meanwhile[1] = make(1)), heap);
    CHECK(arca_heap_check() > 0);
    for (unsigned i = 0; i < BLOCKS; i++)
        arca_free(meanwhile[i]);
    CHECK(arca_heap_check() > 0);
}

TEST(sweep, a_thread_makes_and_frees_objects_while_their_heap_is_swept)
{
    void *before[BLOCKS], *meanwhile[BLOCKS];
    for (unsigned i = 0; i < BLOCKS; i++)
        before[i] = object_alloc(32 + i);
    struct heap *heap = object_door.own;
    begin_sweep(heap);
    for (unsigned i = 0; i < BLOCKS; i++) {
        meanwhile[i] = object_alloc(32 + i);
        CHECK(meanwhile[i] != NULL && heap_of(meanwhile[i]) != heap);
        object_free(before[i]);
    }
    struct object_batch batch = { .count = 0 };
    object_batch_free(&batch, meanwhile, BLOCKS / 2);
    object_batch_end(&batch);
    end_sweep(heap);
    void *last = object_alloc(32);
    CHECK_EQ(heap_of(last), heap);
    object_free(last);
    for (unsigned i = BLOCKS / 2; i < BLOCKS; i++)
        object_free(meanwhile[i]);
    CHECK(arca_heap_check() > 0);
}
