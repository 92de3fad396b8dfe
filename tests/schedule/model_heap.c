/* What the sources of heap and front ask of arenas and of the rest of a heap. */
#include "model.h"

#include "arenas/arena.h"
#include "arenas/large.h"
#include "arenas/meta.h"
#include "arenas/purge.h"
#include "front/objects.h"
#include "front/process.h"
#include "heap/heap.h"
#include "heap/retired.h"

struct heap heap_sentinel;
struct arenas arenas;
struct size_class size_classes[SIZE_CLASSES];

void (*model_on_sweep)(struct heap *heap);
void (*model_on_return)(struct span *span);

void process_start(void)
{
}

/* ---- arenas --------------------------------------------------------------------------------------------------- */

void arena_return(struct span *span, uint32_t now_ms)
{
    (void)now_ms;
    model_on_return(span);
}

void pool_return(struct span *pool, uint32_t now_ms)
{
    arena_return(pool, now_ms);
}

void object_return_retired(struct span *list)
{
    retired_return(list);
}

/* There is memory for one heap. */
void *meta_create(size_t bytes)
{
    static struct heap heap;
    static bool taken;
    if (taken || bytes != sizeof heap)
        return NULL;
    taken = true;
    return &heap;
}

bool os_discard(void *address, size_t bytes)
{
    (void)address, (void)bytes;
    return false;
}

void large_destroy(struct span *span, uint32_t now_ms)
{
    (void)span;
    (void)now_ms;
}

size_t purge_free_slices(uint32_t now_ms, uint32_t hold_ms)
{
    (void)now_ms;
    (void)hold_ms;
    return 0;
}

bool purge_has_work(void)
{
    return false;
}

/* ---- heaps ---------------------------------------------------------------------------------------------------- */

bool heap_needs_sweep(struct heap *heap)
{
    (void)heap;
    return true;
}

size_t heap_sweep_locked(struct heap *heap, uint32_t now_ms, uint32_t since_ms, uint32_t hold_ms)
{
    (void)now_ms;
    (void)since_ms;
    (void)hold_ms;
    model_on_sweep(heap);
    return 0;
}
