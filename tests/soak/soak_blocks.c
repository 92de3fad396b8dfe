#include "soak.h"

#include "../stress/blocks.h"

#include <stdatomic.h>
#include <stdlib.h>

#define SLOTS 300
#define LETTERS 64
#define BURST_BYTES ((size_t)24 << 20)

struct blocks_bag {
    struct held slots[SLOTS];
};

/* A block that says what is in it, for whoever finds it. */
struct letter {
    size_t bytes;
    uint64_t stamp, sum;
    unsigned char text[];
};

static _Atomic(struct letter *) mailbox[LETTERS];

void blocks_allow_refusals(void)
{
    held_may_fail = true;
}

/* The bags are not on the heap that is tested. */
struct blocks_bag *blocks_open(void)
{
    struct blocks_bag *bag = calloc(1, sizeof *bag);
    REQUIRE(bag != NULL);
    return bag;
}

void blocks_close(struct blocks_bag *bag)
{
    held_free_all(bag->slots, SLOTS);
    free(bag);
}

static uint64_t sum_of(const struct letter *letter)
{
    uint64_t sum = letter->stamp ^ letter->bytes;
    for (size_t i = 0; i < letter->bytes; i++)
        sum = sum * 31 + letter->text[i];
    return sum;
}

static struct letter *write_letter(uint64_t *random)
{
    size_t bytes = harness_random(random) % 3000;
    struct letter *letter = arca_malloc(sizeof *letter + bytes);
    if (held_refused(letter))
        return NULL;
    letter->bytes = bytes;
    letter->stamp = harness_random(random);
    memset(letter->text, (int)letter->stamp, bytes);
    letter->sum = sum_of(letter);
    return letter;
}

static void read_letter(struct letter *letter)
{
    if (letter == NULL)
        return;
    if (letter->sum != sum_of(letter))
        harness_fail_now(__FILE__, __LINE__, "the letter at %p has changed", (void *)letter);
    arca_free(letter);
}

static void use_a_heap(uint64_t *random)
{
    arca_heap *heap = arca_heap_create();
    if (held_refused(heap))
        return;
    struct held some[20] = { { NULL, 0, 0 } };
    for (unsigned i = 0; i < 20; i++) {
        size_t size = random_size(random);
        held_take(&some[i], arca_heap_malloc(heap, size), size, (unsigned char)i);
    }
    for (unsigned i = 0; i < 20; i++) {
        if (some[i].bytes == NULL)
            continue;
        held_check(&some[i], some[i].size);
        if (i % 3 == 0)
            held_free(&some[i]);
    }
    arca_heap_destroy(heap);
}

void blocks_steps(struct blocks_bag *bag, unsigned steps, uint64_t *random)
{
    for (unsigned i = 0; i < steps; i++) {
        held_step(bag->slots, SLOTS, random);
        if (i % 4 == 0)
            read_letter(atomic_exchange(&mailbox[harness_random(random) % LETTERS], write_letter(random)));
    }
    if (harness_random(random) % 16 == 0)
        use_a_heap(random);
}

void blocks_burst(uint64_t *random)
{
    static struct held burst[BURST_BYTES / 1024];
    unsigned count = BURST_BYTES / 1024;
    for (unsigned i = 0; i < count; i++) {
        size_t size = 512 + harness_random(random) % 1024;
        held_take(&burst[i], arca_malloc(size), size, (unsigned char)i);
    }
    held_free_all(burst, count);
}

void blocks_empty_mailbox(void)
{
    for (unsigned i = 0; i < LETTERS; i++)
        read_letter(atomic_exchange(&mailbox[i], NULL));
}
