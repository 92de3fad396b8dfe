/* The malloc family, explicit heaps, trimming, other threads and a system that refuses; what is in the blocks is known, and
 * the invariants are walked. */
#include "input.h"

#include "../stress/blocks.h"
#include "tests/unit/faults.h"

#include "base/options.h"
#include "front/background.h"

#include <stdlib.h>

#define SLOTS 64
#define HEAPS 3
#define STEPS_A_CHECK 32

struct private_heap {
    arca_heap *heap;
    struct held blocks[8];
};

static struct held slots[SLOTS];
static bool aligned[SLOTS]; /* and never resized: free_sized() does not take it */
static struct private_heap heaps[HEAPS];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    held_may_fail = true;
    options.background = 0; /* the same bytes do the same */
    return 0;
}

static void fault_after(unsigned n)
{
#ifdef NDEBUG
    (void)n;
#else
    os_fault_after(n, false);
#endif
}

static void allocate(struct held *held, struct input *input, unsigned how)
{
    size_t size = input_size(input);
    unsigned char stamp = (unsigned char)(size + how + 1);
    void *bytes = NULL;
    if (held->bytes != NULL)
        held_free(held);
    switch (how % 4) {
    case 0:
        held_take(held, arca_malloc(size), size, stamp);
        break;
    case 1:
        held_take_zeroed(held, size, stamp);
        break;
    case 2:
        held_take(held, arca_aligned_alloc((size_t)1 << input_byte(input) % 24, size), size, stamp);
        break;
    default:
        errno = ENOMEM; /* which it leaves alone */
        if (arca_posix_memalign(&bytes, (size_t)8 << input_byte(input) % 12, size) == 0)
            held_take(held, bytes, size, stamp);
        break;
    }
    if (held->bytes != NULL)
        CHECK(arca_malloc_usable_size(held->bytes) >= size);
}

static void release(struct held *held, bool sized)
{
    if (held->bytes == NULL)
        return;
    held_check(held, held->size);
    if (sized)
        arca_free_sized(held->bytes, held->size);
    else
        arca_free(held->bytes);
    held->bytes = NULL;
}

static void use_a_heap(struct private_heap *own, struct input *input)
{
    unsigned how = input_byte(input);
    struct held *held = &own->blocks[how / 4 % 8];
    if (own->heap == NULL) {
        own->heap = arca_heap_create();
        CHECK(own->heap != NULL || errno == ENOMEM);
    } else if (how % 4 == 0) {
        for (unsigned i = 0; i < 8; i++) {
            if (own->blocks[i].bytes != NULL)
                held_check(&own->blocks[i], own->blocks[i].size);
            own->blocks[i].bytes = NULL;
        }
        arca_heap_destroy(own->heap);
        own->heap = NULL;
    } else if (held->bytes != NULL) {
        if (how % 4 == 1)
            release(held, how / 4 % 2);
        else
            held_resize_to(held, input_size(input) + 1);
    } else {
        size_t size = input_size(input);
        held_take(held, arca_heap_malloc(own->heap, size), size, (unsigned char)(how + 1));
    }
}

static void step(struct input *input, bool may_start);

/* The next few steps are another thread's. */
static void *step_elsewhere(void *argument)
{
    struct input *input = argument;
    for (unsigned i = 0; i < 8 && input_left(input); i++)
        step(input, false);
    return NULL;
}

static void step(struct input *input, bool may_start)
{
    unsigned what = input_byte(input);
    unsigned slot = input_byte(input) % SLOTS;
    struct held *held = &slots[slot];
    switch (what % 16) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        aligned[slot] = what / 16 % 4 >= 2;
        allocate(held, input, what / 16);
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        release(held, !aligned[slot] && what >= 128);
        break;
    case 9:
    case 10:
        if (held->bytes != NULL)
            held_resize_to(held, input_size(input) + 1);
        break;
    case 11:
        use_a_heap(&heaps[what / 16 % HEAPS], input);
        break;
    case 12:
        fault_after(input_byte(input) % 8);
        break;
    case 13:
        background_round(what / 16 % 2 == 0 ? 0 : 1000);
        break;
    case 14:
        if (may_start && what >= 128)
            pthread_join(start_thread(step_elsewhere, input), NULL);
        else
            arca_trim(0);
        break;
    default: /* many of a size at once, and every other one gone */
        for (unsigned i = 0; i < SLOTS; i++) {
            release(&slots[i], !aligned[i] && i % 4 < 2);
            aligned[i] = false;
            if (i % 2 == 0)
                held_take(&slots[i], arca_malloc(what / 16 * 100u), what / 16 * 100u, (unsigned char)i);
        }
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct input input = { bytes, bytes + size };
    for (unsigned i = 1; input_left(&input); i++) {
        step(&input, true);
        if (i % STEPS_A_CHECK == 0)
            arca_heap_check();
    }
    fault_after(0);
    for (unsigned i = 0; i < HEAPS; i++) {
        arca_heap_destroy(heaps[i].heap);
        heaps[i] = (struct private_heap){ 0 };
    }
    held_free_all(slots, SLOTS);
    arca_trim(0);
    arca_heap_check();
    if (harness_end() != 0)
        abort();
    return 0;
}
