/* Blocks from a heap that is held, for threads and for explicit heaps alike. */
#include "front/supply.h"

#include "front/background.h"
#include "front/thread.h"

void supply_give_up_own(void)
{
    struct heap *heap = thread_enter_after_sweep(&thread_door);
    if (heap != NULL) {
        heap_flush_all(heap);
        door_leave(&thread_door);
    }
}

ARCA_COLD void supply_reclaim(void)
{
    supply_give_up_own();
    background_round(0);
}

struct block *supply_block(struct heap *heap, unsigned class)
{
    struct block *block = heap_pop(heap, class);
    return block != NULL ? block : heap_refill(heap, class);
}

size_t supply_aligned_size(size_t align, size_t size)
{
    size_t rounded = bits_round_up(size, align);
    if (size > SMALL_MAX || align > SLICE_SIZE || rounded > SMALL_MAX)
        return 0;
    if (rounded == 0)
        rounded = align;
    if (rounded > SMALL_MAX)
        return 0;
    /* Pools start at slices, so that block i is aligned when the block size is a multiple. */
    if (size_classes[size_class_of(rounded)].block_size % align != 0)
        rounded = bits_next_pow2(rounded);
    return rounded;
}
