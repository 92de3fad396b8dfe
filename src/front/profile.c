/* When to sample. */
#include "front/profile.h"

#include "arenas/sample.h"
#include "base/os.h"
#include "base/unwind.h"
#include "front/door.h"
#include "heap/harden.h"

static ARCA_TLS uint64_t left_beyond;  /* the credit: bytes to the thread's next sample */
static ARCA_TLS uint64_t random_state; /* 0: the thread has not drawn yet */

/* splitmix64 */
static uint64_t random_next(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* The natural logarithm of 2^-63 to 1, to six digits: libm is not ours to need. */
static double log_of(uint64_t parts)
{
    unsigned width = bits_width(parts);
    double mantissa = (double)parts / (double)((uint64_t)1 << (width - 1)); /* 1 to 2 */
    double s = (mantissa - 1) / (mantissa + 1), square = s * s;
    double series = 1 + square * (1 / 3.0 + square * (1 / 5.0 + square * (1 / 7.0 + square * (1 / 9.0))));
    return 2 * s * series - (64 - width) * 0.693147180559945;
}

/* Exponential, with the mean of the option: the gaps of a Poisson process.  The byte behind a gap is sampled. */
static uint64_t draw_gap(void)
{
    double gap = -log_of((random_next() >> 1) | 1) * (double)options.profile;
    return gap < (double)(INT64_MAX / 2) ? (uint64_t)gap : INT64_MAX / 2;
}

/* A place of its own in the generator's cycle. */
static uint64_t seed(void)
{
    static _Atomic uint64_t threads;
    return os_random() + add_rlx(&threads, (uint64_t)1) * 0xd1342543de82ef95u;
}

uint64_t profile_left(void)
{
    if (random_state != 0)
        return credit_left() + left_beyond;
    random_state = seed();
    return draw_gap();
}

bool profile_is_due(size_t bytes)
{
    uint64_t before = profile_left();
    bool due = bytes > before;
    uint64_t after = due ? draw_gap() : before - bytes;
    credit_set(hardening.on ? 0 : after < CREDIT_MAX ? after : CREDIT_MAX);
    left_beyond = after - credit_left();
    return due;
}

static void sample_span(struct span *span, size_t bytes, const void *frame)
{
    uintptr_t stack[UNWIND_MAX];
    sample_take(span, bytes, stack, unwind(frame, stack, UNWIND_MAX));
}

void profile_take(void *block, size_t bytes, const void *frame)
{
    sample_span(page_map_find((uintptr_t)block), bytes, frame);
}

void profile_resize(struct span *span, size_t before, size_t bytes, const void *frame)
{
    size_t after = load_rlx(&span->large_size);
    if (after > before && span->site != SITE_NONE) {
        sample_grow(span, bytes);
        return;
    }
    if (span->site != SITE_NONE)
        sample_drop(span);
    if (profile_is_due(after > before ? after - before : bytes))
        sample_span(span, bytes, frame);
}

void profile_start(void)
{
    if (options.profile != 0)
        malloc_fast_max = 0;
}
