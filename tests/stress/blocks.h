/* Blocks that know what must be in them, for the stress tests. */
#ifndef ARCA_TEST_BLOCKS_H
#define ARCA_TEST_BLOCKS_H

#include "harness.h"
#include "threads.h"

#include "arca/arca.h"

#include <errno.h>

/* Set by a test that makes the system refuse: then a block may be missing, with ENOMEM. */
static bool held_may_fail;

/* Small blocks are filled throughout; in larger ones the stamp stands at the start, at the end and at odd
 * distances, so that they stay cheap. */
struct held {
    unsigned char *bytes; /* NULL: nothing is held */
    size_t size;
    unsigned char stamp;
};

#define STRIDE(size) ((size) <= 1024 ? 1 : (size) <= 1u << 20 ? 1021 : 262139)

static inline void held_fill(struct held *held, size_t from)
{
    for (size_t i = from - from % STRIDE(held->size); i < held->size; i += STRIDE(held->size))
        held->bytes[i] = held->stamp;
    if (held->size != 0)
        held->bytes[held->size - 1] = held->stamp;
}

static inline void held_check(const struct held *held, size_t size)
{
    for (size_t i = 0; i < size; i += STRIDE(held->size)) {
        if (held->bytes[i] != held->stamp)
            harness_fail_now(__FILE__, __LINE__, "byte %zu of %p (%zu bytes) is %#x, not %#x", i, (void *)held->bytes,
                             held->size, held->bytes[i], held->stamp);
    }
    if (size == held->size && size != 0 && held->bytes[size - 1] != held->stamp)
        harness_fail_now(__FILE__, __LINE__, "the last byte of %p (%zu bytes) is lost", (void *)held->bytes, held->size);
}

/* Mostly small, some of every kind, rarely megabytes. */
static inline size_t random_size(uint64_t *random)
{
    uint64_t r = harness_random(random), kind = r % 256;
    r >>= 8;
    return kind < 180 ? r % 512 : kind < 245 ? r % 16384 : kind < 254 ? r % 200000 : r % (3u << 20);
}

/* True when there is none; what is held stays as it is. */
static inline bool held_refused(const void *bytes)
{
    if (bytes != NULL)
        return false;
    REQUIRE(held_may_fail);
    CHECK_EQ(errno, ENOMEM);
    return true;
}

static inline void held_take(struct held *held, void *bytes, size_t size, unsigned char stamp)
{
    if (held_refused(bytes))
        return;
    *held = (struct held){ bytes, size, stamp };
    held_fill(held, 0);
}

static inline void held_take_zeroed(struct held *held, size_t size, unsigned char stamp)
{
    void *bytes = arca_calloc(1, size);
    if (held_refused(bytes))
        return;
    *held = (struct held){ bytes, size, 0 };
    held_check(held, size);
    held_take(held, bytes, size, stamp);
}

static inline void held_alloc(struct held *held, uint64_t *random)
{
    size_t size = random_size(random);
    unsigned char stamp = (unsigned char)harness_random(random);
    switch (harness_random(random) % 8) {
    case 0:
        held_take(held, arca_aligned_alloc((size_t)16 << harness_random(random) % 9, size), size, stamp);
        break;
    case 1:
        held_take_zeroed(held, size, stamp);
        break;
    default:
        held_take(held, arca_malloc(size), size, stamp);
        break;
    }
}

static inline void held_free(struct held *held)
{
    held_check(held, held->size);
    arca_free(held->bytes);
    held->bytes = NULL;
}

static inline void held_resize_to(struct held *held, size_t size)
{
    size_t old = held->size;
    void *bytes = arca_realloc(held->bytes, size);
    if (held_refused(bytes)) {
        held_check(held, old);
        return;
    }
    unsigned char stamp = held->stamp;
    *held = (struct held){ bytes, old, stamp };
    held_check(held, old < size ? old : size);
    held_take(held, bytes, size, stamp);
}

static inline void held_resize(struct held *held, uint64_t *random)
{
    held_resize_to(held, 1 + random_size(random));
}

/* One random step on one of count slots. */
static inline void held_step(struct held *slots, unsigned count, uint64_t *random)
{
    struct held *held = &slots[harness_random(random) % count];
    if (held->bytes == NULL)
        held_alloc(held, random);
    else if (harness_random(random) % 5 == 0)
        held_resize(held, random);
    else
        held_free(held);
}

static inline void held_free_all(struct held *slots, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (slots[i].bytes != NULL)
            held_free(&slots[i]);
    }
}

#endif
