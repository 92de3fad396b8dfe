/* When to sample. */
#include "front/profile.h"

#include "arenas/sample.h"
#include "base/os.h"
#include "base/unwind.h"
#include "front/door.h"
#include "heap/harden.h"

ARCA_TLS uint64_t profile_beyond;
ARCA_TLS uint32_t profile_thin;
static ARCA_TLS uint64_t random_state; /* 0: the thread has not drawn yet */

/* A thread that has samples faster than they are of use takes every so-manieth only, which stands for as many: so a profile
 * of 512 KiB and more costs little, whatever is asked for how fast.  Without a limit a thread that then keeps what it asks for
 * would be unseen for too long. */
#define APART_US 200
#define THIN_FROM ((uint64_t)512 << 10)
#define THIN_MAX 256
static ARCA_TLS uint32_t due_thin; /* and was, of the gap that has just ended */
static ARCA_TLS uint64_t due_us;   /* when that was */

static uint32_t thin_now(void)
{
    return profile_thin != 0 ? profile_thin : 1;
}

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

/* 1 - e^-x for x >= 0, to seven digits of it: the probability that so many means of bytes have a sample. */
static double chance_of(double x)
{
    unsigned halvings = 0;
    if (x > 40)
        return 1;
    for (; x > 1 / 16.0; x /= 2)
        halvings++;
    double chance = x * (1 - x / 2 * (1 - x / 3 * (1 - x / 4)));
    for (; halvings > 0; halvings--)
        chance *= 2 - chance;
    return chance;
}

/* Exponential: the gaps of a Poisson process.  The byte behind a gap is sampled. */
static uint64_t draw_gap(void)
{
    double gap = -log_of((random_next() >> 1) | 1) * (double)options.profile * thin_now();
    return gap < (double)(INT64_MAX / 2) ? (uint64_t)gap : INT64_MAX / 2;
}

/* A gap has ended.  What the next one's mean is follows from earlier gaps only: so no block is more likely to be seen for
 * what it is. */
static void thin_out(void)
{
    due_thin = thin_now();
    if (options.profile < THIN_FROM)
        return;
    uint64_t now_us = os_now_us(), since_us = now_us - due_us + 1, next = due_thin * (uint64_t)APART_US / since_us;
    due_us = now_us;
    next = next < 2 * due_thin ? next : 2 * due_thin;
    profile_thin = (uint32_t)(next <= 1 ? 0 : next < THIN_MAX ? next : THIN_MAX);
}

/* Rounded up or down by chance. */
static unsigned round_off(double weight)
{
    return (unsigned)(weight + (double)(random_next() >> 11) * 0x1p-53);
}

/* How many samples of the option's mean one of the actual mean stands for: the ratio of the chances. */
static unsigned weigh(size_t bytes)
{
    if (due_thin <= 1 || bytes == 0)
        return 1;
    double mean = (double)options.profile;
    return round_off(chance_of((double)bytes / mean) / chance_of((double)bytes / (mean * due_thin)));
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
        return credit_left() + profile_beyond;
    random_state = seed();
    return draw_gap();
}

bool profile_is_due(size_t bytes)
{
    uint64_t before = profile_left();
    bool due = bytes > before;
    if (due)
        thin_out();
    uint64_t after = due ? draw_gap() : before - bytes;
    credit_set(hardening.on ? 0 : after < CREDIT_MAX ? after : CREDIT_MAX);
    profile_beyond = after - credit_left();
    return due;
}

static void sample_span(struct span *span, size_t bytes, unsigned weight, const void *frame)
{
    uintptr_t stack[UNWIND_MAX];
    if (weight != 0)
        sample_take(span, bytes, weight, stack, unwind(frame, stack, UNWIND_MAX));
}

void profile_take(void *block, size_t bytes, const void *frame)
{
    sample_span(page_map_find((uintptr_t)block), bytes, weigh(bytes), frame);
}

/* Of a block that has grown without being a sample.  It was passed by with the chance that bytes have which no gap ends in, `seen`
 * by the gaps that there were; as if it were made now, only so many shall be left as `before` leaves by the option's mean. */
static void grow_unseen(struct span *span, size_t before, size_t added, size_t bytes, const void *frame)
{
    double mean = (double)options.profile;
    double seen = span->sample.weight == 0 ? (double)before : (double)span->sample.bytes / span->sample.weight;
    double missing = (double)before > seen ? (double)before - seen : 0;
    bool due = profile_is_due(added);
    uint32_t times = due ? due_thin : thin_now();
    if (!due && missing == 0) { /* one would stand for one or more */
        sample_pass(span, (size_t)seen + added / times, 1);
        return;
    }
    double chance = chance_of((double)added / (mean * times)), wanted = chance_of((double)added / mean) * (1 - chance_of(missing / mean));
    if (wanted < chance) /* of those that are due some are passed by as well */
        sample_pass(span, (size_t)(seen - mean * log_of((uint64_t)((1 - wanted) * 0x1p63) | 1)), 1);
    else
        sample_pass(span, (size_t)seen + added / times, 1);
    if (due)
        sample_span(span, bytes, round_off(wanted / chance), frame);
}

void profile_resize(struct span *span, size_t before, size_t bytes, const void *frame)
{
    size_t after = load_rlx(&span->large_size);
    if (after > before) {
        if (span->site != SITE_NONE)
            sample_grow(span, bytes);
        else
            grow_unseen(span, before, after - before, bytes, frame);
        return;
    }
    if (span->site != SITE_NONE)
        sample_drop(span);
    sample_pass(span, after, profile_thin);
    if (profile_is_due(bytes))
        sample_span(span, bytes, weigh(bytes), frame);
}

void profile_start(void)
{
    if (options.profile != 0)
        malloc_fast_max = 0;
}
